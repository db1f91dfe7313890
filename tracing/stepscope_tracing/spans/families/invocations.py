"""``deliver {executor}`` and ``process {executor}``: a payload in an inbox, and the handler's run on it.

A ``process`` span (CONSUMER) links to the ``send`` of each message it consumes; the run's input is the run's own span.
"""

from __future__ import annotations

from opentelemetry.trace import Link, SpanKind

from stepscope.events import Delivered, HandlerEnded, HandlerStarted, TimedOut
from stepscope_tracing.spans import names
from stepscope_tracing.spans.tree import Invocation, Scope, SpanTree

from .locks import wait_is_over


def delivered(tree: SpanTree, event: Delivered) -> None:
    """A payload lies in an inbox."""
    scope = tree.scope(event)
    scope.invocations[event.inv] = Invocation(event.messages)
    extra: dict[str, object] = {
        names.MESSAGING_SYSTEM: names.SCOPE_NAME,
        names.MESSAGING_OPERATION: names.DELIVER,
        names.MESSAGING_DESTINATION: event.executor,
    }
    if event.group:
        extra[names.MESSAGING_BATCH] = len(event.messages)
    tree.point(event, names.span_name(names.DELIVER, event.executor), scope.top, extra=extra)


def _link(tree: SpanTree, scope: Scope, message: int) -> Link | None:
    seq = tree.sends.seq_of(message) if message else scope.run.opened_by.seq
    return tree.link(seq, names.LINK_MESSAGE) if seq else None


def started(tree: SpanTree, event: HandlerStarted) -> None:
    """Open the invocation's span."""
    scope = tree.scope(event)
    invocation = scope.invocations.setdefault(event.inv, Invocation([]))
    links = [_link(tree, scope, message) for message in invocation.messages]
    invocation.span = tree.open(
        event,
        names.span_name(names.PROCESS, event.executor),
        scope.top,
        kind=SpanKind.CONSUMER,
        links=[link for link in links if link is not None],
        extra={
            names.MESSAGING_SYSTEM: names.SCOPE_NAME,
            names.MESSAGING_OPERATION: names.PROCESS,
            names.MESSAGING_OPERATION_TYPE: "process",
            names.MESSAGING_DESTINATION: event.executor,
        },
    )
    scope.open[invocation.span] = None


def timed_out(tree: SpanTree, event: TimedOut) -> None:
    """It has taken all its time: a span without length, as it is being cancelled from here."""
    tree.point(event, names.span_name(names.TIMEOUT, event.executor), tree.parent_of(event))


def ended(tree: SpanTree, event: HandlerEnded) -> None:
    """Close it, and the waits that it did not live to see the end of."""
    scope = tree.scope(event)
    for key in [key for key in scope.waits if key[0] == event.inv]:
        while key in scope.waits:
            wait_is_over(tree, event, *key)
    invocation = scope.invocations.get(event.inv)
    span = invocation.span if invocation else None
    if span is None or span not in scope.open:
        span = tree.point(event, names.span_name(names.PROCESS, event.executor), scope.top)
        return
    del scope.open[span]
    if event.outcome != "completed":
        span.written[names.ERROR_TYPE] = event.outcome
        span.fail(event.outcome)
    tree.close_with(span, event)
