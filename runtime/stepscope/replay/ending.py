"""What a recording shows of handlers that did not end by themselves: unwinding, cancellation, abandonment (BAR-3)."""

from __future__ import annotations

from ..events import (
    AnyEvent,
    EffectEnded,
    ErrorInfo,
    HandlerEnded,
    LockReleased,
    RunEnded,
    StateWritten,
    SuperstepFailed,
)
from .script import Script


def is_cancelled(error: ErrorInfo | None) -> bool:
    """Whether an effect, say, ended by being cancelled."""
    return error is not None and error.type == "CancelledError"


def is_unwinding(script: Script, inv: int, event: AnyEvent) -> bool:
    """Whether from here on all that invocation `inv` does is what a cancelled handler does by leaving its blocks."""
    end = script.end_of(inv)
    if end is None or end.outcome not in ("cancelled", "abandoned"):
        return False
    rest = script.rest_of(inv)
    return all(map(_leaves, rest[next((at for at, one in enumerate(rest) if one is event), len(rest)) :]))


def _leaves(event: AnyEvent) -> bool:
    match event:
        case LockReleased():
            return event.reason != "exit"
        case StateWritten():
            return event.op == "undo"
        case EffectEnded():
            return is_cancelled(event.error)
    return isinstance(event, (HandlerEnded, SuperstepFailed, RunEnded))


def ends_abandoned(script: Script, inv: int, event: AnyEvent) -> bool:
    """Whether invocation `inv` is abandoned now; of a host, what it hosts ends first."""
    if isinstance(event, HandlerEnded):
        return event.inv == inv and event.outcome == "abandoned"
    if not isinstance(event, (SuperstepFailed, RunEnded)):
        return False
    for one in script.after(3):
        if isinstance(one, HandlerEnded):
            return one.inv == inv and one.outcome == "abandoned"
        if not isinstance(one, (SuperstepFailed, RunEnded)) or one.scope != inv:
            return False
    return False
