"""Our own runtime behind the vectors: runs, resumes, replays and watches."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from stepscope import CheckpointError, Workflow, WorkflowError, WorkflowResult
from stepscope.analysis import check_events
from stepscope.conformance import program as p
from stepscope.conformance.adapter import unless_stopped
from stepscope.conformance.observation import Ran, Report
from stepscope.conformance.stage import Stage
from stepscope.conformance.vector import Run

from .stepscope_program import built
from .stepscope_storage import Storage
from .stepscope_watch import Heard, Watcher, described, kind_of_finding

CARRIED = (
    "mode",
    "seed",
    "max_concurrency",
    "strict",
    "stall_timeout",
    "on_stall",
    "cancel_grace",
    "on_checkpoint_error",
)
"""What a vector's run and a run of ours call by the same name."""


def make() -> StepscopeAdapter:
    """The adapter."""
    return StepscopeAdapter()


class StepscopeAdapter:
    """Builds workflows with the public API."""

    async def run(self, program: p.Program, message: Any, how: Run, stage: Stage) -> Ran:
        """See `Adapter`."""
        heard, logger = Heard(stage), logging.getLogger("stepscope")
        logger.addHandler(heard)
        try:
            return await _run(program, message, how, stage)
        finally:
            logger.removeHandler(heard)


async def _run(program: p.Program, message: Any, how: Run, stage: Stage) -> Ran:
    ran = Ran()
    workflow = _workflow(program, stage, ran)
    if workflow is None:
        return ran
    storage = None if how.checkpoints == "none" else Storage(stage, how.checkpoints)
    watcher = Watcher(stage)
    await unless_stopped(how, _told(ran, watcher, _first(workflow, message, how, stage, watcher, storage)))
    if storage is not None and (how.resume_from is not None or (how.resume and ran.outputs is None)):
        await _resume(program, how, stage, ran, watcher, storage)
    if how.replay:
        await _replay(program, how, stage, ran, watcher)
    if ran.outputs is None:
        ran.outputs, ran.state, ran.supersteps = watcher.outputs, watcher.state, watcher.supersteps
    ran.terminals = watcher.terminals
    return ran


def _workflow(program: p.Program, stage: Stage, ran: Ran) -> Workflow | None:
    """The program built, or None, and why in `ran`."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            workflow = built(program, stage)
        except WorkflowError as error:
            ran.error = Report(kind="refused", text=str(error))
            return None
    ran.reports += [Report(kind="other", text=str(one.message)) for one in warned]
    return workflow


async def _first(
    workflow: Workflow, message: Any, how: Run, stage: Stage, watcher: Watcher, storage: Storage | None
) -> WorkflowResult | None:
    given = {name: getattr(how, name) for name in CARRIED}
    options: Any = {name: value for name, value in given.items() if value is not None}
    if not how.stream:
        return await workflow.run(message, record=watcher, checkpoints=storage, **options)
    result: WorkflowResult | None = None
    async for event in workflow.stream(message, record=watcher, checkpoints=storage, **options):
        match event.type:
            case "output":
                stage.stream(f"output {event.data}", provisional=event.provisional)
            case "superstep_completed" | "superstep_failed":
                stage.stream(f"{event.type.removeprefix('superstep_')} {event.superstep}")
            case "run_completed":
                result = event.data
            case _:
                pass
    return result


async def _resume(program: p.Program, how: Run, stage: Stage, ran: Ran, watcher: Watcher, storage: Storage) -> None:
    """A workflow built anew goes on from the storage, as in another process."""
    ran.error = ran.outputs = None
    workflow = _workflow(how.changed or program, stage, ran)
    if workflow is None:
        return
    checkpoint_id = await storage.id_of(how.resume_from)
    await storage.tamper(how.tamper)
    await _told(ran, watcher, workflow.resume(storage, checkpoint_id, record=watcher), reading=True)


async def _replay(program: p.Program, how: Run, stage: Stage, ran: Ran, watcher: Watcher) -> None:
    """A workflow built anew is run again under the schedule that was recorded."""
    recorded = list(watcher.events)
    workflow = _workflow(how.changed or program, stage, ran)
    if workflow is None:
        return
    report = await workflow.replay(recorded)
    ran.replayed = report.outcome
    if report.divergence is not None:
        ran.reports.append(Report(kind="diverged", text=str(report.divergence)))


async def _told(ran: Ran, watcher: Watcher, running: Any, *, reading: bool = False) -> None:
    """What became of a run; `reading` a checkpoint, what is wrong with one is damage."""
    before = len(watcher.events)
    try:
        result = await running
    except CheckpointError as error:
        ran.error = Report(kind="checkpoint-damaged" if reading else "checkpoint-failed", text=str(error))
    except WorkflowError as error:
        ran.error = described(error)
    else:
        ran.outputs, ran.state, ran.supersteps = result.outputs, result.state, result.supersteps
        ran.digest = result.digest
    known = {(one.kind, one.text) for one in watcher.reports}
    for finding in check_events(watcher.events[before:]):
        report = Report(kind=kind_of_finding(finding.kind), text=finding.message)
        if (report.kind, report.text) not in known:
            ran.reports.append(report)
