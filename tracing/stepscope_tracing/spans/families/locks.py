"""``lock.wait {key}`` and ``lock.hold {key}`` (STA-5).

A wait links to the hold that it waits for. It ends with the event that the wait was for (the acquisition, or a plain
operation's own read or write), which has its own span, or with the invocation.
"""

from __future__ import annotations

from stepscope.events import Event, LockAcquired, LockReleased, LockWaiting
from stepscope_tracing.spans import names
from stepscope_tracing.spans.tree import SpanTree


def waiting(tree: SpanTree, event: LockWaiting) -> None:
    """An operation has to wait for a held key."""
    scope = tree.scope(event)
    hold = scope.holds.get(event.key)
    span = tree.open(
        event,
        names.span_name(names.LOCK_WAIT, event.key),
        tree.parent_of(event),
        links=[tree.link(hold.opened_by.seq, names.LINK_HOLDER)] if hold else (),
    )
    scope.waits.setdefault((event.inv, event.key, event.op), []).append(span)
    scope.open[span] = None


def wait_is_over(tree: SpanTree, event: Event, inv: int, key: str, op: str) -> None:
    """Close the oldest wait of an invocation for an operation on a key, if there is one."""
    scope = tree.scope(event)
    place = (inv, key, op)
    spans = scope.waits.get(place)
    if not spans:
        return
    span = spans.pop(0)
    if not spans:
        del scope.waits[place]
    del scope.open[span]
    span.written[names.ENDED_BY] = event.seq
    tree.close(span, event.t)


def acquired(tree: SpanTree, event: LockAcquired) -> None:
    """A key is held from here."""
    scope = tree.scope(event)
    wait_is_over(tree, event, event.inv, event.key, "hold")
    span = tree.open(event, names.span_name(names.LOCK_HOLD, event.key), tree.parent_of(event))
    scope.holds[event.key] = span
    scope.open[span] = None


def released(tree: SpanTree, event: LockReleased) -> None:
    """A key is no longer held."""
    scope = tree.scope(event)
    span = scope.holds.pop(event.key, None)
    if span is None or span not in scope.open:
        tree.point(event, names.span_name(names.LOCK_HOLD, event.key), tree.parent_of(event))
        return
    del scope.open[span]
    tree.close_with(span, event)
