"""Opening a recording: a file with one run or several, complete or not, also while it is being written."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from . import database as db
from .blocks import Payloads
from .errors import RecordingError
from .model import RunInfo
from .run import Run
from .runs import list_runs, run_info


class Recording:
    """A recording file, open for reading. Nothing in it is executed. Use it in a `with` block, or `close` it."""

    def __init__(self, database: db.Database, path: Path) -> None:
        """See `open`."""
        self.path = path
        self._database = database
        self._payloads = Payloads(database)
        self._runs: dict[int, Run] = {}
        self._version = -1
        self._listed: list[tuple[int, RunInfo]] = []
        self._list()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Recording:
        """Open a file. Raises `RecordingError`, one sentence, for whatever is not a readable recording."""
        file = Path(path)
        database = db.open_reading(file)
        try:
            return cls(database, file)
        except BaseException:
            database.close()
            raise

    def _list(self) -> None:
        (self._version,) = self._database.row("PRAGMA data_version")
        self._listed = list_runs(self._database)

    @property
    def runs(self) -> list[RunInfo]:
        """What runs there are, oldest first."""
        return [info for _, info in self._listed]

    def run(self, run_id: str | None = None) -> Run:
        """A run by its id or the beginning of it; None: the newest. Raises `RecordingError` if there is none."""
        if not self._listed:
            raise RecordingError(f"recording {str(self.path)!r} holds no run yet.")
        wanted = [row for row, info in self._listed if run_id in (None, info.run_id)]
        if not wanted and run_id:
            wanted = [row for row, info in self._listed if info.run_id.startswith(run_id)]
            if len(wanted) > 1:
                raise RecordingError(
                    f"recording {str(self.path)!r} holds several runs whose ids begin with {run_id!r}."
                )
        if not wanted:
            ids = ", ".join(info.run_id for info in self.runs[-5:])
            raise RecordingError(f"recording {str(self.path)!r} holds no run {run_id!r}; its newest runs are {ids}.")
        row = wanted[-1]
        if row not in self._runs:
            info, redacted = run_info(self._database, row)
            self._runs[row] = Run(self._database, row, info, self._payloads, redacted=redacted)
        return self._runs[row]

    def refresh(self) -> bool:
        """See what was written since, in the runs that were given out too; whether there was anything."""
        before = self._version, self._listed
        self._list()
        if (self._version, self._listed) == before:
            return False
        grown = [run.refresh() for run in self._runs.values()]
        return any(grown) or self._listed != before[1]

    def close(self) -> None:
        """Close the file; closing again does nothing."""
        self._database.close()

    def __enter__(self) -> Recording:
        """For `with`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
