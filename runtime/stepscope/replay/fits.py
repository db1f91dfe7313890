"""Which of several pending operations of an invocation makes the event that comes next."""

from __future__ import annotations

from ..events import Event, LockAcquired, LockReleased, LockWaiting, OutputYielded, Sent, StateRead, StateWritten
from ..kernel import Invocation
from ..kernel.ops import Acquire, Add, Get, Op, Release, Send, Set, Update, Yield


def fits(op: Op, event: Event) -> int:
    """2: the operation makes this event, as far as can be told; 1: one of this kind; 0: another."""
    match op, event:
        case Send(), Sent():
            return 1 + (op.target == event.target and op.payload == event.payload)
        case Yield(), OutputYielded():
            return 1 + (op.value == event.value)
        case Get(), StateRead():
            return 1 + (op.key == event.key)
        case Set(), StateWritten():
            return 1 + (op.key == event.key and op.value == event.new and event.op in ("set", "delete"))
        case Add(), StateWritten():
            return 1 + (op.key == event.key and op.value == event.given)
        case Update(), StateWritten():
            return 1 + (op.key == event.key and event.op == "update")
        case Acquire(), LockAcquired():
            return 1 + (event.key in op.keys)
        case Release(), LockReleased() | StateWritten():
            return 1 + (event.key in op.record.keys)
        case ((Get() | Set() | Update()), LockWaiting()):
            verb = "get" if isinstance(op, Get) else "update" if isinstance(op, Update) else "set"
            asked = "set" if event.op == "delete" else event.op
            return 1 + (op.key == event.key and verb == asked)
        case Acquire(), LockWaiting():
            return 1 + (event.op == "hold" and event.key in op.keys)
    return 0


def is_silent(inv: Invocation, op: Op) -> bool:
    """Whether the operation makes no event: a hold within a hold of the same keys, or leaving one."""
    outer = {key for record in inv.holds for key in record.keys}
    if isinstance(op, Acquire):
        return outer.issuperset(op.keys)
    if isinstance(op, Release):
        record = op.record
        others = {key for one in inv.holds if one is not record for key in one.keys}
        return not record.open or (others.issuperset(record.keys) and not (op.undo and record.undo))
    return False
