"""Nothing is dropped silently (ORD-8): what no edge took is recorded with its reason; what had no route is a finding."""

from __future__ import annotations

from typing import Any

import pytest

from stepscope import (
    Case,
    Default,
    DroppedMessageError,
    Executor,
    SuperstepError,
    WorkflowBuilder,
    WorkflowContext,
    handler,
)
from stepscope.events import Committed, Delivered, Dropped, Routed, Sent
from support.workflows import Context, Log, Node, Options, Seen, in_every_mode, relay, sending, swallow, watch


class Words(Executor):
    """Takes text only."""

    @handler
    async def words(self, message: str, ctx: WorkflowContext[Any, Any]) -> None:
        pass


def positive(message: int) -> bool:
    return message > 0


def drops(seen: Seen) -> list[tuple[str, str | None, str]]:
    return [(one.source, one.target, one.why) for one in seen.of(Dropped)]


async def strict_error(builder: WorkflowBuilder, message: Any, options: Options) -> str:
    """What a strict run of the same workflow says; its superstep commits nothing."""
    seen = await watch(builder.build(), message, strict=True, **options)
    assert isinstance(seen.error, DroppedMessageError)
    assert isinstance(seen.error, SuperstepError)
    assert len(seen.of(Committed)) == seen.error.superstep - 1
    return str(seen.error)


@in_every_mode
async def test_ord_8_a_condition_that_says_no_is_recorded_and_no_finding(options: Options) -> None:
    a, b = Node("a", sending(1, -1)), Node("b", swallow)
    for strict in (False, True):
        seen = await watch(WorkflowBuilder(a).add_edge(a, b, condition=positive).build(), strict=strict, **options)
        (dropped,) = seen.of(Dropped)
        assert drops(seen) == [("a", None, "conditions")]
        assert dropped.message == seen.of(Sent)[1].message
        assert "positive is false" in dropped.reason
        assert [(one.decision, one.reason) for one in seen.of(Routed)] == [
            ("delivered", "positive is true"),
            ("condition-false", "positive is false"),
        ]
        assert seen.result.findings == []


@in_every_mode
async def test_ord_8_refused_by_one_edge_and_taken_by_another_is_no_drop(options: Options) -> None:
    a, b, c = Node("a", sending(-1)), Node("b", swallow), Node("c", swallow)
    builder = WorkflowBuilder(a).add_edge(a, b, condition=positive).add_edge(a, c)
    seen = await watch(builder.build(), **options)
    assert drops(seen) == []
    assert [(one.target, one.decision) for one in seen.of(Routed)] == [("b", "condition-false"), ("c", "delivered")]


@in_every_mode
async def test_ord_8_every_condition_that_said_no_is_in_the_reason(options: Options) -> None:
    def huge(message: int) -> bool:
        return message > 1000

    a, b, c = Node("a", sending(-1)), Node("b", swallow), Node("c", swallow)
    builder = WorkflowBuilder(a).add_edge(a, b, condition=positive).add_edge(a, c, condition=huge)
    seen = await watch(builder.build(), **options)
    (dropped,) = seen.of(Dropped)
    assert "positive" in dropped.reason
    assert "huge" in dropped.reason


@in_every_mode
async def test_ord_8_a_switch_without_default(options: Options) -> None:
    a, b = Node("a", sending(-1)), Node("b", swallow)
    seen = await watch(WorkflowBuilder(a).add_switch_case_edge_group(a, [Case(positive, b)]).build(), **options)
    assert drops(seen) == [("a", None, "conditions")]
    assert [one.decision for one in seen.of(Routed)] == ["not-selected"]
    assert seen.result.findings == []


@in_every_mode
async def test_ord_8_a_switch_says_why_for_every_case(options: Options) -> None:
    def small(message: int) -> bool:
        return message < 10

    nodes = {name: Node(name, swallow) for name in "bcd"}
    a = Node("a", sending(5, -5, 50))
    builder = WorkflowBuilder(a).add_switch_case_edge_group(
        a, [Case(positive, nodes["b"]), Case(small, nodes["c"]), Default(nodes["d"])]
    )
    seen = await watch(builder.build(), **options)
    first, second, third = (one.message for one in seen.of(Sent))
    said = [(one.message, one.target, one.decision) for one in seen.of(Routed)]
    assert said == [
        (first, "b", "delivered"), (first, "c", "not-selected"), (first, "d", "not-selected"),
        (second, "b", "not-selected"), (second, "c", "delivered"), (second, "d", "not-selected"),
        (third, "b", "delivered"), (third, "c", "not-selected"), (third, "d", "not-selected"),
    ]  # fmt: skip
    assert all(one.reason for one in seen.of(Routed))
    assert drops(seen) == []


@in_every_mode
async def test_ord_8_a_selection_of_nobody(options: Options) -> None:
    def nobody(message: int, targets: list[str]) -> list[str]:
        return []

    a, b = Node("a", sending(1)), Node("b", swallow)
    seen = await watch(
        WorkflowBuilder(a).add_multi_selection_edge_group(a, [b], selection_func=nobody).build(), **options
    )
    assert drops(seen) == [("a", None, "conditions")]
    assert "nobody" in seen.of(Dropped)[0].reason
    assert seen.result.findings == []


@in_every_mode
async def test_ord_8_no_outgoing_edge(options: Options) -> None:
    builder = WorkflowBuilder(Node("a", sending("lost")))
    seen = await watch(builder.build(), **options)
    assert drops(seen) == [("a", None, "no-route")]
    (finding,) = seen.findings("dropped-message")
    assert finding.clause == "ORD-8"
    assert finding.executors == ["a"]
    assert "lost" in finding.message
    said = await strict_error(builder, None, options)
    assert "'a'" in said
    assert "lost" in said


@pytest.mark.parametrize("target", ["c", "nowhere"])
@in_every_mode
async def test_ord_8_addressed_to_whom_no_edge_leads(options: Options, target: str) -> None:
    """To an executor without an edge from here, and to none at all; the reasons differ."""
    a, b, c = Node("a", sending("x", target=target)), Node("b", relay), Node("c", swallow)
    builder = WorkflowBuilder(a).add_chain([a, b, c])
    seen = await watch(builder.build(), **options)
    assert drops(seen) == [("a", target, "no-route")]
    assert ("is no executor" in seen.of(Dropped)[0].reason) == (target == "nowhere")
    (finding,) = seen.findings("dropped-message")
    assert repr(target) in finding.message
    assert repr(target) in await strict_error(builder, None, options)
    assert seen.of(Delivered, "b") == []


@in_every_mode
async def test_ord_8_no_handler_takes_it(options: Options) -> None:
    a, b = Node("a", sending("text", 5)), Words("b")
    builder = WorkflowBuilder(a).add_edge(a, b)
    seen = await watch(builder.build(), **options)
    assert drops(seen) == [("a", "b", "no-handler")]
    (finding,) = seen.findings("dropped-message")
    assert finding.executors == ["a", "b"]
    for part in ("'b'", "str", "5"):
        assert part in finding.message
    assert len(seen.of(Delivered, "b")) == 1
    assert "'b' takes str" in await strict_error(builder, None, options)


@in_every_mode
async def test_ord_8_a_fan_out_of_which_one_target_cannot_take_it(options: Options) -> None:
    log = Log()

    async def take(message: Any, ctx: Context) -> None:
        log(message)

    a, b, c = Node("a", sending(5)), Words("b"), Node("c", take)
    seen = await watch(WorkflowBuilder(a).add_fan_out_edges(a, [b, c]).build(), **options)
    assert drops(seen) == [("a", "b", "no-handler")]
    assert log.lines == [5]
    assert len(seen.findings("dropped-message")) == 1


@in_every_mode
async def test_ord_8_a_group_that_its_target_does_not_take(options: Options) -> None:
    """Every member of it is dropped, and said to be."""
    start, a, b, c = Node("start", relay), Node("a", sending(1)), Node("b", sending(2)), Words("c")
    builder = WorkflowBuilder(start).add_fan_out_edges(start, [a, b]).add_fan_in_edges([a, b], c)
    seen = await watch(builder.build(), 0, **options)
    lost = {one.message for one in seen.of(Sent) if one.superstep == 2}
    assert {one.message for one in seen.of(Dropped)} == lost
    assert seen.findings("dropped-message")


@in_every_mode
async def test_ord_8_every_message_is_accounted_for(options: Options) -> None:
    """Taken, refused and lost ones in one superstep: each sent message has its fate on record."""
    a = Node("a", sending(1, -1, "text", 2.5))
    b, c = Words("b"), Node("c", swallow)

    def is_text(message: Any) -> bool:
        return isinstance(message, (str, float))

    builder = WorkflowBuilder(a).add_edge(a, b, condition=is_text)
    builder.add_edge(a, c, condition=lambda message: message == 1)
    seen = await watch(builder.build(), **options)
    one, minus, text, fraction = (sent.message for sent in seen.of(Sent))
    assert {dropped.message: dropped.why for dropped in seen.of(Dropped)} == {
        minus: "conditions",
        fraction: "no-handler",
    }
    assert {m for delivered in seen.of(Delivered) for m in delivered.messages} == {0, one, text}


@in_every_mode
async def test_ord_8_dropping_does_not_disturb_the_rest(options: Options) -> None:
    log = Log()

    async def take(message: Any, ctx: Context) -> None:
        log(message)

    async def send(_: Any, ctx: Context) -> None:
        await ctx.send_message(1)
        await ctx.send_message(2, "nowhere")
        await ctx.send_message(3)
        await ctx.yield_output("out")

    a, b = Node("a", send), Node("b", take)
    seen = await watch(WorkflowBuilder(a).add_edge(a, b).build(), **options)
    assert log.lines == [1, 3]
    assert seen.result.outputs == ["out"]
