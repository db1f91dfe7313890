"""What each kind of edge decides about a message, and the reason it gives (ORD-4, ORD-7, ORD-8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stepscope import Case, Default, Executor, SuperstepError, WorkflowBuilder, WorkflowContext, handler
from stepscope.events import Delivered, Dropped, Found, Routed
from support.kernels import Hand, plan_of
from support.workflows import Node, relay

Row = tuple[str, str, str]
"""Decision, target, reason."""


def even(number: int) -> bool:
    return number % 2 == 0


def small(number: int) -> bool:
    return number < 10


def pick(number: int, targets: list[str]) -> list[str]:
    """The names whose place is a bit of the number, the last ones first; from 8 on somebody else."""
    chosen = [target for at, target in enumerate(targets) if number >> at & 1][::-1]
    return [*chosen, "elsewhere", "nowhere"] if number >= 8 else chosen


class Words(Executor):
    """Takes text only."""

    @handler
    async def words(self, message: str, ctx: WorkflowContext[Any, Any]) -> None: ...


Edges = Callable[[WorkflowBuilder, Node, list[Executor]], object]
EDGES: dict[str, Edges] = {
    "single": lambda builder, a, to: builder.add_edge(a, to[0], even).add_edge(a, to[1]).add_edge(a, to[2], small),
    "conditions": lambda builder, a, to: (
        builder.add_edge(a, to[0], even).add_edge(a, to[1], small).add_edge(to[0], to[2])
    ),
    "switch": lambda builder, a, to: builder.add_switch_case_edge_group(
        a, [Case(even, to[0]), Case(small, to[1]), Default(to[2])]
    ),
    "cases": lambda builder, a, to: builder.add_switch_case_edge_group(
        a, [Case(even, to[0]), Case(small, to[1])]
    ).add_edge(to[0], to[2]),
    "selection": lambda builder, a, to: builder.add_multi_selection_edge_group(a, to, selection_func=pick),
    "fan-out": lambda builder, a, to: builder.add_fan_out_edges(a, to),
}


def sent(edges: str, message: Any, to: str | None = None) -> Hand:
    """One message of a, whose edges lead to b, c and d."""
    a, *targets = (Node(name, relay) for name in "abcd")
    builder = WorkflowBuilder(a)
    EDGES[edges](builder, a, list(targets))
    hand = Hand(plan_of(builder))
    hand.open()
    hand.send("a", message, to)
    hand.finish()
    return hand


def decisions(hand: Hand) -> list[Row]:
    return [(one.decision, one.target, one.reason) for one in hand.of(Routed)]


@pytest.mark.parametrize(
    ("edges", "message", "to", "expected"),
    [
        ("single", 2, None, [("delivered", "b", "even is true"), ("delivered", "c", ""), ("delivered", "d", "small is true")]),
        ("single", 11, None, [("condition-false", "b", "even is false"), ("delivered", "c", ""), ("condition-false", "d", "small is false")]),
        ("single", 2, "b", [("delivered", "b", "even is true")]),
        ("single", 2, "c", [("delivered", "c", "")]),
        ("switch", 2, None, [("delivered", "b", "even is true"), ("not-selected", "c", "even came first"), ("not-selected", "d", "even came first")]),
        ("switch", 3, None, [("not-selected", "b", "even is false"), ("delivered", "c", "small is true"), ("not-selected", "d", "small came first")]),
        ("switch", 11, None, [("not-selected", "b", "even is false"), ("not-selected", "c", "small is false"), ("delivered", "d", "default")]),
        ("switch", 11, "b", [("delivered", "b", "addressed")]),
        ("switch", 2, "d", [("delivered", "d", "addressed")]),
        ("selection", 5, None, [("delivered", "b", "pick chose d, b"), ("not-selected", "c", "pick chose d, b"), ("delivered", "d", "pick chose d, b")]),
        ("selection", 5, "c", [("delivered", "c", "addressed")]),
        ("fan-out", 5, None, [("delivered", "b", ""), ("delivered", "c", ""), ("delivered", "d", "")]),
        ("fan-out", 5, "c", [("delivered", "c", "")]),
    ],
)  # fmt: skip
def test_what_is_decided_and_why(edges: str, message: int, to: str | None, expected: list[Row]) -> None:
    hand = sent(edges, message, to)
    assert decisions(hand) == expected
    assert hand.open() == [target for decision, target, _ in expected if decision == "delivered"]
    assert [one.payload.fresh() for one in hand.of(Delivered)[1:]] == [message] * len(hand.invs)
    assert hand.of(Dropped) == []
    assert hand.of(Found) == []


@pytest.mark.parametrize(
    ("edges", "message", "to", "expected"),
    [
        ("conditions", 11, None, "even is false; small is false"),
        ("conditions", 11, "c", "small is false"),
        ("cases", 11, None, "even is false; small is false"),
        ("selection", 0, None, "pick chose nobody; pick chose nobody; pick chose nobody"),
    ],
)
def test_what_conditions_refuse_is_dropped_for_their_reasons_and_no_finding(
    edges: str, message: int, to: str | None, expected: str
) -> None:
    hand = sent(edges, message, to)
    (dropped,) = hand.of(Dropped)
    assert (dropped.source, dropped.target, dropped.why, dropped.reason) == ("a", to, "conditions", expected)
    assert hand.of(Found) == []
    assert hand.open() == []


@pytest.mark.parametrize(
    ("to", "reason"), [("nobody", "'nobody' is no executor of this workflow"), ("d", "'d' has no edge from 'a'")]
)
def test_an_address_that_no_edge_leads_to(to: str, reason: str) -> None:
    hand = sent("conditions", 2, to)
    (dropped,) = hand.of(Dropped)
    assert (dropped.target, dropped.why, dropped.reason) == (to, "no-route", reason)
    assert decisions(hand) == []
    (found,) = hand.of(Found)
    assert (found.executors, found.remedy) == (["a"], "Add the edge, or do not send.")


def test_an_executor_without_edges() -> None:
    hand = Hand(plan_of(WorkflowBuilder(Node("a", relay))))
    hand.open()
    hand.send("a", 1)
    hand.finish()
    (dropped,) = hand.of(Dropped)
    assert (dropped.target, dropped.why, dropped.reason) == (None, "no-route", "'a' has no outgoing edge")
    (found,) = hand.of(Found)
    assert found.message == "a message from 'a' (1) was dropped: 'a' has no outgoing edge."


def test_a_selection_of_what_is_no_target_names_all_of_it() -> None:
    with pytest.raises(SuperstepError) as caught:
        sent("selection", 9)
    (error,) = caught.value.exceptions
    assert str(error) == (
        "the selection function 'pick' of 'a' chose 'elsewhere', 'nowhere', which is not among its targets "
        "'b', 'c', 'd'."
    )


@pytest.mark.parametrize(
    ("edges", "kind"), [("single", "single"), ("switch", "switch-case"), ("selection", "multi-selection")]
)
def test_a_question_that_raises_says_on_which_edge(edges: str, kind: str) -> None:
    with pytest.raises(SuperstepError) as caught:
        sent(edges, "text")
    (error,) = caught.value.exceptions
    assert isinstance(error, TypeError)
    assert error.__notes__ == [f"while routing 'text' from 'a' over the {kind} edge '0:{kind}'"]


def fan_in(size: int, target: Executor) -> tuple[Hand, list[str]]:
    """The sources of a fan-in, all running."""
    start, sources = Node("start", relay), [Node(f"s{number}", relay) for number in range(size)]
    builder = WorkflowBuilder(start).add_fan_out_edges(start, sources).add_fan_in_edges(sources, target)
    hand = Hand(plan_of(builder))
    hand.open()
    hand.send("start", 0)
    hand.finish()
    return hand, hand.open()


def test_a_fan_in_says_for_whom_it_waits_and_how_many_where_they_are_many() -> None:
    hand, names = fan_in(6, Node("join", relay))
    for number, name in enumerate(names):
        hand.send(name, number)
    hand.finish()
    assert decisions(hand)[6:] == [
        ("buffered", "join", "waits for 5 of 6 sources"),
        ("buffered", "join", "waits for 4 of 6 sources"),
        ("buffered", "join", "waits for 's3', 's4', 's5'"),
        ("buffered", "join", "waits for 's4', 's5'"),
        ("buffered", "join", "waits for 's5'"),
        ("delivered", "join", "completes the group of 6"),
    ]
    assert hand.open() == ["join"]


class Lists(Executor):
    """Takes a fan-in's groups only."""

    @handler
    async def lists(self, message: list[int], ctx: WorkflowContext[Any, Any]) -> None: ...


def test_a_group_is_for_the_handler_that_takes_it() -> None:
    hand, names = fan_in(2, Lists("lists"))
    for number, name in enumerate(names):
        hand.send(name, number)
    hand.finish()
    assert hand.open() == ["lists"]
    assert hand.inv("lists").payload.fresh() == [0, 1]


def test_a_group_that_its_target_does_not_take_is_dropped_member_by_member() -> None:
    hand, names = fan_in(2, Words("words"))
    for number, name in enumerate(names):
        hand.send(name, number)
    hand.finish()
    assert [(one.source, one.target, one.why, one.reason) for one in hand.of(Dropped)] == [
        (name, "words", "no-handler", "'words' takes str, not [0, 1]") for name in names
    ]
    assert [one.executors for one in hand.of(Found)] == [["s0", "words"], ["s1", "words"]]
    assert {one.remedy for one in hand.of(Found)} == {"Give 'words' a handler for this type."}
    assert hand.open() == []


def test_of_several_targets_only_those_that_take_it_get_it() -> None:
    a, b = Node("a", relay), Node("b", relay)
    hand = Hand(plan_of(WorkflowBuilder(a).add_fan_out_edges(a, [Words("words"), b])))
    hand.open()
    hand.send("a", 5)
    hand.finish()
    assert decisions(hand) == [("delivered", "b", "")]
    assert [(one.target, one.why, one.reason) for one in hand.of(Dropped)] == [
        ("words", "no-handler", "'words' takes str, not 5")
    ]
    assert hand.open() == ["b"]
