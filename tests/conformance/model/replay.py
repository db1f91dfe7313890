"""The model under the schedule of a recorded run: every event must be the model's next row.

The schedule is the sequence of invocations in the recording. Whatever the model derives from it, values, owners, queues,
undone writes, deliveries, commits, failures, has to be what was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

from stepscope import events as ev
from stepscope.values import Value
from support.programs import Program

from .machine import Model
from .routing import Row


def _plain(value: Value | None) -> Any:
    return None if value is None else value.tree()


def _changes(event: ev.Committed | ev.SuperstepFailed) -> list[Row]:
    changes = event.changes if isinstance(event, ev.Committed) else event.reverted
    return [(one.key, _plain(one.old), _plain(one.new), one.access, one.writers) for one in changes]


def row_of(event: ev.AnyEvent) -> Row | None:
    """An event in the model's words; None for what the model does not speak of."""
    match event:
        case ev.SuperstepStarted():
            return ("superstep", event.superstep, event.executors, event.deliveries)
        case ev.Delivered():
            place = (event.inv, event.executor, event.position, event.messages, event.sources)
            return ("delivered", *place, _plain(event.payload), event.group)
        case ev.HandlerStarted():
            return ("started", event.inv)
        case ev.HandlerEnded():
            return ("ended", event.inv, event.outcome, None if event.error is None else event.error.type)
        case ev.BarrierArrived():
            return ("arrived", event.executor, event.waiting)
        case ev.Sent():
            return ("sent", event.inv, event.message, event.number, event.target, _plain(event.payload))
        case ev.OutputYielded():
            return ("output", event.inv, event.number, _plain(event.value))
        case ev.StateRead():
            return ("read", event.inv, event.key, _plain(event.value))
        case ev.StateWritten():
            values = (_plain(event.old), _plain(event.new), _plain(event.given))
            return ("written", event.inv, event.key, event.op, *values)
        case ev.LockWaiting():
            return ("waiting", event.inv, event.key, event.op, event.holder, event.queue)
        case ev.LockAcquired():
            return ("acquired", event.inv, event.key, event.waited)
        case ev.LockReleased():
            return ("released", event.inv, event.key, event.reason, event.next, event.queue)
        case ev.Routed():
            at = int(event.edge.partition(":")[0])
            return ("routed", event.message, event.source, at, event.target, event.decision)
        case ev.Dropped():
            return ("dropped", event.message, event.source, event.target, event.why)
        case ev.Committed():
            return ("committed", _changes(event), event.messages, event.outputs)
        case ev.SuperstepCompleted():
            return ("completed",)
        case ev.SuperstepFailed():
            return ("failed", [one.type for one in event.errors], _changes(event))
        case ev.Found():
            if event.clause == "ORD-4":  # a buffer that grows: see test_fan_in
                return None
            if event.finding == "non-convergence":
                return ("found", event.finding, [], [], [])
            return ("found", event.finding, event.executors, event.keys, event.locks)
        case ev.RunEnded():
            return ("over", event.status, event.supersteps, event.outputs)
    assert isinstance(event, ev.RunStarted), event
    return None


BY_INVOCATION = {"started", "ended", "sent", "output", "read", "written", "waiting", "acquired", "released"}
"""Rows whose second item is the invocation that did it."""


def replay(program: Program, events: Iterable[ev.AnyEvent], limit: int | None = None) -> Model:
    """Run the model as recorded. Raises `AssertionError` at the first event that is not what the model says.

    With a `limit` no more invocations may be under way at once (PAR-1). What one did before it was cancelled may not
    show; of the ways it can have been, one has to give what was recorded.
    """
    recorded = [row for row in map(row_of, events) if row is not None]
    left: list[bool] = []
    first: AssertionError | None = None
    while True:
        try:
            return _follow(program, recorded, limit, left)
        except AssertionError as error:
            first = first or error
        while left and left[-1]:
            left.pop()
        if not left:
            raise first
        left[-1] = True


def _follow(program: Program, recorded: list[Row], limit: int | None, left: list[bool]) -> Model:
    """Whether the n-th one of whom that is not known had left its block says `left`; what it does not say is added."""
    compared = 0

    def stayed(inv: int, key: str) -> list[int]:
        """The queue at this invocation's next release of the key."""
        return next((row[5] for row in recorded[compared:] if row[:3] == ("released", inv, key)), [])

    asked = count()

    def had_left(_: int) -> bool:
        at = next(asked)
        if at == len(left):
            left.append(False)
        return left[at]

    model = Model(program, stayed, had_left)
    model.begin()
    while True:
        for row in model.log[compared:]:
            assert compared < len(recorded), f"the recording ends before {row}"
            assert recorded[compared] == row, (
                f"event {compared} of superstep {model.superstep}: recorded {recorded[compared]}, expected {row}; "
                f"before it: {recorded[max(0, compared - 6) : compared]}"
            )
            compared += 1
        assert limit is None or len(model.running()) <= limit, f"more than {limit} at once (PAR-1)"
        if model.over:
            break
        assert compared < len(recorded), "the recording ends, the model does not"
        after = recorded[compared]
        assert after[0] in BY_INVOCATION, f"recorded {after} while {model.running()} run and {model.startable()} wait"
        model.step(after[1], let_go=after[0] == "released" and after[3] == "ended")
        assert len(model.log) > compared, f"recorded {after}, but invocation {after[1]} does nothing that shows"
    assert compared == len(recorded), f"recorded after the end: {recorded[compared:]}"
    return model


def run_alone(program: Program, most: int) -> Model | None:
    """The model under a schedule of its own: always the lowest invocation that may go. None if it gets too big."""
    model = Model(program)
    model.begin()
    while not model.over:
        if model.numbers[0] > most:
            return None
        ready = model.ready()
        assert ready, "nobody can go on, and no deadlock was reported (DLK-2)"
        model.step(ready[0])
    return model
