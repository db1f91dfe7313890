"""What listed breakages (`mutations`) once got past the other tests."""

from __future__ import annotations

from typing import Any

import pytest

from stepscope import StateKey, WorkflowBuilder, WorkflowExecutor
from stepscope.events import Delivered, HandlerStarted, StateRead, SuperstepStarted
from support.workflows import Context, Node, Options, alone, build, in_every_mode, relay, siblings, swallow, watch


@in_every_mode
async def test_ord_7_inboxes_are_in_rank_order_whatever_was_sent_first(options: Options) -> None:
    """Messages reach the executors of higher rank first; supersteps and deliveries keep to the ranks."""

    async def backwards(message: Any, ctx: Context) -> None:
        for name in ("a", "c", "b"):
            await ctx.send_message(message, name)

    start = Node("start", backwards)
    builder = WorkflowBuilder(start)
    for name in ("c", "b", "a"):
        builder.add_edge(start, Node(name, swallow))
    seen = await watch(build(builder), 0, **options)
    assert [one.executors for one in seen.of(SuperstepStarted)] == [["start"], ["c", "b", "a"]]
    assert [one.executor for one in seen.of(Delivered)] == ["start", "c", "b", "a"]
    if options["mode"] == "concurrent":
        assert [one.executor for one in seen.of(HandlerStarted)] == ["start", "c", "b", "a"]


@pytest.mark.parametrize("seed", range(3))
async def test_det_1_the_schedule_of_a_superstep_does_not_hang_on_choices_of_earlier_ones(seed: int) -> None:
    """In superstep 2 two of equal standing read more or less often, which takes more or fewer choices."""
    orders = []
    for length in (1, 2, 9):

        async def act(message: Any, ctx: Context, length: int = length) -> None:
            reads = length if ctx.superstep == 2 else 4
            for _ in range(reads):
                await ctx.state.get("key")
            if ctx.superstep == 2:
                await ctx.send_message(message)

        start, one, two, three, four = (Node(name, relay if name == "start" else act) for name in ("start", *"abcd"))
        builder = WorkflowBuilder(start, state=[StateKey("key", 0)]).add_fan_out_edges(start, [one, two])
        workflow = build(builder.add_edge(one, three).add_edge(two, four))
        seen = await watch(workflow, 0, mode="deterministic", seed=seed)
        orders.append([read.executor for read in seen.of(StateRead) if read.superstep == 3])
    assert len(orders[0]) == 8
    assert orders[0] == orders[1] == orders[2]


@in_every_mode
async def test_ord_3_a_condition_gets_a_copy_of_the_message(options: Options) -> None:
    """What a condition, a case or a selection does to the message it looks at, nobody sees."""
    got: list[Any] = []

    def spoils(message: list[int]) -> bool:
        message.append(-1)
        return True

    async def note(message: Any, ctx: Context) -> None:
        got.append((ctx.executor_id, message))

    start, one, two = Node("start", relay), Node("one", note), Node("two", note)
    builder = WorkflowBuilder(start).add_edge(start, one, spoils).add_edge(start, two, spoils)
    await watch(build(builder), [1], **options)
    assert sorted(got) == [("one", [1]), ("two", [1])]


@in_every_mode
async def test_det_3_each_delivery_of_a_superstep_draws_its_own_numbers(options: Options) -> None:
    """Two messages of one executor in one superstep, and two executors, never draw the same."""
    drawn: list[float] = []

    async def draw(_: Any, ctx: Context) -> None:
        drawn.extend((ctx.random(), ctx.random()))

    async def twice(message: Any, ctx: Context) -> None:
        for _ in range(2):
            await ctx.send_message(message)

    await watch(siblings({"a": draw, "b": draw}, first=twice), 0, **options)
    assert len(drawn) == len(set(drawn)) == 8


@in_every_mode
async def test_sub_1_a_sub_workflow_draws_other_numbers_each_time_it_runs(options: Options) -> None:
    """Two messages of one superstep, and one of the next, each run it; its draws are never the same."""
    drawn: list[float] = []

    async def draw(_: Any, ctx: Context) -> None:
        drawn.append(ctx.random())

    async def again(message: Any, ctx: Context) -> None:
        for _ in range(2):
            await ctx.send_message(message, "inner")
        if message:
            await ctx.send_message(0, "start")

    start, inner = Node("start", again), WorkflowExecutor(alone(draw), "inner")
    workflow = build(WorkflowBuilder(start).add_fan_out_edges(start, [start, inner]))
    await watch(workflow, 1, **options)
    assert len(drawn) == len(set(drawn)) == 4
