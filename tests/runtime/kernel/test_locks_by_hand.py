"""Locks without an event loop: who owns a key, who is next, which request closes a cycle (STA-5..7, DLK-2)."""

from __future__ import annotations

from typing import Any

import pytest

from stepscope import DeadlockError, StateKey
from stepscope.events import LockAcquired, LockReleased, LockWaiting, StateWritten
from stepscope.kernel import Ticket
from stepscope.kernel.model import HoldRecord
from support.kernels import Hand

NAMES = [f"e{number}" for number in range(5)]
KEYS = [f"k{number}" for number in range(4)]
LIVE = [StateKey(key, initial=0, access="live") for key in KEYS]


def increment(number: Any) -> Any:
    return number + 1


def entered(got: HoldRecord | Ticket) -> HoldRecord:
    assert isinstance(got, HoldRecord)
    return got


def waits(got: Any) -> Ticket:
    assert isinstance(got, Ticket)
    assert not got.done
    return got


def owners_and_queues(hand: Hand) -> list[tuple[str, str, list[str]]]:
    return [(key, owner.executor, [one.executor for one in queue]) for key, owner, queue in hand.kernel.table()]


def test_ownership_changes_at_the_hand_over() -> None:
    hand = Hand.siblings("abc", LIVE)
    first = entered(hand.hold("a", "k0"))
    b, c = waits(hand.hold("b", "k0")), waits(hand.get("c", "k0"))
    woken = []
    b.wake = lambda: woken.append("b")
    hand.release("a", first)
    assert b.done
    assert woken == ["b"]
    assert [(key, owner.executor, [w.executor for w in queue]) for key, owner, queue in hand.kernel.table()] == [
        ("k0", "b", ["c"])
    ]
    assert not c.done
    waits(hand.set("a", "k0", 1))  # b has not run yet, and owns the key all the same


def test_an_owner_cancelled_before_it_wakes_passes_the_lock_on() -> None:
    hand = Hand.siblings("abc", LIVE)
    first = entered(hand.hold("a", "k0", "k1"))
    b, c = waits(hand.hold("b", "k0", "k1")), waits(hand.hold("c", "k0"))
    hand.release("a", first)
    assert b.done
    assert not c.done
    hand.kernel.withdraw(b)
    assert c.done
    assert [(key, owner.executor) for key, owner, _ in hand.kernel.table()] == [("k0", "c")]


def test_a_waiter_that_goes_gives_back_what_it_had_taken_on_the_way() -> None:
    hand = Hand.siblings("abc", LIVE)
    entered(hand.hold("a", "k1"))
    b = waits(hand.hold("b", "k0", "k1", "k2"))
    c = waits(hand.hold("c", "k0"))
    hand.kernel.withdraw(b)
    assert c.done
    assert [(key, owner.executor, queue) for key, owner, queue in hand.kernel.table()] == [
        ("k0", "c", []),
        ("k1", "a", []),
    ]


def test_plain_operations_in_a_row_are_served_together_and_a_hold_stops_them() -> None:
    hand = Hand.siblings("abcde", LIVE)
    first = entered(hand.hold("a", "k0"))
    b, c = waits(hand.update("b", "k0", increment)), waits(hand.get("c", "k0"))
    d, e = waits(hand.hold("d", "k0")), waits(hand.get("e", "k0"))
    hand.release("a", first)
    assert (b.result, c.result) == (1, 1)
    assert d.done
    assert not e.done


def test_a_key_just_let_go_is_for_those_who_wait_for_it() -> None:
    """a lets both go at once. b, who gets k0 and wants k1 too, does not overtake c, who has waited for k1 all along."""
    hand = Hand.siblings("abc", LIVE)
    first = entered(hand.hold("a", "k0", "k1"))
    c = waits(hand.hold("c", "k1"))
    b = waits(hand.hold("b", "k0", "k1"))
    hand.release("a", first)
    assert (c.done, b.done) == (True, False)
    assert owners_and_queues(hand) == [("k0", "b", []), ("k1", "c", ["b"])]
    asked = hand.of(LockWaiting)[-1]
    assert (asked.executor, asked.key, asked.holder_executor, asked.queue) == ("b", "k1", "c", [hand.inv("c").id])
    hand.release("c", entered(c.result))
    assert b.done
    assert [(one.executor, one.key, one.waited) for one in hand.of(LockAcquired)][2:] == [
        ("b", "k0", True),
        ("c", "k1", True),
        ("b", "k1", True),
    ]


def test_a_key_just_let_go_is_for_plain_operations_that_wait_for_it_too() -> None:
    hand = Hand.siblings("abc", LIVE)
    first = entered(hand.hold("a", "k0", "k1"))
    c = waits(hand.update("c", "k1", increment))
    b = waits(hand.hold("b", "k0", "k1"))
    hand.release("a", first)
    assert (c.result, b.done) == (1, True)
    assert owners_and_queues(hand) == [("k0", "b", []), ("k1", "b", [])]
    (written,) = hand.of(StateWritten)
    (acquired,) = (one for one in hand.of(LockAcquired) if (one.executor, one.key) == ("b", "k1"))
    assert written.seq < acquired.seq


def test_a_key_just_let_go_that_only_tasks_of_its_own_wait_for_is_taken_at_once() -> None:
    """b waits twice: for k0 and k1 in one hold, and for k1 with another task. Nobody is overtaken."""
    hand = Hand.siblings("ab", LIVE)
    first = entered(hand.hold("a", "k0", "k1"))
    two = waits(hand.hold("b", "k1"))
    one = waits(hand.hold("b", "k0", "k1"))
    hand.release("a", first)
    assert (one.done, two.done) == (True, True)
    assert len(hand.of(LockWaiting)) == 2
    assert owners_and_queues(hand) == [("k0", "b", []), ("k1", "b", [])]


def test_a_second_task_of_the_new_owner_enters_with_it() -> None:
    """The owner is the invocation: what its other tasks had queued for is theirs too now; the others keep their order."""
    hand = Hand.siblings("abc", LIVE)
    first = entered(hand.hold("a", "k0"))
    one, c, two, three = (
        waits(hand.hold("b", "k0")),
        waits(hand.get("c", "k0")),
        waits(hand.hold("b", "k0")),
        waits(hand.update("b", "k0", increment)),
    )
    hand.release("a", first)
    assert (one.done, two.done, three.done, c.done) == (True, True, True, False)
    assert three.result == 1
    hand.release("b", entered(one.result))
    assert not c.done
    hand.release("b", entered(two.result))
    assert c.result == 1


def test_a_hold_of_several_keys_is_given_up_as_one() -> None:
    """b has two tasks. When a lets go, b's first hold would close a cycle with c and fails; what it gives back, c gets."""
    hand = Hand.siblings("abc", LIVE)
    first = entered(hand.hold("a", "k0", "k1"))
    c = waits(hand.hold("c", "k0", "k1", "k3"))
    b_one, b_two = waits(hand.hold("b", "k1", "k3")), waits(hand.hold("b", "k0", "k2", "k3"))
    hand.release("a", first)
    assert isinstance(b_one.error, DeadlockError)
    assert c.done
    assert c.error is None
    assert not b_two.done
    hand.release("c", entered(c.result))
    hand.release("b", entered(b_two.result))
    assert hand.kernel.table() == []


def test_an_operation_that_fails_at_its_turn_is_an_error_of_its_own() -> None:
    hand = Hand.siblings("abc", LIVE)
    first = entered(hand.hold("a", "k0"))
    b, c = waits(hand.update("b", "k0", lambda number: 1 // number)), waits(hand.get("c", "k0"))
    hand.release("a", first)
    assert isinstance(b.error, ZeroDivisionError)
    assert c.result == 0


def test_an_invocation_that_ends_leaves_no_lock_and_no_ticket_behind() -> None:
    hand = Hand.siblings("abc", LIVE)
    entered(hand.hold("a", "k0", "k1"))
    entered(hand.hold("a", "k1"))
    stray = waits(hand.hold("b", "k1", "k2"))
    c = waits(hand.get("c", "k1"))
    hand.kernel.end(hand.inv("b"), "completed")
    assert stray.done
    assert stray.error is not None
    hand.kernel.end(hand.inv("a"), "completed")
    assert c.result == 0
    assert hand.kernel.table() == []
    assert [one.reason for one in hand.of(LockReleased)] == ["ended", "ended"]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_the_requester_that_closes_a_cycle_gets_the_error_and_is_not_queued(size: int) -> None:
    hand = Hand.siblings(NAMES[:size], [StateKey(f"r{n}", initial=0, access="live") for n in range(size)])
    for number in range(size):
        entered(hand.hold(f"e{number}", f"r{number}"))
    for number in range(size - 1):
        waits(hand.get(f"e{number}", f"r{number + 1}"))
    with pytest.raises(DeadlockError) as caught:
        hand.get(f"e{size - 1}", "r0")
    assert caught.value.cycle[0] == (f"e{size - 1}", f"r{size - 1}", "r0")
    assert {row[0] for row in caught.value.cycle} == set(NAMES[:size])
    assert [queue for key, _, queue in hand.kernel.table() if key == "r0"] == [[]]
