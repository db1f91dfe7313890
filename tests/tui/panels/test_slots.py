"""Events in slots: none left out, in order; a superstep's deliveries share one slot, its barrier another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepscope.events import AnyEvent
from stepscope_tui.drawing.slots import slots_of
from support.random_streams import streams
from support.streams import Stream


def two_supersteps(*, kept: bool = False, resumed: bool = False, error: str = "") -> list[AnyEvent]:
    stream = Stream("a", "b")
    if resumed:
        stream.resume(3, {"k": 1})
    (inv,) = stream.begin()
    stream.start(inv)
    stream.send(inv, 1, "b")
    stream.send(inv, 2, "b")
    stream.end(inv)
    stream.commit(kept, error)
    for inv in stream.begin():
        stream.start(inv)
        stream.end(inv)
    stream.commit()
    return stream.finish()


def test_entries_and_rules_are_one_slot_each_and_handlers_events_one_each() -> None:
    slots = slots_of(two_supersteps())
    assert [(slot.kind, len(slot.events)) for slot in slots] == [
        ("rule", 1),  # the run's start
        ("entry", 2), *[("event", 1)] * 5, ("rule", 4),
        ("entry", 3), *[("event", 1)] * 5, ("rule", 2),
        ("entry", 1),  # the run's end
    ]  # fmt: skip


@pytest.mark.parametrize("error", ["", "no space left"])
def test_a_checkpoint_is_part_of_its_barrier_and_a_resumption_of_the_start(error: str) -> None:
    slots = slots_of(two_supersteps(kept=True, resumed=True, error=error))
    rules = [[event.kind for event in slot.events] for slot in slots if slot.kind == "rule"]
    kept = ["checkpointed", "finding"] if error else ["checkpointed"]
    assert rules[0] == ["run-started", "resumed"]
    assert rules[1] == ["routed", "routed", "committed", *kept, "superstep-completed"]


def test_zoomed_out_several_events_share_a_slot() -> None:
    slots = slots_of(two_supersteps(), per=4)
    assert [(slot.kind, len(slot.events)) for slot in slots if slot.kind == "event"] == [
        ("event", 4), ("event", 1), ("event", 4), ("event", 1),
    ]  # fmt: skip


@given(streams(), st.sampled_from([1, 2, 7]))
def test_every_event_is_in_one_slot_in_order(events: list[AnyEvent], per: int) -> None:
    slots = slots_of(events, per)
    assert [event.seq for slot in slots for event in slot.events] == [event.seq for event in events]
    assert all(len(slot.events) <= per for slot in slots if slot.kind == "event")
    assert all(len({event.scope for event in slot.events}) == 1 for slot in slots if slot.kind != "event")
