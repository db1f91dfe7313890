"""BAR-5: stopped at any event, in the middle of writing a checkpoint too, a run that is resumed ends as if it had not been.

Processes that are killed are in `tests/runtime/checkpoints`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepscope import CheckpointError, CheckpointInfo, InMemoryCheckpointStorage, Workflow
from support.random_runs import Jitter, Program, build, first_message, programs
from support.resuming import committed, resumed
from support.ruled import ruled
from support.stream_rules import check_stream
from support.watching import Trap
from support.workflows import Options, full

pytestmark = pytest.mark.filterwarnings("ignore::stepscope.WorkflowWarning")
quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
whole = settings(quick, max_examples=full(50, 500))


class Slow(InMemoryCheckpointStorage):
    """Lets the event loop go round before and after it keeps anything: a run may be cancelled there."""

    async def save(self, info: CheckpointInfo, body: bytes) -> None:
        await asyncio.sleep(0)
        await super().save(info, body)
        await asyncio.sleep(0)


async def stopped(workflow: Workflow, message: Any, at: int, storage: Slow, options: Options) -> None:
    """Run until the n-th event, or to the end if there are fewer."""
    trap = Trap(at)
    trap.task = asyncio.create_task(workflow.run(message, record=trap, checkpoints=storage, **options))
    async with asyncio.timeout(20):
        await asyncio.wait([trap.task])
    if not trap.task.cancelled():
        trap.task.result()
    check_stream(trap.events)


async def stopped_anywhere(program: Program, stops: list[int], jitter: int | None, options: Options) -> None:
    """Stopped, resumed from the latest checkpoint, and stopped again, a few times; then to the end."""
    message = first_message(program)
    expected = await ruled(build(program, Jitter(jitter)), message, **options)
    storage = Slow()
    await stopped(build(program, Jitter(jitter)), message, stops[0], storage, options)
    for at in stops[1:]:
        trap = Trap(at)
        trap.task = asyncio.create_task(build(program, Jitter(jitter)).resume(storage, record=trap))
        await asyncio.wait([trap.task])
        if not trap.task.cancelled() and isinstance(trap.task.exception(), CheckpointError):
            assert not await storage.list_checkpoints(), "nothing was written before the first stop"
            return
    if await storage.list_checkpoints():
        again, _ = await resumed(build(program, Jitter(jitter)), storage)
        assert committed(again) == committed(expected)


STOPS = st.lists(st.integers(1, 120), min_size=1, max_size=3)
SEEDS = st.integers(0, 3)


def deterministic(program: Program, stops: list[int], seed: int) -> None:
    asyncio.run(stopped_anywhere(program, stops, None, {"mode": "deterministic", "seed": seed}))


@quick
@given(programs(live=True), STOPS, SEEDS)
def test_BAR_5_a_deterministic_run_stopped_anywhere(program: Program, stops: list[int], seed: int) -> None:
    deterministic(program, stops, seed)


@settings(quick, max_examples=25)
@given(programs(), STOPS, st.integers(0, 1000))
def test_BAR_5_a_concurrent_run_stopped_anywhere(program: Program, stops: list[int], jitter: int) -> None:
    asyncio.run(stopped_anywhere(program, stops, jitter, {"mode": "concurrent", "seed": jitter % 3}))


@pytest.mark.slow
@whole
@given(programs(live=True, threads=True), STOPS, SEEDS)
def test_BAR_5_many_deterministic_runs_stopped_anywhere(program: Program, stops: list[int], seed: int) -> None:
    deterministic(program, stops, seed)


@pytest.mark.slow
@whole
@given(programs(threads=True), STOPS, st.integers(0, 1000))
def test_BAR_5_many_concurrent_runs_stopped_anywhere(program: Program, stops: list[int], jitter: int) -> None:
    asyncio.run(stopped_anywhere(program, stops, jitter, {"mode": "concurrent", "seed": jitter % 3}))
