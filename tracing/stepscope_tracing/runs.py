"""The table of runs: which runs a recording holds, and how each ended."""

from __future__ import annotations

from typing import Any

from .database import Database
from .errors import RecordingError
from .model import RunInfo, Status
from .process import writer_lives

_SELECT = """
SELECT run, run_id, engine, workflow, mode, seed, started_unix_ns, status, redacted, writer,
    (SELECT last FROM blocks WHERE blocks.run = runs.run ORDER BY first DESC LIMIT 1)
FROM runs
"""
_ENDED: tuple[Status, ...] = ("completed", "failed", "cancelled")


def run_info(database: Database, run: int) -> tuple[RunInfo, bool]:
    """One run, and whether values were left out of it. Raises `RecordingError` if it is not there."""
    row = database.row(_SELECT + " WHERE run = ?", run)
    if row is None:
        raise RecordingError(f"{database.name} is damaged: run {run} is missing.")
    return _info(database, row), bool(row[8])


def list_runs(database: Database) -> list[tuple[int, RunInfo]]:
    """All runs of which something was written, oldest first, by row. Raises `RecordingError`."""
    rows = database.rows(_SELECT + " ORDER BY run")
    return [(row[0], _info(database, row)) for row in rows if row[10] is not None]


def _info(database: Database, row: Any) -> RunInfo:
    _, run_id, engine, workflow, mode, seed, started, status, _, writer, last = row
    texts = (run_id, engine, workflow, mode, status, writer)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(n, int) for n in (started, last or 0)):
        raise RecordingError(f"{database.name} is damaged: its table of runs makes no sense.")
    seen: Status = "interrupted"
    if status in _ENDED:
        seen = status
    elif status == "running" and writer_lives(writer):
        seen = "running"
    return RunInfo(run_id, engine, workflow, mode, seed, started, seen, status in _ENDED, last or 0)
