"""Handlers with tasks of their own, awaited, left behind or cut off, in runs that end, fail or are cancelled anywhere.

Nothing is promised about their order in deterministic mode; that the stream keeps its rules, that the run ends, and that
whoever is left behind is told so, is (BAR-2, BAR-3, STA-5).
"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepscope import WorkflowError
from stepscope.drivers.options import Mode
from stepscope.events import AnyEvent
from support.random_runs import Jitter, Program, build, first_message, programs
from support.stream_rules import check_stream
from support.watching import Watcher
from support.workflows import full

pytestmark = pytest.mark.filterwarnings("ignore::stepscope.WorkflowWarning")
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MODES = st.sampled_from(["concurrent", "deterministic"])


class _Trap(Watcher):
    """Cancels the run when its n-th event comes; 0: never."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.task: asyncio.Task[object] | None = None

    def append(self, event: AnyEvent) -> None:
        super().append(event)
        if len(self.events) == self.at and self.task is not None:
            self.task.cancel()


async def _survive(program: Program, mode: Mode, at: int, limit: int | None, seed: int) -> None:
    jitter, trap = Jitter(seed), _Trap(at)
    run = build(program, jitter).run(
        first_message(program), mode=mode, seed=seed, max_concurrency=limit, record=trap, cancel_grace=1.0
    )
    trap.task = asyncio.create_task(run)
    async with asyncio.timeout(20):
        await asyncio.wait([trap.task])
        await asyncio.gather(*jitter.strays, return_exceptions=True)
    if not trap.task.cancelled():
        error = trap.task.exception()
        assert error is None or isinstance(error, WorkflowError)
    for _tick in range(5):
        await asyncio.sleep(0)
    assert [one for one in asyncio.all_tasks() if one is not asyncio.current_task()] == []
    assert not trap.late
    check_stream(trap.events)
    assert "abandoned" not in [outcome for _, outcome in trap.ends()], "nobody here ignores cancellation"


@quick
@given(programs(live=True, threads=True, children=True), MODES, st.integers(0, 80), st.sampled_from([None, 1, 2]))
def test_tasks_of_handlers(program: Program, mode: Mode, at: int, limit: int | None) -> None:
    asyncio.run(_survive(program, mode, at, limit, 1))


@pytest.mark.slow
@settings(quick, max_examples=full(100, 2000))
@given(
    programs(live=True, threads=True, children=True), MODES, st.integers(0, 150), st.sampled_from([None, 1, 2]),
    st.integers(0, 100), st.none() | st.tuples(st.integers(0, 4), st.integers(1, 3)),
)  # fmt: skip
def test_tasks_of_many_handlers(
    program: Program, mode: Mode, at: int, limit: int | None, seed: int, fails: tuple[int, int] | None
) -> None:
    if fails is not None:
        program = program.with_step(fails[0] % len(program.nodes), ("fail", fails[1]))
    asyncio.run(_survive(program, mode, at, limit, seed))
