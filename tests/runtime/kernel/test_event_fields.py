"""What each step of a kernel says, field by field: two whole supersteps and a failed one, in a scope with a prefix (SUB-1).

Other tests ask for the fields that a clause is about. Here is every field of every event, with a clock and lines that differ
from step to step, so that none can be taken from elsewhere or left out.
"""

from __future__ import annotations

import operator
from typing import Any

import pytest

from stepscope import StateKey, SuperstepError, WorkflowBuilder
from stepscope import events as ev
from stepscope.kernel import Ticket
from stepscope.kernel.model import HoldRecord
from stepscope.kernel.ops import BeginEffect, EndEffect
from support.kernels import Hand, plan_of, value
from support.workflows import Node, relay

SCOPE = 9
START, B, C, ODD, JOIN, D = (f"sub/{name}" for name in ("start", "b", "c", "odd", "join", "d"))


def odd(message: int) -> bool:
    return message % 2 == 1


class Told:
    """A kernel by hand whose events are compared step by step. Each step has a time and a line of its own."""

    def __init__(self) -> None:
        start, b, c, to_odd, join, d = (Node(name, relay) for name in ("start", "b", "c", "odd", "join", "d"))
        keys = [
            StateKey("s", 0),
            StateKey("r", 0, reducer=operator.add),
            StateKey("l", 0, access="live"),
            StateKey("m", access="live"),
        ]
        builder = WorkflowBuilder(start, state=keys).add_fan_out_edges(start, [b, c]).add_edge(b, to_odd, odd)
        builder.add_fan_in_edges([b, c], join).add_edge(c, d, odd)
        self.now = 100
        self.hand = Hand(plan_of(builder), 5, scope=SCOPE, prefix="sub/", clock=lambda: self.now)
        self.hand.line = 10
        self.seen = 0

    def __call__(self, *rows: tuple[Any, ...]) -> None:
        """Since the last time exactly these were told: a type and its fields, after the header that all events have."""
        told = self.hand.events[self.seen :]
        step = self.hand.kernel.superstep + any(row[0] is ev.SuperstepFailed for row in rows)
        header = [(self.seen + 1 + at, self.now, SCOPE, step) for at in range(len(rows))]
        assert told == [kind(*head, *fields) for head, (kind, *fields) in zip(header, rows, strict=True)]
        self.seen = len(self.hand.events)
        self.now += 1
        self.hand.line += 1


def test_every_field_of_every_event() -> None:
    told = Told()
    hand = told.hand
    hand.open()
    told(
        (ev.SuperstepStarted, [START], 1),
        (ev.Delivered, 1, START, 0, [0], [""], value(5), False),
        (ev.HandlerStarted, 1, START, "handle"),
    )
    hand.send(START, 1)
    hand.send(START, 2, "c")
    hand.send(START, 3, "nobody")
    told(
        (ev.Sent, 1, START, 1, 0, None, value(1), 11),
        (ev.Sent, 1, START, 2, 1, "c", value(2), 11),
        (ev.Sent, 1, START, 3, 2, "nobody", value(3), 11),
    )
    hand.output(START, "first")
    hand.output(START, "second")
    told(
        (ev.OutputYielded, 1, START, 0, value("first"), 12),
        (ev.OutputYielded, 1, START, 1, value("second"), 12),
    )
    hand.finish()
    why = "'nobody' is no executor of this workflow"
    told(
        (ev.HandlerEnded, 1, START, "completed", None),
        (ev.BarrierArrived, START, 0),
        (ev.Routed, 1, START, "0:fan-out", B, "delivered", ""),
        (ev.Routed, 1, START, "0:fan-out", C, "delivered", ""),
        (ev.Routed, 2, START, "0:fan-out", C, "delivered", ""),
        (ev.Dropped, 3, START, "nobody", "no-route", why),
        (ev.Committed, [], 3, 2),
        _found(
            "dropped-message", "ORD-8", f"a message from '{START}' (3) was dropped: {why}.",
            "Add the edge, or do not send.", executors=[START],
        ),
        (ev.SuperstepCompleted,),
    )  # fmt: skip
    hand.open()
    told(
        (ev.SuperstepStarted, [B, C], 3),
        (ev.Delivered, 2, B, 0, [1], [START], value(1), False),
        (ev.Delivered, 3, C, 0, [1], [START], value(1), False),
        (ev.Delivered, 4, C, 1, [2], [START], value(2), False),
        (ev.HandlerStarted, 2, B, "handle"),
        (ev.HandlerStarted, 3, C, "handle"),
    )
    _second_superstep(told)
    _failed_superstep(told)


def _found(kind: str, clause: str, message: str, remedy: str, **names: list[str]) -> tuple[Any, ...]:
    lists = [names.get(which, []) for which in ("executors", "keys", "locks")]
    return (ev.Found, kind, message, remedy, clause, *lists, [], "observed")


def _second_superstep(told: Told) -> None:
    hand = told.hand
    hand.get(B, "s")
    hand.set(B, "s", 1)
    hand.delete(B, "s")
    hand.update(B, "s", lambda old: 7)
    hand.add(B, "r", 2)
    told(
        (ev.StateRead, 2, B, "s", "snapshot", value(0), 15),
        (ev.StateWritten, 2, B, "s", "snapshot", "set", value(0), value(1), 15, None),
        (ev.StateWritten, 2, B, "s", "snapshot", "delete", value(1), None, 15, None),
        (ev.StateWritten, 2, B, "s", "snapshot", "update", None, value(7), 15, None),
        (ev.StateWritten, 2, B, "r", "reducer", "add", None, None, 15, value(2)),
    )
    hand.get(B, "r")
    hand.get(B, "m")
    told(
        (ev.StateRead, 2, B, "r", "reducer", value(2), 16),
        (ev.StateRead, 2, B, "m", "live", None, 16),
    )
    outer = hand.hold(B, "l", "m")
    assert isinstance(outer, HoldRecord)
    hand.set(B, "l", 4)
    told(
        (ev.LockAcquired, 2, B, "l", False, 17),
        (ev.LockAcquired, 2, B, "m", False, 17),
        (ev.StateWritten, 2, B, "l", "live", "set", value(0), value(4), 17, None),
    )
    assert isinstance(hand.hold(C, "m"), Ticket)
    told((ev.LockWaiting, 3, C, "m", "hold", 2, B, [], 18))
    inner = hand.hold(B, "l")
    assert isinstance(inner, HoldRecord)
    hand.set(B, "l", 5)
    hand.release(B, inner, undo=True)
    told(
        (ev.StateWritten, 2, B, "l", "live", "set", value(4), value(5), 19, None),
        (ev.StateWritten, 2, B, "l", "live", "undo", value(5), value(4), 19, None),
    )
    hand.release(B, outer)
    told(
        (ev.LockReleased, 2, B, "l", "exit", 0, [], 20),
        (ev.LockReleased, 2, B, "m", "exit", 3, [3], 20),
        (ev.LockAcquired, 3, C, "m", True, 18),
    )
    assert hand.kernel.apply(hand.inv(B), BeginEffect("fetch", hand.line)) == 1
    assert hand.kernel.apply(hand.inv(B), BeginEffect("other", hand.line)) == 2
    told((ev.EffectStarted, 2, B, 1, "fetch", 21), (ev.EffectStarted, 2, B, 2, "other", 21))
    broken = ev.ErrorInfo("ValueError", "no page", "")
    hand.kernel.apply(hand.inv(B), EndEffect(2, "other", value("page"), None))
    hand.kernel.apply(hand.inv(B), EndEffect(1, "fetch", None, broken))
    told(
        (ev.EffectEnded, 2, B, 2, "other", value("page"), None),
        (ev.EffectEnded, 2, B, 1, "fetch", None, broken),
    )
    hand.send(C, 3)
    hand.send(B, 2)
    told(
        (ev.Sent, 3, C, 4, 0, None, value(3), 23),
        (ev.Sent, 2, B, 5, 0, None, value(2), 23),
    )
    hand.finish()
    remedy = "Use `async with ctx.state.hold(...)` and let the block end before the handler returns."
    told(
        (ev.HandlerEnded, 2, B, "completed", None),
        (ev.BarrierArrived, B, 1),
        _found(
            "lock-not-released", "STA-7", f"'{C}' ended while it still held 'm'; it was released.", remedy,
            executors=[C], locks=["m"],
        ),
        (ev.LockReleased, 3, C, "m", "ended", 0, [], 0),
        (ev.HandlerEnded, 3, C, "completed", None),
        (ev.HandlerStarted, 4, C, "handle"),
        (ev.HandlerEnded, 4, C, "completed", None),
        (ev.BarrierArrived, C, 0),
        (ev.Routed, 5, B, "1:single", ODD, "condition-false", "odd is false"),
        (ev.Routed, 5, B, "2:fan-in", JOIN, "buffered", f"waits for '{C}'"),
        (ev.Routed, 4, C, "2:fan-in", JOIN, "delivered", "completes the group of 2"),
        (ev.Routed, 4, C, "3:single", D, "delivered", "odd is true"),
        (
            ev.Committed,
            [
                ev.Change("l", value(0), value(4), "live", [B]),
                ev.Change("r", value(0), value(2), "reducer", [B]),
                ev.Change("s", value(0), value(7), "snapshot", [B]),
            ],
            2,
            0,
        ),
        (ev.SuperstepCompleted,),
    )  # fmt: skip


def _failed_superstep(told: Told) -> None:
    hand = told.hand
    hand.open()
    told(
        (ev.SuperstepStarted, [JOIN, D], 2),
        (ev.Delivered, 5, JOIN, 0, [5, 4], [B, C], value([2, 3]), True),
        (ev.Delivered, 6, D, 0, [4], [C], value(3), False),
        (ev.HandlerStarted, 5, JOIN, "handle"),
        (ev.HandlerStarted, 6, D, "handle"),
    )
    hand.set(D, "l", 6)
    told((ev.StateWritten, 6, D, "l", "live", "set", value(4), value(6), 26, None))
    hand.kernel.end(hand.inv(JOIN), "failed", ValueError("no"))
    error = ev.ErrorInfo("ValueError", "no", "ValueError: no\n")
    told(
        (ev.HandlerEnded, 5, JOIN, "failed", error),
        _found(
            "handler-failed", "BAR-3", f"'{JOIN}' raised ValueError: no",
            "The superstep was not committed; mend the handler and run again.", executors=[JOIN],
        ),
    )  # fmt: skip
    hand.kernel.end(hand.inv(D), "cancelled")
    told((ev.HandlerEnded, 6, D, "cancelled", None))
    with pytest.raises(SuperstepError, match=r"superstep 3 of workflow 'workflow'.*ValueError: no"):
        hand.kernel.close()
    told((ev.SuperstepFailed, [error], [ev.Change("l", value(6), value(4), "live", [D])]))
