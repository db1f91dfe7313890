"""--record and --redact: where a command records to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from .problems import Problem
from .watch import Watch


class Destination:
    """A recording that can be written, seen to before anything runs, and what was recorded into it."""

    def __init__(self, path: str, redact: Sequence[str] = ()) -> None:
        """Make the file, or check the one that is there. Raises `Problem` and `RecordingError`."""
        from stepscope_tracing import open_recorder

        if not all(redact):
            raise Problem("--redact needs a place, such as 'state.token', 'message.*' or '*.password'.")
        self.path = path
        self._full = Path(path).absolute()  # a program may change its folder
        self._existed = self._full.exists()
        self._before = self._runs() if self._existed else 0
        self.recorder = open_recorder(self._full, list(redact) or None)
        self.watch = Watch()

    @property
    def how_to_open(self) -> str:
        """The command line."""
        return f"stepscope open {quote(self.path)}"

    def close(self) -> int:
        """How many runs were recorded, those of forked children included; a file made for none is removed again."""
        runs = max(len(self.watch.run_ids), self._runs() - self._before)
        if not runs and not self._existed:
            self._full.unlink(missing_ok=True)
        return runs

    def _runs(self) -> int:
        from stepscope_tracing import Recording, RecordingError

        try:
            with Recording.open(self._full) as recording:
                return len(recording.runs)
        except RecordingError:  # as yet empty, or not a recording at all, which the recorder says better
            return 0
