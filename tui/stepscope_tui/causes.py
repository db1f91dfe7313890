"""One step along happens-before: the event that let this one happen, and the event this one let happen.

Program order inside a handler is the last resort: a message's sending, a delivery, the write that was read and the
release that handed a lock over come first, because these are the steps a log does not show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stepscope import events as ev

if TYPE_CHECKING:
    from stepscope_tracing import Run


def cause(run: Run, seq: int) -> int | None:
    """`seq` of the event that had to happen before the one at `seq`; None for the start of the run."""
    event = run.event(seq)
    match event:
        case ev.Delivered():
            sent = [run.message(message).sent for message in event.messages if message]
            return max((s for s in sent if s), default=None) or run.previous(seq, kinds=("run-started", "resumed"))
        case ev.HandlerStarted():
            return run.invocation(event.inv).delivered or None
        case ev.StateRead():
            cell = run.state_at(seq - 1, executor=event.executor, scope=event.scope).get(event.key)
            return cell.written if cell is not None and cell.written else _started(run, event.inv)
        case ev.LockAcquired(waited=True):
            return _release_before(run, seq, event)
        case ev.LockWaiting():
            return _held_since(run, seq, event)
        case ev.LockReleased():
            return _last(run, seq, event.inv, event.key, ev.LockAcquired)
        case ev.Routed() | ev.Dropped():
            return run.message(event.message).sent or None
        case ev.Found():
            return next((s for s in event.seqs if s < seq), None) or run.previous(seq)
        case ev.EffectEnded():
            return _last(run, seq, event.inv, event.number, ev.EffectStarted)
        case ev.RunStarted(scope=0):
            return None
    inv = getattr(event, "inv", 0)
    return _program_order(run, seq, inv) if inv else run.previous(seq)


def effect(run: Run, seq: int) -> int | None:
    """`seq` of what the event at `seq` led to; None for the end of the run."""
    event = run.event(seq)
    match event:
        case ev.Sent():
            message = run.message(event.message)
            first = min((arc.seq for arc in message.deliveries), default=0)
            return first or min((route.seq for route in message.routed), default=0) or _dropped(run, seq, event.message)
        case ev.Delivered():
            return run.invocation(event.inv).started or None
        case ev.Routed():
            return min((arc.seq for arc in run.message(event.message).deliveries if arc.seq > seq), default=None)
        case ev.LockReleased() if event.next:
            return _acquired_after(run, seq, event)
        case ev.LockWaiting():
            return _acquired_after(run, seq, event)
        case ev.StateWritten():
            return _first_reader(run, seq, event)
        case ev.HandlerEnded():
            return run.next(seq, kinds=("barrier-arrived",), executor=event.executor)
        case ev.RunEnded(scope=0):
            return None
    inv = getattr(event, "inv", 0)
    if not inv:
        return run.next(seq)
    ended = run.invocation(inv).ended or run.last
    return next((e.seq for e in run.events(seq + 1, 1, inv=inv) if e.seq <= ended), None) if ended > seq else None


def _started(run: Run, inv: int) -> int | None:
    return run.invocation(inv).started or None


def _program_order(run: Run, seq: int, inv: int) -> int | None:
    """The event before `seq` in the same invocation."""
    executor = run.invocation(inv).executor
    before = run.previous(seq, executor=executor)
    while before is not None and getattr(run.event(before), "inv", 0) != inv:
        before = run.previous(before, executor=executor)
    return before


def _last(run: Run, seq: int, inv: int, what: object, kind: type[ev.LockAcquired | ev.EffectStarted]) -> int | None:
    executor = run.invocation(inv).executor
    before = run.previous(seq, kinds=(kind.kind,), executor=executor)
    while before is not None:
        event = run.event(before)
        same = getattr(event, "key" if kind is ev.LockAcquired else "number", None) == what
        if same and getattr(event, "inv", 0) == inv:
            return before
        before = run.previous(before, kinds=(kind.kind,), executor=executor)
    return _started(run, inv)


def _release_before(run: Run, seq: int, event: ev.LockAcquired) -> int | None:
    before = run.previous(seq, kinds=("lock-released",))
    while before is not None:
        released = run.event(before)
        if isinstance(released, ev.LockReleased) and released.key == event.key and released.scope == event.scope:
            return before
        before = run.previous(before, kinds=("lock-released",))
    return None


def _held_since(run: Run, seq: int, event: ev.LockWaiting) -> int | None:
    before = run.previous(seq, kinds=("lock-acquired",), executor=event.holder_executor)
    while before is not None:
        held = run.event(before)
        if isinstance(held, ev.LockAcquired) and held.key == event.key and held.inv == event.holder:
            return before
        before = run.previous(before, kinds=("lock-acquired",), executor=event.holder_executor)
    return None


def _acquired_after(run: Run, seq: int, event: ev.LockReleased | ev.LockWaiting) -> int | None:
    """Where the next owner got the key; a plain operation that waited shows itself as its read or write."""
    inv = event.next if isinstance(event, ev.LockReleased) else event.inv
    kinds = ("lock-acquired", "state-read", "state-written", "handler-ended")
    executor = run.invocation(inv).executor
    after = run.next(seq, kinds=kinds, executor=executor)
    while after is not None:
        found = run.event(after)
        if getattr(found, "inv", 0) == inv and (getattr(found, "key", None) == event.key or found.kind == kinds[-1]):
            return after
        after = run.next(after, kinds=kinds, executor=executor)
    return None


def _first_reader(run: Run, seq: int, event: ev.StateWritten) -> int | None:
    """The first read that saw this write; without one, where the write was committed or overwritten."""
    later = run.writes(event.key, after=seq, n=1, scope=event.scope)
    applied = seq
    for write in run.writes(event.key, after=seq - 1, n=1, scope=event.scope):
        applied = write.applied_seq
    end = later[0].seq if later and event.access == "live" else run.last
    read = run.next(max(seq, applied), kinds=("state-read",))
    while read is not None and read <= end:
        found = run.event(read)
        if isinstance(found, ev.StateRead) and found.key == event.key and found.scope == event.scope:
            return read
        read = run.next(read, kinds=("state-read",))
    if applied > seq:
        return applied
    return later[0].seq if later else None


def _dropped(run: Run, seq: int, message: int) -> int | None:
    after = run.next(seq, kinds=("dropped",))
    while after is not None:
        found = run.event(after)
        if isinstance(found, ev.Dropped) and found.message == message:
            return after
        after = run.next(after, kinds=("dropped",))
    return None
