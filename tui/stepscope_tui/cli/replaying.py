"""What ``stepscope replay`` does, apart from printing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .problems import Problem
from .recordings import parse_source, recording_of
from .target import load, workflow_of

if TYPE_CHECKING:
    from stepscope import ReplayReport
    from stepscope_tracing.run import Run


@dataclass(frozen=True)
class Replayed:
    """A run and what its replay came to."""

    file: str
    workflow: str
    run_id: str
    report: ReplayReport


def replay(file: str, target: str, run_id: str | None, stall_timeout: float) -> Replayed:
    """Read, import, run again. Raises `Problem` and `WorkflowError` for what ends in exit code 2."""
    source = parse_source(file)
    if run_id is not None and source.run_id not in (None, run_id):
        raise Problem(f"{file!r} names run {source.run_id!r} and --run names {run_id!r}; name one.")
    with recording_of(source) as recording:
        run = recording.run(run_id or source.run_id)
        found = load(target)
        try:
            report = asyncio.run(_replay(run, target, found, stall_timeout))
        except asyncio.CancelledError:
            raise Problem(f"{target!r} was cancelled before its replay came to an end.") from None
        return Replayed(source.path, run.info.workflow, run.info.run_id, report)


async def _replay(run: Run, target: str, found: object, stall_timeout: float) -> ReplayReport:
    from stepscope_tracing.sources import read_sources

    workflow = await workflow_of(target, found)
    return await workflow.replay(
        run.iter_events(),
        recorded_source=run.source,
        current_source=lambda file: dict(read_sources([file])).get(file),
        stall_timeout=stall_timeout,
        cancel_grace=min(5.0, stall_timeout),
    )
