"""What comes after a sub-workflow has ended is reported by the scope that hosts it (BAR-2, SUB-1)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stepscope import SuperstepOverError, WorkflowBuilder, WorkflowContext, WorkflowExecutor, executor
from stepscope.events import Found, RunEnded
from support.watching import Watcher


@pytest.mark.parametrize("mode", ["concurrent", "deterministic"])
async def test_BAR_2_a_task_left_behind_in_a_sub_workflow_is_reported_where_the_run_goes_on(mode: Any) -> None:
    late = asyncio.Event()
    refused = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    @executor(id="leaver")
    async def leaver(_: int, ctx: WorkflowContext[Any, int]) -> None:
        async def too_late() -> None:
            await late.wait()
            try:
                await ctx.state.get("k")
            except SuperstepOverError:
                refused.set()

        tasks.append(asyncio.create_task(too_late()))
        await ctx.yield_output(1)

    @executor(id="after")
    async def after(_: int, ctx: WorkflowContext) -> None:
        late.set()
        await refused.wait()

    host = WorkflowExecutor(WorkflowBuilder(leaver, name="inner").build(), id="host")
    watcher = Watcher()
    async with asyncio.timeout(20):
        await WorkflowBuilder(host).add_edge(host, after).build().run(1, mode=mode, record=watcher)
    (found,) = (event for event in watcher.events if isinstance(event, Found) and event.finding == "escaped-task")
    inner_end = next(event for event in watcher.events if isinstance(event, RunEnded))
    assert inner_end.scope != 0
    assert found.seq > inner_end.seq
    assert found.scope == 0
