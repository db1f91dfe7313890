"""How a kernel tells of what went wrong: one failure or several, at the barrier, after the scope's end, for ever (BAR-3, DLK-1, SUB-1)."""

from __future__ import annotations

from typing import Any

import pytest

from stepscope import ConvergenceError, DeadlockError, StateKey, SuperstepError, WorkflowBuilder, WorkflowError
from stepscope.events import Found, SuperstepFailed, TimedOut
from stepscope.kernel.locks import DEADLOCK_REMEDY
from support.kernels import Hand, plan_of
from support.workflows import Node, relay


def fan_out(**options: Any) -> WorkflowBuilder:
    """ "start" sends to b and a, which send back; ranks follow the mention."""
    start, b, a = Node("start", relay), Node("b", relay), Node("a", relay)
    return WorkflowBuilder(start, **options).add_fan_out_edges(start, [b, a]).add_edge(b, start).add_edge(a, start)


def test_one_failure_is_named_and_of_several_the_first_in_rank_and_how_many_more() -> None:
    for failing, words in (("a", "ValueError: of a"), ("ab", "ValueError: of b and 1 more")):
        hand = Hand.siblings("ba")
        for name in failing:
            hand.kernel.end(hand.inv(name), "failed", ValueError(f"of {name}"))
        with pytest.raises(SuperstepError) as caught:
            hand.finish()
        assert caught.value.message == f"superstep 2 of workflow 'workflow' failed and committed nothing: {words}"
        assert [str(one) for one in caught.value.exceptions] == sorted((f"of {name}" for name in failing), reverse=True)


class Stop(BaseException):
    """Neither an `Exception` nor the end of the process."""


def test_a_handler_or_a_condition_that_ends_with_something_else_is_named() -> None:
    hand = Hand.siblings("a")
    hand.kernel.end(hand.inv("a"), "failed", Stop())
    with pytest.raises(SuperstepError, match="executor 'a': the handler ended with Stop"):
        hand.finish()

    def stops(_: Any) -> bool:
        raise Stop

    a, b = Node("a", relay), Node("b", relay)
    hand = Hand(plan_of(WorkflowBuilder(a).add_edge(a, b, stops)))
    hand.open()
    hand.send("a", 0)
    with pytest.raises(SuperstepError) as caught:
        hand.finish()
    (error,) = caught.value.exceptions
    assert isinstance(error, WorkflowError)
    said = "a condition, selection function or reducer ended with Stop at the barrier of superstep 1."
    assert str(error) == said
    assert isinstance(caught.value.__cause__, Stop)
    assert [one.message for one in hand.of(SuperstepFailed)[0].errors] == [said]


def test_a_timeout_that_fires_is_told_with_what_was_waited_for() -> None:
    hand = Hand(plan_of(fan_out()), scope=4, prefix="sub/", clock=lambda: 77)
    hand.open()
    hand.kernel.timed_out(hand.inv("sub/start"), 2, "effect fetch")
    assert hand.events[-1] == TimedOut(len(hand.events), 77, 4, 1, 1, "sub/start", 2.0, "effect fetch")


def test_a_run_that_does_not_end_names_who_is_next_in_rank_order() -> None:
    hand = Hand(plan_of(fan_out(max_supersteps=1)))
    hand.open()
    for name in ("a", "b"):
        hand.send("start", 0, name)
    hand.finish()
    with pytest.raises(ConvergenceError, match="to be handled next: b, a"):
        hand.open()


def test_the_order_in_which_keys_are_declared_does_not_show_in_the_digest() -> None:
    one, two = StateKey("one", 1), StateKey("two", 2)
    digests = {Hand(plan_of(fan_out(state=state))).kernel.digest for state in ([one, two], [two, one])}
    assert len(digests) == 1


def test_what_comes_after_a_scopes_end_is_told_by_its_host() -> None:
    inner, host = Hand.siblings("a"), Hand(plan_of(fan_out()), scope=3)
    host.open()
    inv = inner.inv("a")
    inner.kernel.end(inv, "completed")
    inner.kernel.report.heir = host.kernel.report
    before = len(inner.events)
    inner.kernel.report.found("stalled", "DLK-4", "message", "remedy", executors=["a"], keys=["k"], locks=["l"])
    assert len(inner.events) == before
    (found,) = host.of(Found)
    assert (found.scope, found.superstep, found.finding, found.clause) == (3, 1, "stalled", "DLK-4")
    assert (found.message, found.remedy) == ("message", "remedy")
    assert (found.executors, found.keys, found.locks) == (["a"], ["k"], ["l"])


def test_a_deadlock_is_told_once_with_its_remedy_apart() -> None:
    hand = Hand.siblings("ab", [StateKey(name, initial=0, access="live") for name in ("k0", "k1")])
    hand.hold("a", "k0")
    hand.hold("b", "k1")
    hand.get("b", "k0")
    with pytest.raises(DeadlockError) as caught:
        hand.get("a", "k1")
    (found,) = hand.of(Found)
    a, b = hand.inv("a").id, hand.inv("b").id
    assert found.message == (
        f"deadlock: 'a' (invocation {a}) holds 'k0' and wants 'k1'; 'b' (invocation {b}) holds 'k1' and wants 'k0'."
    )
    assert found.remedy == DEADLOCK_REMEDY
    assert str(caught.value) == f"{found.message} {DEADLOCK_REMEDY}"
