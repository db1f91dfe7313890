"""Many messages to one inbox, and an executor that never stops sending to itself (ORD-1, ORD-2, DLK-1)."""

from __future__ import annotations

from typing import Any

import pytest

from stepscope import ConvergenceError, StateKey, SuperstepError, Workflow, WorkflowBuilder, WorkflowExecutor
from support.workflows import Context, Node, Options, build, in_every_mode, run, siblings, watch


def _crowd(count: int, seen: list[int]) -> Workflow:
    async def sends(_: Any, ctx: Context) -> None:
        for number in range(count):
            await ctx.send_message(number)

    async def takes(message: int, ctx: Context) -> None:
        seen.append(message)

    return siblings({"sink": takes}, first=sends)


@in_every_mode
async def test_ord_1_thousands_of_messages_to_one_inbox_stay_in_order(options: Options) -> None:
    count = 10_000
    seen: list[int] = []
    result = await run(_crowd(count, seen), **options)
    assert seen == list(range(count))
    assert result.supersteps == 2


@in_every_mode
async def test_dlk_1_an_executor_that_sends_to_itself_for_ever(options: Options) -> None:
    async def again(message: int, ctx: Context) -> None:
        await ctx.state.set("count", message)
        await ctx.send_message(message + 1)

    node = Node("again", again)
    workflow = build(WorkflowBuilder(node, state=[StateKey("count", 0)], max_supersteps=500).add_edge(node, node))
    seen = await watch(workflow, 1, **options)
    assert isinstance(seen.error, ConvergenceError)
    assert seen.error.executors == ("again",)
    assert "not quiescent after 500 supersteps: the cycle again -> again is still active" in str(seen.error)


@in_every_mode
async def test_dlk_1_inside_a_sub_workflow_it_fails_the_host(options: Options) -> None:
    async def again(message: int, ctx: Context) -> None:
        await ctx.send_message(message + 1)

    node = Node("again", again)
    inner = build(WorkflowBuilder(node, max_supersteps=20).add_edge(node, node))
    with pytest.raises(SuperstepError) as caught:
        await run(siblings({"sub": WorkflowExecutor(inner, id="sub")}), 1, **options)
    (error,) = caught.value.exceptions
    assert isinstance(error, ConvergenceError)
