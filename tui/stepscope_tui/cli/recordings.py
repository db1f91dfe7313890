"""SOURCE on the command line, and the recordings at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from .out import Out, count
from .problems import one_line

if TYPE_CHECKING:
    from stepscope_tracing import Recording

SUFFIX = ".stepscope"
_FRAGMENT = re.compile(r"#(?:run=(?P<run>[^#&]+)(?:&|$))?(?:seq=(?P<seq>[0-9]{1,18}))?$")


@dataclass(frozen=True)
class Source:
    """``FILE[#seq=N]``, or ``FILE#run=ID[&seq=N]`` for another run than the newest."""

    path: str
    run_id: str | None = None
    seq: int | None = None

    def __str__(self) -> str:
        """As it is written on the command line."""
        parts = [f"run={self.run_id}"] if self.run_id else []
        parts += [f"seq={self.seq}"] if self.seq is not None else []
        return quote(self.path + (f"#{'&'.join(parts)}" if parts else ""))


def parse_source(text: str) -> Source:
    """A file whose own name ends like a fragment is that file."""
    found = _FRAGMENT.search(text)
    if found is None or found.start() == 0 or Path(text).exists():
        return Source(text)
    seq = found["seq"]
    return Source(text[: found.start()], found["run"], None if seq is None else int(seq))


@contextmanager
def recorded(source: Source) -> Iterator[Path]:
    """The recording's file; one made for the while if the source is a file of spans. Raises `RecordingError`."""
    from tempfile import TemporaryDirectory

    from stepscope_tracing.incoming import as_recording

    with TemporaryDirectory(prefix="stepscope-") as folder:
        yield as_recording(Path(source.path), Path(folder))


@contextmanager
def recording_of(source: Source) -> Iterator[Recording]:
    """The opened recording; see `recorded`. Raises `RecordingError`."""
    from stepscope_tracing import Recording

    with recorded(source) as path, Recording.open(path) as recording:
        yield recording


def at_hand(folder: Path) -> list[Path]:
    """Recordings in `folder` and in its ``.stepscope``, the newest first."""
    found = [*folder.glob(f"*{SUFFIX}"), *(folder / SUFFIX).glob(f"*{SUFFIX}")]
    return sorted((p for p in found if p.is_file()), key=lambda p: (-p.stat().st_mtime_ns, p.name))


def choose_and_open() -> int:
    """``stepscope`` alone: the list of recordings; on a terminal the chosen one is opened."""
    paths = at_hand(Path.cwd())
    if not paths:
        out = Out()
        out.line("There is no recording in this folder. Make one:")
        out.line("  stepscope demo                                   a lost update, to look at")
        out.line("  stepscope record --record run.stepscope app.py   what a program of yours does")
        return 0
    from .show import draws_ascii, on_a_terminal, show

    if not on_a_terminal():
        _print_list(paths)
        return 0
    from ..chooser import choose_recording

    chosen = choose_recording(paths, ascii=draws_ascii())
    return 0 if chosen is None else show(Source(str(chosen)))


def _print_list(paths: list[Path]) -> None:
    from stepscope.errors import WorkflowError

    out = Out()
    rows: list[list[str | tuple[str, str]]] = []
    for path in paths:
        name = str(path.relative_to(Path.cwd()))
        try:
            with recording_of(Source(str(path))) as recording:
                runs = recording.runs
                row: list[str | tuple[str, str]] = [name, count(len(runs), "run")]
                if runs:
                    newest = recording.run().info
                    row += [newest.workflow, newest.status, when(newest.started_unix_ns)]
        except WorkflowError as error:
            row = [name, one_line(str(error))]
        rows.append(row)
    out.table(rows)


def when(unix_ns: int) -> str:
    """Local time, to the minute."""
    return datetime.fromtimestamp(unix_ns / 1e9).strftime("%Y-%m-%d %H:%M")


def chosen_runs(recording: Recording, source: Source) -> list[str]:
    """Ids of the runs a command is about: the one the source names, or all of them in order. Raises `RecordingError`."""
    if source.run_id is not None:
        return [recording.run(source.run_id).info.run_id]
    return [info.run_id for info in recording.runs]
