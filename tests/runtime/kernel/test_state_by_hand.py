"""What state says when something goes wrong with it, word by word, and the order in which it takes writes back (STA-2, STA-3, STA-6)."""

from __future__ import annotations

from typing import Any

import pytest

from stepscope import StateConflictError, StateKey, SuperstepError
from stepscope.errors import UnstorableValueError
from stepscope.events import Committed, Found, StateWritten, SuperstepFailed
from stepscope.kernel.model import HoldRecord
from support.kernels import Hand, value

LIVE = [StateKey(name, initial=0, access="live") for name in ("k0", "k1", "k2")]


def entered(got: Any) -> HoldRecord:
    assert isinstance(got, HoldRecord)
    return got


def undone(hand: Hand) -> list[tuple[str, Any, Any]]:
    rows = [one for one in hand.of(StateWritten) if one.op == "undo"]
    return [(one.key, one.old and one.old.tree(), one.new and one.new.tree()) for one in rows]


def test_writes_are_taken_back_in_the_order_of_their_keys() -> None:
    hand = Hand.siblings("a", LIVE)
    block = entered(hand.hold("a", "k0", "k1", "k2"))
    for key in ("k2", "k0", "k2"):
        hand.update("a", key, lambda old: old + 1)
    hand.release("a", block, undo=True)
    assert undone(hand) == [("k0", 1, 0), ("k2", 2, 0)]
    assert block.undo == {}


def test_an_enclosing_block_answers_for_what_it_holds_too_and_for_no_more() -> None:
    """The inner block ends well. Of its keys the outer one holds k1, and takes that back as it was before both."""
    hand = Hand.siblings("a", LIVE)
    outer = entered(hand.hold("a", "k1"))
    inner = entered(hand.hold("a", "k1", "k2"))
    hand.set("a", "k1", 5)
    hand.set("a", "k2", 6)
    hand.release("a", inner)
    hand.set("a", "k1", 7)
    hand.release("a", outer, undo=True)
    assert undone(hand) == [("k1", 7, 0)]
    assert [hand.get("a", key) for key in ("k1", "k2")] == [0, 6]


def test_what_the_outer_block_wrote_before_stays_what_it_goes_back_to() -> None:
    hand = Hand.siblings("a", LIVE)
    outer = entered(hand.hold("a", "k0"))
    hand.set("a", "k0", 1)
    inner = entered(hand.hold("a", "k0"))
    hand.set("a", "k0", 2)
    hand.release("a", inner, undo=True)
    assert hand.get("a", "k0") == 1
    inner = entered(hand.hold("a", "k0"))
    hand.set("a", "k0", 3)
    hand.release("a", inner)
    hand.release("a", outer, undo=True)
    assert undone(hand) == [("k0", 2, 1), ("k0", 3, 0)]


def test_a_write_outside_its_block_is_not_the_blocks() -> None:
    hand = Hand.siblings("a", LIVE)
    block = entered(hand.hold("a", "k0"))
    hand.set("a", "k1", 1)
    hand.release("a", block, undo=True)
    assert undone(hand) == []
    assert hand.get("a", "k1") == 1


def test_a_conflict_names_the_key_who_wrote_and_what_in_rank_order() -> None:
    hand = Hand.siblings("bac")
    hand.set("a", "key", [1])
    hand.delete("c", "key")
    hand.set("b", "key", "x" * 100)
    with pytest.raises(StateConflictError) as caught:
        hand.finish()
    error = caught.value
    assert (error.key, error.executors) == ("key", ("b", "a", "c"))
    assert error.values == ("x" * 100, [1], None)
    (inner,) = error.exceptions  # type: ignore[attr-defined]
    said, _, remedy = str(inner).partition(". ")
    assert said.startswith("state key 'key' was written by 3 executors in one superstep: 'b' wrote 'xxx")
    assert said.endswith("x…, 'a' wrote [1], 'c' wrote a deletion")
    (found,) = hand.of(Found)
    assert (found.finding, found.clause, found.message, found.remedy) == ("write-conflict", "STA-3", f"{said}.", remedy)
    assert (found.executors, found.keys) == (["b", "a", "c"], ["key"])
    (failed,) = hand.of(SuperstepFailed)
    assert [one.type for one in failed.errors] == ["StateConflictError"]


def not_storable(old: Any, new: Any) -> Any:
    return object()


def refuses(old: Any, new: Any) -> Any:
    raise ValueError("no more")


def test_a_reducer_that_makes_what_cannot_be_stored_is_named_with_who_asked() -> None:
    hand = Hand.siblings("ab", [StateKey("r", initial=0, reducer=not_storable)])
    hand.add("b", "r", 1)
    with pytest.raises(UnstorableValueError, match="executor 'b': reducer of state key 'r'"):
        hand.get("b", "r")
    with pytest.raises(SuperstepError, match="state key 'r': its reducer"):
        hand.finish()


def test_a_reducer_that_raises_is_named_with_whose_contribution_it_was() -> None:
    hand = Hand.siblings("ab", [StateKey("r", initial=0, reducer=refuses)])
    hand.add("b", "r", [1, 2])
    note = "in the reducer of state key 'r', merging [1, 2] from 'b'"
    with pytest.raises(ValueError, match="no more") as asked:
        hand.get("b", "r")
    assert asked.value.__notes__ == [note]
    with pytest.raises(SuperstepError) as caught:
        hand.finish()
    (error,) = caught.value.exceptions
    assert error.__notes__ == [note]


@pytest.mark.parametrize("key", ["snapshot", "k0"])
def test_an_update_that_makes_what_cannot_be_stored_is_named_with_whose_it_is(key: str) -> None:
    hand = Hand.siblings("ab", LIVE)
    with pytest.raises(UnstorableValueError, match=f"executor 'b' updated state key '{key}'"):
        hand.update("b", key, lambda old: object())
    assert hand.of(StateWritten) == []


def test_contributions_are_merged_once_with_the_commit_however_often_they_are_read() -> None:
    """Each executor sees the commit and its own; the first contribution to an absent key stands for itself."""
    seen: list[tuple[Any, Any]] = []

    def add(old: Any, new: Any) -> Any:
        seen.append((old, new))
        return old + new

    hand = Hand.siblings("ab", [StateKey("r", initial=100, reducer=add), StateKey("absent", reducer=add)])
    for number in (1, 2):
        hand.add("a", "r", number)
        hand.add("b", "absent", number)
    assert [hand.get("a", "r"), hand.get("a", "r"), hand.get("b", "r")] == [103, 103, 100]
    assert [hand.get("b", "absent"), hand.get("a", "absent")] == [3, None]
    assert seen == [(100, 1), (101, 2), (1, 2)]
    hand.add("a", "r", 3)
    assert hand.get("a", "r") == 106
    assert seen[3:] == [(103, 3)]
    hand.add("b", "r", 4)
    hand.send("a", 0)
    hand.finish()
    assert hand.state == {"absent": 3, "r": 110}
    hand.open()
    hand.add("a", "r", 5)
    assert hand.get("a", "r") == 115


def test_the_writers_of_a_live_key_are_named_in_rank_order() -> None:
    hand = Hand.siblings("ba", LIVE)
    for name in ("a", "b", "a"):
        hand.update(name, "k0", lambda old: old + 1)
    hand.finish()
    (change,) = hand.of(Committed)[-1].changes
    assert (change.key, change.old, change.new, change.writers) == ("k0", value(0), value(3), ["b", "a"])


def test_values_of_a_superstep_that_fails_are_forgotten() -> None:
    hand = Hand.siblings("ab", [*LIVE, StateKey("r", initial=0, reducer=lambda old, new: old + new)])
    hand.set("a", "s", 1)
    hand.add("a", "r", 1)
    hand.set("b", "k1", 1)
    hand.set("a", "k0", 1)
    hand.set("a", "k1", 2)
    hand.kernel.end(hand.inv("b"), "failed", ValueError())
    with pytest.raises(SuperstepError):
        hand.finish()
    (failed,) = hand.of(SuperstepFailed)
    assert [(one.key, one.old, one.new, one.access, one.writers) for one in failed.reverted] == [
        ("k0", value(1), value(0), "live", ["a"]),
        ("k1", value(2), value(0), "live", ["a", "b"]),
    ]
    hand.open()
    assert [hand.get("a", key) for key in ("s", "r", "k0", "k1")] == [None, 0, 0, 0]
