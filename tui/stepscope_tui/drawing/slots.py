"""The x axis of the diagram: events in the order of `seq`, each in a slot; time by the clock plays no part.

A superstep's deliveries share one slot (its *entry*, where the wires come in), what happens at its barrier another
(the *rule*). Everything between has a slot of its own, or `per` events have one together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stepscope.events import (
    AnyEvent,
    Checkpointed,
    Committed,
    Delivered,
    Dropped,
    Found,
    Resumed,
    Routed,
    RunEnded,
    RunStarted,
    SuperstepCompleted,
    SuperstepFailed,
    SuperstepStarted,
)

_AT_BARRIER = (Routed, Dropped, Committed, Checkpointed, SuperstepCompleted, SuperstepFailed)


@dataclass(slots=True)
class Slot:
    """Events that share a place; `x` and `width` in cells are found later. `seq` stands for events not loaded."""

    kind: Literal["entry", "rule", "event"]
    scope: int
    events: list[AnyEvent]
    x: int = 0
    width: int = 1
    seq: int = 0

    @property
    def first(self) -> int:
        """Lowest `seq` of the slot."""
        return self.seq or self.events[0].seq

    @property
    def end(self) -> int:
        """The cell after its last."""
        return self.x + self.width


def slots_of(events: Sequence[AnyEvent], per: int = 1) -> list[Slot]:
    """Put events in slots, in order, none left out; with `per` > 1 that many events of handlers share one."""
    slots: list[Slot] = []
    for event in events:
        kind = _kind(event, slots[-1] if slots else None)
        if per > 1 and event.scope:
            kind = "event"
        last = slots[-1] if slots else None
        if last is not None and last.kind == kind and _together(last, event, kind, per):
            last.events.append(event)
        else:
            slots.append(Slot(kind, event.scope, [event]))
    return slots


def _kind(event: AnyEvent, last: Slot | None) -> Literal["entry", "rule", "event"]:
    if isinstance(event, (SuperstepStarted, Delivered)):
        return "entry"
    if isinstance(event, RunEnded):
        return "rule" if event.scope else "entry"
    if isinstance(event, (*_AT_BARRIER, RunStarted, Resumed)):
        return "rule"
    if isinstance(event, Found) and last is not None and last.kind == "rule" and last.scope == event.scope:
        return "rule"
    return "event"


def _together(last: Slot, event: AnyEvent, kind: str, per: int) -> bool:
    if kind == "event":
        return len(last.events) < per
    if last.scope != event.scope:
        return False
    if kind == "entry":
        return isinstance(event, Delivered)
    return isinstance(event, (Found, RunEnded)) or not isinstance(
        last.events[-1], (SuperstepCompleted, SuperstepFailed, RunEnded)
    )


def executor_of(event: AnyEvent) -> str:
    """The executor whose lane an event belongs to; "" for what concerns all."""
    if isinstance(event, (Routed, Dropped)):
        return event.source
    if isinstance(event, Found):
        return event.executors[0] if event.executors else ""
    executor: str = getattr(event, "executor", "")
    return executor
