"""Fan-ins: how messages are grouped, when a group is delivered and what is left over (ORD-4, ORD-7, DLK-3)."""

from __future__ import annotations

from typing import Any

import pytest

from stepscope import StarvedFanInError, Workflow, WorkflowBuilder
from stepscope.events import Delivered, RunEnded, Sent
from support.workflows import (
    CONCURRENT,
    Act,
    Context,
    Log,
    Node,
    Options,
    Turns,
    build,
    in_every_mode,
    relay,
    run,
    sending,
    swallow,
    watch,
)


def joined(acts: dict[str, Act], order: str, take: Act, max_supersteps: int = 100) -> Workflow:
    """start -> each of `acts` in rank order -> fan-in, declared in `order`, into "join"."""
    start = Node("start", relay)
    nodes = {name: Node(name, act) for name, act in acts.items()}
    builder = WorkflowBuilder(start, max_supersteps=max_supersteps).add_fan_out_edges(start, list(nodes.values()))
    return build(builder.add_fan_in_edges([nodes[name] for name in order], Node("join", take)))


@in_every_mode
@pytest.mark.parametrize("order", ["abc", "cab"])
async def test_ord_4_a_group_is_a_list_in_declared_order(options: Options, order: str) -> None:
    log = Log()

    async def take(group: list[str], ctx: Context) -> None:
        log((group, ctx.source_ids))

    await run(joined({name: sending(name) for name in "abc"}, order, take), 0, **options)
    assert log.lines == [(list(order), list(order))]


@in_every_mode
async def test_ord_4_the_ith_of_every_source_makes_the_ith_group(options: Options) -> None:
    log = Log()

    async def take(group: list[str], ctx: Context) -> None:
        log(group)

    acts = {name: sending(*(f"{name}{number}" for number in range(3))) for name in "abc"}
    await run(joined(acts, "bca", take), 0, **options)
    assert log.lines == [["b0", "c0", "a0"], ["b1", "c1", "a1"], ["b2", "c2", "a2"]]


async def test_ord_4_content_does_not_hang_on_arrival() -> None:
    log, turns = Log(), Turns("b0", "b1", "a0", "a1")

    async def act(_: Any, ctx: Context) -> None:
        for number in "01":
            async with turns(ctx.executor_id + number):
                await ctx.send_message(ctx.executor_id + number)

    async def take(group: list[str], ctx: Context) -> None:
        log(group)

    seen = await watch(joined({"a": act, "b": act}, "ab", take), 0, **CONCURRENT)
    assert [one.executor for one in seen.of(Sent) if one.superstep == 2] == ["b", "b", "a", "a"]
    assert log.lines == [["a0", "b0"], ["a1", "b1"]]


@in_every_mode
async def test_ord_4_pairing_is_by_count_over_supersteps(options: Options) -> None:
    """a sends three at once; b, fed by a chain, one in each of three supersteps."""
    log = Log()

    async def again(hops: int, ctx: Context) -> None:
        await ctx.send_message(f"b{hops}", "join")
        if hops:
            await ctx.send_message(hops - 1, "b")

    async def take(group: list[str], ctx: Context) -> None:
        log((ctx.superstep, group))

    start, a, b, join = Node("start", relay), Node("a", sending("a0", "a1", "a2")), Node("b", again), Node("join", take)
    builder = WorkflowBuilder(start).add_fan_out_edges(start, [a, b]).add_edge(b, b)
    seen = await watch(build(builder.add_fan_in_edges([a, b], join)), 2, **options)
    assert log.lines == [(3, ["a0", "b2"]), (4, ["a1", "b1"]), (5, ["a2", "b0"])]
    assert seen.findings("starved-fan-in") == []


@in_every_mode
async def test_ord_7_a_group_is_delivered_after_its_last_member_was_sent(options: Options) -> None:
    start, slow, first, second, join = (
        Node(name, act)
        for name, act in {
            "start": relay, "slow": relay, "first": relay, "second": relay, "join": swallow,
        }.items()
    )  # fmt: skip
    builder = WorkflowBuilder(start).add_fan_out_edges(start, [first, slow]).add_edge(slow, second)
    seen = await watch(builder.add_fan_in_edges([first, second], join).build(), 0, **options)
    (delivered,) = seen.of(Delivered, "join")
    sent = {one.message: one.superstep for one in seen.of(Sent)}
    assert [sent[message] for message in delivered.messages] == [2, 3]
    assert (delivered.superstep, delivered.group, delivered.sources) == (4, True, ["first", "second"])


@in_every_mode
@pytest.mark.parametrize(
    ("order", "expected"),
    [("ac", [["a", "c"], "b"]), ("ca", ["b", ["c", "a"]])],
)
async def test_ord_7_a_group_has_the_rank_of_its_first_source(
    options: Options, order: str, expected: list[Any]
) -> None:
    """b, whose rank lies between, has a plain edge to the same target."""
    log = Log()

    async def take(message: Any, ctx: Context) -> None:
        log(message)

    start, join = Node("start", relay), Node("join", take)
    nodes = {name: Node(name, sending(name)) for name in "abc"}
    builder = WorkflowBuilder(start).add_fan_out_edges(start, list(nodes.values())).add_edge(nodes["b"], join)
    await run(builder.add_fan_in_edges([nodes[name] for name in order], join).build(), 0, **options)
    assert log.lines == expected


@in_every_mode
async def test_ord_4_members_are_copies(options: Options) -> None:
    """The same value sent by both sources is two objects in the group."""
    log = Log()

    async def take(group: list[list[int]], ctx: Context) -> None:
        group[0].append(1)
        log(group)

    await run(joined({"a": sending([]), "b": sending([])}, "ab", take), 0, **options)
    assert log.lines == [[[1], []]]


@in_every_mode
async def test_dlk_3_what_is_left_at_quiescence_is_reported(options: Options) -> None:
    """The missing source and the buffered messages are named; the run itself succeeds."""
    workflow = joined({"a": sending("one", "two"), "b": sending("uno"), "c": swallow}, "abc", swallow)
    seen = await watch(workflow, 0, **options)
    (finding,) = seen.findings("starved-fan-in")
    assert finding.clause == "DLK-3"
    for name in ("'join'", "'c'", "'a'", "'b'", "one", "two", "uno"):
        assert name in finding.message
    assert set(finding.executors) >= {"join", "c"}
    assert seen.of(Delivered, "join") == []
    assert seen.of(RunEnded)[0].status == "completed"


@in_every_mode
async def test_dlk_3_left_overs_of_complete_groups_are_reported_too(options: Options) -> None:
    log = Log()

    async def take(group: list[str], ctx: Context) -> None:
        log(group)

    workflow = joined({"a": sending("a0", "a1", "a2"), "b": sending("b0")}, "ab", take)
    seen = await watch(workflow, 0, **options)
    assert log.lines == [["a0", "b0"]]
    (finding,) = seen.findings("starved-fan-in")
    assert "a1" in finding.message
    assert "a2" in finding.message
    assert "a0" not in finding.message
    assert "b0" not in finding.message


@in_every_mode
async def test_dlk_3_each_starved_fan_in_is_reported(options: Options) -> None:
    start, a, b, one, two = (
        Node("start", relay), Node("a", sending("x")), Node("b", swallow), Node("one", swallow), Node("two", swallow),
    )  # fmt: skip
    builder = WorkflowBuilder(start).add_fan_out_edges(start, [a, b])
    seen = await watch(builder.add_fan_in_edges([a, b], one).add_fan_in_edges([b, a], two).build(), 0, **options)
    assert sorted(finding.executors[0] for finding in seen.findings("starved-fan-in")) == ["one", "two"]


@in_every_mode
async def test_dlk_3_strict_makes_it_an_error(options: Options) -> None:
    workflow = joined({"a": sending("one"), "b": swallow}, "ab", swallow)
    seen = await watch(workflow, 0, strict=True, **options)
    assert isinstance(seen.error, StarvedFanInError)
    for name in ("'join'", "'b'", "'a'", "one"):
        assert name in str(seen.error)
    assert seen.of(RunEnded)[0].status == "failed"


@in_every_mode
async def test_dlk_3_nothing_is_reported_when_everything_was_grouped(options: Options) -> None:
    seen = await watch(joined({"a": relay, "b": relay}, "ab", swallow), 0, strict=True, **options)
    assert seen.result.findings == []


@in_every_mode
async def test_ord_4_a_buffer_that_keeps_growing_is_reported(options: Options) -> None:
    """While the run goes on, not only at its end, and not once a message."""

    async def again(hops: int, ctx: Context) -> None:
        await ctx.send_message(hops, "join")
        if hops:
            await ctx.send_message(hops - 1, "a")

    start, a, b, join = Node("start", relay), Node("a", again), Node("b", swallow), Node("join", swallow)
    builder = WorkflowBuilder(start, max_supersteps=1000).add_fan_out_edges(start, [a, b]).add_edge(a, a)
    seen = await watch(build(builder.add_fan_in_edges([a, b], join)), 300, **options)
    growing = [finding for finding in seen.findings("starved-fan-in") if finding.clause == "ORD-4"]
    assert 1 <= len(growing) <= 5
    assert growing[0].superstep < 200
    assert set(growing[0].executors) == {"a", "join"}
