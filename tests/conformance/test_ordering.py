"""Message order: ORD-1, ORD-2, ORD-3, ORD-5, ORD-6, ORD-7. Fan-ins (ORD-4) and drops (ORD-8) have files of their own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from stepscope import Case, Executor, WorkflowBuilder, WorkflowError
from stepscope.events import Delivered, HandlerEnded, HandlerStarted, Sent, SuperstepStarted
from support.workflows import (
    CONCURRENT,
    Context,
    Jitter,
    Log,
    Node,
    Options,
    ThreadNode,
    Turns,
    build,
    in_every_mode,
    relay,
    run,
    sending,
    siblings,
    swallow,
    watch,
)

# -- ORD-1: first in, first out ----------------------------------------------------------------------------------------


@in_every_mode
async def test_ord_1_one_source_to_one_target_in_the_order_sent(options: Options) -> None:
    log, jitter = Log(), Jitter(1)

    async def send(_: Any, ctx: Context) -> None:
        for number in range(20):
            await jitter()
            await ctx.send_message(number)

    async def take(number: int, ctx: Context) -> None:
        await jitter()
        log(number)

    await run(WorkflowBuilder(a := Node("a", send)).add_edge(a, Node("b", take)).build(), **options)
    assert log.lines == list(range(20))


@in_every_mode
async def test_ord_1_over_several_invocations_of_the_source(options: Options) -> None:
    """What the source sends for its first message comes before what it sends for its second."""
    log, jitter = Log(), Jitter(2)

    async def twice(number: int, ctx: Context) -> None:
        for part in "xy":
            await jitter()
            await ctx.send_message(f"{number}{part}")

    async def take(text: str, ctx: Context) -> None:
        await jitter()
        log(text)

    a, b, c = Node("a", sending(1, 2, 3)), Node("b", twice), Node("c", take)
    await run(WorkflowBuilder(a).add_chain([a, b, c]).build(), **options)
    assert log.lines == ["1x", "1y", "2x", "2y", "3x", "3y"]


@in_every_mode
async def test_ord_1_sync_handlers(options: Options) -> None:
    log = Log()

    def send(_: Any, ctx: Context) -> None:
        for number in range(10):
            ctx.send_message(number)

    a, b = ThreadNode("a", send), ThreadNode("b", lambda number, ctx: log(number))
    await run(WorkflowBuilder(a).add_edge(a, b).build(), **options)
    assert log.lines == list(range(10))


def _two(kind: str, a: Executor, b: Executor, c: Executor) -> WorkflowBuilder:
    """A second edge from a to b, of some kind; the first is a single one."""
    builder = WorkflowBuilder(a).add_edge(a, c).add_edge(a, b)
    match kind:
        case "single":
            return builder.add_edge(a, b, condition=bool)
        case "fan-out":
            return WorkflowBuilder(a).add_edge(a, b).add_fan_out_edges(a, [b, c])
        case "fan-in":
            return builder.add_fan_in_edges([a, c], b)
        case "switch":
            return WorkflowBuilder(a).add_edge(a, b).add_switch_case_edge_group(a, [Case(bool, b), Case(bool, c)])
        case "selection":
            return (
                WorkflowBuilder(a)
                .add_edge(a, b)
                .add_multi_selection_edge_group(a, [b, c], selection_func=lambda message, targets: targets)
            )
        case "fan-in twice":
            return WorkflowBuilder(a).add_edge(a, c).add_fan_in_edges([a, c], b).add_fan_in_edges([c, a], b)
        case _:
            return WorkflowBuilder(a).add_fan_out_edges(a, [b, b, c])


@pytest.mark.parametrize("kind", ["single", "fan-out", "fan-in", "switch", "selection", "fan-in twice", "same group"])
def test_ord_1_a_second_edge_between_the_same_two_is_refused(kind: str) -> None:
    with pytest.raises(WorkflowError, match=r"'ay' -> 'bee'.*ORD-1"):
        _two(kind, Node("ay", relay), Node("bee", relay), Node("sea", relay)).build()


# -- ORD-2: the order of an inbox --------------------------------------------------------------------------------------


async def test_ord_2_rank_decides_though_the_last_source_is_done_first() -> None:
    log, turns = Log(), Turns("c", "b", "a")

    def source(name: str) -> Node:
        async def act(_: Any, ctx: Context) -> None:
            async with turns(name):
                await ctx.send_message(name + "1")
                await ctx.send_message(name + "2")

        return Node(name, act)

    async def take(text: str, ctx: Context) -> None:
        log(text)

    seen = await watch(siblings({name: source(name) for name in "abc"}, then=take), 0, **CONCURRENT)
    assert [sent.executor for sent in seen.of(Sent) if sent.superstep == 2] == ["c", "c", "b", "b", "a", "a"]
    assert log.lines == ["a1", "a2", "b1", "b2", "c1", "c2"]


async def test_ord_2_interleaved_sends_are_sorted_by_source_and_number() -> None:
    """One send of b falls between two of a."""
    log, turns = Log(), Turns("a1", "b1", "a2", "b2")

    def source(name: str) -> Node:
        async def act(_: Any, ctx: Context) -> None:
            for number in "12":
                async with turns(name + number):
                    await ctx.send_message(name + number)

        return Node(name, act)

    async def take(text: str, ctx: Context) -> None:
        log(text)

    seen = await watch(siblings({"a": source("a"), "b": source("b")}, then=take), 0, **CONCURRENT)
    assert [sent.executor for sent in seen.of(Sent) if sent.superstep == 2] == ["a", "b", "a", "b"]
    assert log.lines == ["a1", "a2", "b1", "b2"]


@in_every_mode
async def test_ord_2_rank_is_the_order_of_first_mention_not_of_ids_or_edges(options: Options) -> None:
    log = Log()

    async def take(text: str, ctx: Context) -> None:
        log(text)

    start, target = Node("m", relay), Node("b", take)
    nodes = {name: Node(name, sending(name)) for name in ("z", "a", "k")}
    builder = WorkflowBuilder(start).add_fan_out_edges(start, [nodes["z"], "a", nodes["k"]])
    for name in ("a", "k", "z"):  # these mention nobody but the target for the first time
        builder.add_edge(nodes[name], target)
    workflow = builder.build()
    assert [executor.id for executor in workflow.graph.executors] == ["m", "z", "a", "k", "b"]
    await run(workflow, 0, **options)
    assert log.lines == ["z", "a", "k"]


@in_every_mode
async def test_ord_2_the_position_in_the_inbox_is_recorded(options: Options) -> None:
    seen = await watch(siblings({"a": sending(1, 2), "b": sending(3)}, then=swallow), 0, **options)
    inbox = seen.of(Delivered, "then")
    assert [(one.position, one.sources, one.payload.tree()) for one in inbox] == [
        (0, ["a"], 1),
        (1, ["a"], 2),
        (2, ["b"], 3),
    ]


# -- ORD-3: fan-out ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [2, 50])
async def test_ord_3_every_target_is_started_before_any_is_awaited(width: int) -> None:
    """Nobody ends before everybody began: a runtime that awaited one of them first would hang."""
    meeting = asyncio.Barrier(width)

    async def meet(_: Any, ctx: Context) -> None:
        await meeting.wait()

    names = [f"t{number}" for number in range(width)]
    seen = await watch(siblings(dict.fromkeys(names, meet)), 0, **CONCURRENT)
    assert seen.error is None
    assert [one.executor for one in seen.of(HandlerStarted)] == ["start", *names]


async def test_ord_3_the_same_with_edges_instead_of_a_group_and_with_threads() -> None:
    meeting = asyncio.Barrier(3)
    loop = asyncio.get_running_loop()

    async def meet(_: Any, ctx: Context) -> None:
        await meeting.wait()

    def meet_in_thread(_: Any, ctx: Context) -> None:
        asyncio.run_coroutine_threadsafe(meeting.wait(), loop).result(20)

    start = Node("start", relay)
    builder = WorkflowBuilder(start).add_edge(start, Node("a", meet)).add_edge(start, ThreadNode("b", meet_in_thread))
    assert (await watch(builder.add_edge(start, Node("c", meet)).build(), 0, **CONCURRENT)).error is None


async def test_ord_3_no_head_of_line_blocking() -> None:
    """The slow target's first message is not done before the fast one has handled both of its own."""
    fast_done = asyncio.Event()

    async def slow(message: int, ctx: Context) -> None:
        await fast_done.wait()

    async def fast(message: int, ctx: Context) -> None:
        if message == 2:
            fast_done.set()

    seen = await watch(siblings({"slow": slow, "fast": fast}, first=sending(1, 2)), 0, **CONCURRENT)
    assert seen.error is None
    assert [one.executor for one in seen.of(HandlerEnded)] == ["start", "fast", "fast", "slow", "slow"]


@dataclass
class Box:
    items: list[int] = field(default_factory=list)


@in_every_mode
async def test_ord_3_each_target_gets_its_own_copy(options: Options) -> None:
    log = Log()

    async def spoil(message: dict[str, Any], ctx: Context) -> None:
        log((message["plain"], message["box"].items, message["deep"][0]))
        message["plain"].append(ctx.executor_id)
        message["box"].items.append(1)
        message["deep"][0]["x"] = ctx.executor_id

    async def send(_: Any, ctx: Context) -> None:
        message: dict[str, Any] = {"plain": [], "box": Box(), "deep": ({},)}
        await ctx.send_message(message)
        message["plain"].append("too late")
        message["box"].items.append(2)

    await run(siblings({"a": spoil, "b": spoil, "c": spoil}, first=send), 0, **options)
    kept = [(plain[:-1], items[:-1]) for plain, items, _ in log.lines]
    assert kept == [([], [])] * 3
    assert len({id(deep) for *_, deep in log.lines}) == 3
    assert sorted(plain[0] for plain, *_ in log.lines) == ["a", "b", "c"]


# -- ORD-5: one message at a time --------------------------------------------------------------------------------------


@in_every_mode
@pytest.mark.parametrize("threads", [False, True])
async def test_ord_5_one_message_at_a_time(options: Options, threads: bool) -> None:
    busy, most, jitter = 0, 0, Jitter(3)

    def enter() -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)

    def leave() -> None:
        nonlocal busy
        busy -= 1

    async def take(message: int, ctx: Context) -> None:
        enter()
        await jitter()
        await ctx.send_message(message)
        await jitter()
        leave()

    def take_in_thread(message: int, ctx: Context) -> None:
        enter()
        ctx.send_message(message)
        jitter.thread()
        leave()

    target = ThreadNode("b", take_in_thread) if threads else Node("b", take)
    a, c = Node("a", sending(*range(6))), Node("c", swallow)
    seen = await watch(WorkflowBuilder(a).add_chain([a, target, c]).build(), **options)
    assert most == 1
    spans = [
        (type(one), one.inv)
        for one in seen.events
        if isinstance(one, (HandlerStarted, HandlerEnded)) and one.executor == "b"
    ]
    invs = [inv for kind, inv in spans if kind is HandlerStarted]
    assert spans == [(kind, inv) for inv in invs for kind in (HandlerStarted, HandlerEnded)]
    assert len(invs) == 6


# -- ORD-6: outputs ----------------------------------------------------------------------------------------------------


async def test_ord_6_outputs_are_canonical_and_the_stream_shows_real_order() -> None:
    turns = Turns("c", "b", "a")

    async def act(_: Any, ctx: Context) -> None:
        async with turns(ctx.executor_id):
            await ctx.yield_output(ctx.executor_id + "1")
            await ctx.yield_output(ctx.executor_id + "2")

    workflow = siblings({"a": act, "b": act, "c": act})
    events = [event async for event in workflow.stream(0, mode="concurrent")]
    live = [event for event in events if event.type == "output"]
    assert [event.data for event in live] == ["c1", "c2", "b1", "b2", "a1", "a2"]
    assert all(event.provisional for event in live)
    assert events[-1].data.outputs == ["a1", "a2", "b1", "b2", "c1", "c2"]


@in_every_mode
async def test_ord_6_by_superstep_then_rank_then_number(options: Options) -> None:
    """An executor of low rank yields in every superstep; that of a later superstep comes later all the same."""
    jitter = Jitter(4)

    async def act(hops: int, ctx: Context) -> None:
        for number in range(2):
            await jitter()
            await ctx.yield_output((ctx.superstep, ctx.executor_id, number))
        if hops:
            await ctx.send_message(hops - 1)

    a, b, c = (Node(name, act) for name in "abc")
    builder = WorkflowBuilder(a).add_fan_out_edges(a, [c, b]).add_edge(c, a).add_edge(b, c)
    result = await run(build(builder), 3, **options)
    rank = {"a": 0, "c": 1, "b": 2}
    keys = [(superstep, rank[name]) for superstep, name, _ in result.outputs]
    assert keys == sorted(keys)
    assert {superstep for superstep, *_ in result.outputs} == {1, 2, 3, 4}
    assert [number for *_, number in result.outputs] == [0, 1] * (len(result.outputs) // 2)


# -- ORD-7: delivered in the next superstep ----------------------------------------------------------------------------


@in_every_mode
async def test_ord_7_sent_in_k_delivered_in_k_plus_1(options: Options) -> None:
    """To an idle executor, to one that is running, and to oneself alike."""

    async def act(hops: int, ctx: Context) -> None:
        if hops:
            await ctx.send_message(hops - 1)

    a, b, c = (Node(name, act) for name in "abc")
    builder = WorkflowBuilder(a).add_fan_out_edges(a, [a, b, c]).add_fan_out_edges(b, [c, b]).add_edge(c, a)
    seen = await watch(build(builder), 3, **options)
    sent = {one.message: one.superstep for one in seen.of(Sent)}
    delivered = [(message, one) for one in seen.of(Delivered) for message in one.messages if message]
    assert delivered
    for message, one in delivered:
        assert one.superstep == sent[message] + 1
    assert {message for message, _ in delivered} == set(sent)  # never skipped
    assert len(delivered) == sum({"a": 3, "b": 2, "c": 1}[one.executor] for one in seen.of(Sent))


@in_every_mode
async def test_ord_7_a_message_to_oneself_waits_for_the_next_superstep(options: Options) -> None:
    log = Log()

    async def again(hops: int, ctx: Context) -> None:
        log((ctx.superstep, hops))
        if hops:
            await ctx.send_message(hops - 1)
            await ctx.send_message(0)

    a = Node("a", again)
    result = await run(build(WorkflowBuilder(a).add_edge(a, a)), 2, **options)
    assert log.lines == [(1, 2), (2, 1), (2, 0), (3, 0), (3, 0)]
    assert result.supersteps == 3


@in_every_mode
async def test_ord_7_a_superstep_names_who_has_an_inbox_in_rank_order(options: Options) -> None:
    workflow = siblings({"b": sending(1), "a": sending(2)}, then=swallow)
    seen = await watch(workflow, 0, **options)
    assert [one.executors for one in seen.of(SuperstepStarted)] == [["start"], ["b", "a"], ["then"]]
