"""One replay: the recorded input into today's workflow, under the recorded schedule (DET-4)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

from ..drivers.describe import error_info
from ..drivers.options import Mode, RunOptions
from ..drivers.scope import ENGINE, run_ended, run_scope, run_started
from ..errors import ReplayDivergence, WorkflowError
from ..events import AnyEvent, Resumed, RunEnded, RunStarted
from ..journal import Journal
from ..kernel import Kernel, Plan
from ..values import Value
from .admission import Restores, Results
from .causes import Causes
from .checker import Checker
from .follower import Follower
from .graphs import differences
from .report import ReplayReport
from .resumed import go_on
from .same import left_out
from .script import Script
from .sources import Sources
from .words import in_words


async def replay(
    plan: Plan,
    events: Iterable[AnyEvent],
    types: Restores,
    sources: Sources,
    *,
    stall_timeout: float,
    cancel_grace: float,
) -> ReplayReport:
    """See `Workflow.replay`."""
    script = Script(events)
    started = _started(script.expected)
    options = RunOptions(
        mode=cast(Mode, started.mode), seed=started.seed, strict=started.options.get("strict") is True,
        stall_timeout=stall_timeout, cancel_grace=cancel_grace,
    )  # fmt: skip
    checker = Checker(script)
    journal = Journal(lambda: 0, [checker])
    kernel = Kernel(plan, journal, strict=options.strict, describe=error_info)
    payload = _input(started, types)
    now = run_started(plan, journal, options, started.seed or 0, payload, run_id="", version="", unix_ns=0)
    checker.append(now)
    if not checker.over:
        if isinstance(script.expected, Resumed):
            go_on(kernel, script.expected, types)
            checker.append(script.expected)
        else:
            kernel.begin(payload)
        await _run(Follower(journal, options, started.seed or 0, checker, Results(types)), kernel, checker)
    if checker.problem is not None:
        raise checker.problem
    divergence = _divergence(checker, Causes(started.python, checker.graphs, sources))
    last = script.last
    complete = script.expected is None and isinstance(last, RunEnded) and not last.scope
    return ReplayReport(
        outcome="identical" if divergence is None else "diverged",
        steps=checker.steps,
        divergence=divergence,
        complete=complete,
        unknown=checker.comparison.unknown,
    )


async def _run(driver: Follower, kernel: Kernel, checker: Checker) -> None:
    failure: BaseException | None = None
    try:
        await run_scope(driver, kernel)
    except asyncio.CancelledError as cancelled:
        if driver.aborted:
            raise
        failure = cancelled
    except Exception as error:
        failure = error
    if not checker.over:
        checker.append(run_ended(kernel, failure))


def _started(event: AnyEvent | None) -> RunStarted:
    """The recorded run's first event. Raises `WorkflowError` for what cannot be replayed at all."""
    if not isinstance(event, RunStarted) or event.scope:
        raise WorkflowError("these events are no run that can be replayed: the first is not a run's start.")
    if event.engine != ENGINE:
        raise WorkflowError(
            f"this run was recorded from {event.engine!r}; only runs of Stepscope's own runtime can be replayed."
        )
    return event


def _input(started: RunStarted, types: Restores) -> Value:
    if left_out(started.input):
        raise WorkflowError(
            "the run's input was left out of the recording; replay cannot begin without it: record without redacting it."
        )
    return types.restored(started.input.data, "the run's input")


def _divergence(checker: Checker, causes: Causes) -> ReplayDivergence | None:
    found = checker.mismatch
    if found is None:
        return None
    recorded = found.recorded
    expected = "nothing more" if recorded is None else in_words(recorded)
    actual = found.stuck if found.now is None else in_words(found.now)
    if isinstance(recorded, RunStarted) and isinstance(found.now, RunStarted):
        other = differences(recorded.graph, found.now.graph)
        if other:
            expected, actual = f"the recorded graph of workflow {recorded.workflow!r}", f"another: {other[0]}"
    step = 0 if recorded is None else recorded.seq
    return ReplayDivergence(step, expected, actual, causes.of(found, checker.script))
