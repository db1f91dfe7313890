"""Keys that are given up before their time: by whoever is refused, cancelled, or ended; and what is said of it (STA-5, STA-7)."""

from __future__ import annotations

from typing import Any

import pytest

from stepscope import DeadlockError, StateKey
from stepscope.events import Found, LockAcquired, LockReleased, LockWaiting
from stepscope.kernel import Ticket
from stepscope.kernel.model import HoldRecord
from support.kernels import Hand

LIVE = [StateKey(f"k{number}", initial=0, access="live") for number in range(4)]


def entered(got: Any) -> HoldRecord:
    assert isinstance(got, HoldRecord)
    return got


def waits(got: Any) -> Ticket:
    assert isinstance(got, Ticket)
    assert not got.done
    return got


def owners(hand: Hand) -> list[tuple[str, str]]:
    return [(key, owner.executor) for key, owner, _ in hand.kernel.table()]


def released(hand: Hand) -> list[tuple[str, str, str, int]]:
    return [(one.executor, one.key, one.reason, one.line) for one in hand.of(LockReleased)]


def crossed() -> tuple[Hand, Ticket]:
    """a holds k2 and b holds k1; b waits for k2."""
    hand = Hand.siblings("abc", LIVE)
    entered(hand.hold("a", "k2"))
    entered(hand.hold("b", "k1"))
    return hand, waits(hand.get("b", "k2"))


def test_who_is_refused_a_key_gives_back_what_it_took_on_its_way() -> None:
    """a takes k0 and is refused k1; c, who comes after, finds k0 free."""
    hand, _ = crossed()
    hand.line = 7
    with pytest.raises(DeadlockError) as caught:
        hand.hold("a", "k0", "k1")
    assert caught.value.cycle == (("a", "k2", "k1"), ("b", "k1", "k2"))
    assert released(hand) == [("a", "k0", "ended", 7)]
    assert owners(hand) == [("k1", "b"), ("k2", "a")]
    entered(hand.hold("c", "k0"))


def test_a_task_that_enters_while_another_of_its_handler_waits_behind_it_is_refused_and_that_is_reported() -> None:
    """x waits for k1, which w holds, and with another task for k0, in front of w. Given k0, x would wait for itself."""
    hand = Hand.siblings("owx", LIVE)
    first = entered(hand.hold("o", "k0"))
    entered(hand.hold("w", "k1"))
    one, two = waits(hand.get("x", "k1")), waits(hand.hold("x", "k0"))
    w = waits(hand.get("w", "k0"))
    hand.line = 7
    hand.release("o", first)
    assert isinstance(two.error, DeadlockError)
    assert two.error.cycle == (("w", "k1", "k0"), ("x", "k0", "k1"))
    (found,) = hand.of(Found)
    assert (found.executors, found.locks) == (["w", "x"], ["k0", "k1"])
    assert released(hand) == [("o", "k0", "exit", 7), ("x", "k0", "ended", 0)]
    assert w.done
    assert w.error is None
    assert not one.done
    assert owners(hand) == [("k1", "w")]


def test_who_is_refused_at_once_is_told_where_it_asked() -> None:
    hand, _ = crossed()
    hand.line = 8
    with pytest.raises(DeadlockError):
        hand.get("a", "k1")
    asked = hand.of(LockWaiting)[-1]
    assert (asked.executor, asked.key, asked.op, asked.line) == ("a", "k1", "get", 8)
    (found,) = hand.of(Found)
    assert hand.events[hand.events.index(asked) + 1] is found
    assert hand.inv("a").tickets == ()


@pytest.mark.parametrize("verb", ["get", "set", "delete", "update", "hold"])
def test_a_waiter_is_said_to_wait_with_what_it_asked_for(verb: str) -> None:
    hand = Hand.siblings("ab", LIVE)
    entered(hand.hold("a", "k0"))
    more: dict[str, list[Any]] = {"set": [1], "update": [lambda old: old]}
    waits(getattr(hand, verb)("b", "k0", *more.get(verb, [])))
    (asked,) = hand.of(LockWaiting)
    assert asked.op == verb


def test_a_waiter_that_goes_lets_go_what_it_had_taken_where_nobody_asked() -> None:
    """It did not leave a block: the release has no line."""
    hand = Hand.siblings("abc", LIVE)
    entered(hand.hold("a", "k1"))
    hand.line = 7
    b = waits(hand.hold("b", "k0", "k1"))
    hand.kernel.withdraw(b)
    assert released(hand) == [("b", "k0", "ended", 0)]
    assert hand.inv("b").tickets == ()
    assert owners(hand) == [("k1", "a")]
    hand.kernel.withdraw(b)  # it has nothing any more
    assert len(released(hand)) == 1


def test_an_owner_cancelled_before_it_wakes_lets_go_where_nobody_asked() -> None:
    hand = Hand.siblings("abc", LIVE)
    first = entered(hand.hold("a", "k0"))
    hand.line = 7
    b = waits(hand.hold("b", "k0"))
    hand.release("a", first)
    hand.kernel.withdraw(b)
    assert released(hand) == [("a", "k0", "exit", 7), ("b", "k0", "ended", 0)]
    assert hand.inv("b").holds == ()
    assert owners(hand) == []


def test_one_that_was_refused_at_the_hand_over_has_nothing_to_let_go() -> None:
    """w is given k0 on its way to k0 and k1, and refused k1, which v holds who waits for k0. It is cancelled before it
    knows: by then k0 is v's.
    """
    hand = Hand.siblings("owv", LIVE)
    first = entered(hand.hold("o", "k0"))
    w = waits(hand.hold("w", "k0", "k1"))
    entered(hand.hold("v", "k1"))
    v = waits(hand.hold("v", "k0"))
    hand.release("o", first)
    assert isinstance(w.error, DeadlockError)
    assert w.done
    assert owners(hand) == [("k0", "v"), ("k1", "v")]
    hand.kernel.withdraw(w)
    assert owners(hand) == [("k0", "v"), ("k1", "v")]
    hand.release("v", entered(v.result))
    assert owners(hand) == [("k1", "v")]
    assert [one.key for one in hand.of(LockReleased) if one.executor == "w"] == ["k0"]


def test_keys_are_handed_on_one_after_another_also_when_one_of_them_comes_back() -> None:
    """o lets k0 and k1 go. w, given k0, is refused k3 and gives it back: it goes to v, before k1 goes to x."""
    hand = Hand.siblings("owvx", LIVE)
    first = entered(hand.hold("o", "k0", "k1"))
    w = waits(hand.hold("w", "k0", "k3"))
    entered(hand.hold("v", "k3"))
    v, x = waits(hand.hold("v", "k0")), waits(hand.hold("x", "k1"))
    woken: list[str] = []
    for ticket, name in ((w, "w"), (v, "v"), (x, "x")):
        ticket.wake = lambda name=name: woken.append(name)
    hand.release("o", first)
    assert isinstance(w.error, DeadlockError)
    assert woken == ["w", "v", "x"]
    assert [(one.executor, one.key) for one in hand.of(LockAcquired)][-3:] == [("w", "k0"), ("v", "k0"), ("x", "k1")]


def test_a_plain_operation_that_is_cancelled_after_its_turn_has_nothing_to_let_go() -> None:
    hand = Hand.siblings("ab", LIVE)
    first = entered(hand.hold("a", "k0"))
    b = waits(hand.get("b", "k0"))
    hand.release("a", first)
    assert b.done
    again = entered(hand.hold("a", "k0"))
    hand.kernel.withdraw(b)
    assert owners(hand) == [("k0", "a")]
    assert again.open


def test_a_block_that_was_left_is_left() -> None:
    """Leaving it once more changes nothing, though its key is another's by now, or its own again."""
    hand = Hand.siblings("ab", LIVE)
    first = entered(hand.hold("a", "k0"))
    hand.release("a", first)
    second = entered(hand.hold("a", "k0"))
    hand.release("a", first)
    assert owners(hand) == [("k0", "a")]
    hand.release("a", second)
    entered(hand.hold("b", "k0"))
    hand.release("a", second)
    assert owners(hand) == [("k0", "b")]
    assert len(hand.of(LockReleased)) == 2


def test_blocks_left_out_of_order_let_go_what_no_other_holds() -> None:
    hand = Hand.siblings("ab", LIVE)
    outer, inner = entered(hand.hold("a", "k0", "k1")), entered(hand.hold("a", "k1", "k2"))
    hand.release("a", outer)
    assert owners(hand) == [("k1", "a"), ("k2", "a")]
    assert hand.inv("a").holds == (inner,)
    hand.release("a", inner)
    assert owners(hand) == []
    assert [one.key for one in hand.of(LockReleased)] == ["k0", "k1", "k2"]


def test_an_invocation_that_ends_is_out_of_every_queue_before_its_keys_go_on() -> None:
    """b waits for k1 with k0 in hand, and for k2; a task of c waits for k0."""
    hand = Hand.siblings("abc", LIVE)
    entered(hand.hold("a", "k1", "k2"))
    one, two = waits(hand.hold("b", "k0", "k1")), waits(hand.get("b", "k2"))
    woken: list[str] = []
    one.wake, two.wake = lambda: woken.append("one"), lambda: woken.append("two")
    c = waits(hand.hold("c", "k0"))
    inv = hand.inv("b")
    hand.kernel.end(inv, "completed")
    assert c.done
    assert woken == ["one", "two"]
    assert one.done
    assert two.done
    assert "invocation" in str(one.error)
    assert inv.tickets == ()
    assert [(key, [w.executor for w in queue]) for key, _, queue in hand.kernel.table()] == [
        ("k0", []),
        ("k1", []),
        ("k2", []),
    ]
    assert [one.executor for one in hand.of(LockAcquired) if one.key == "k0"] == ["b", "c"]


def test_holds_are_let_go_innermost_first_when_an_invocation_ends() -> None:
    hand = Hand.siblings("ab", LIVE)
    entered(hand.hold("a", "k0"))
    entered(hand.hold("a", "k2", "k3"))
    inv = hand.inv("a")
    hand.kernel.end(inv, "completed")
    assert [one.key for one in hand.of(LockReleased)] == ["k2", "k3", "k0"]
    assert [one.locks for one in hand.of(Found)] == [["k2", "k3"], ["k0"]]
    assert inv.holds == ()


@pytest.mark.parametrize("outcome", ["failed", "cancelled", "abandoned"])
def test_holds_of_one_that_did_not_complete_are_let_go_without_a_word(outcome: Any) -> None:
    hand = Hand.siblings("ab", LIVE)
    entered(hand.hold("a", "k0"))
    hand.kernel.end(hand.inv("a"), outcome, ValueError("no") if outcome == "failed" else None)
    assert [one.finding for one in hand.of(Found)] == (["handler-failed"] if outcome == "failed" else [])
    assert owners(hand) == []
