"""From events to spans: the table of families, and the spans of a whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from stepscope import events as ev
from stepscope.errors import WorkflowError

from .families import effects, findings, invocations, locks, messages, runs, state, supersteps
from .names import SCOPE_NAME
from .span import WorkflowSpan
from .tree import SpanTree

_FAMILY: dict[type[ev.Event], Callable[[SpanTree, Any], None]] = {
    ev.RunStarted: runs.started,
    ev.RunEnded: runs.ended,
    ev.SuperstepStarted: supersteps.started,
    ev.SuperstepCompleted: supersteps.ended,
    ev.SuperstepFailed: supersteps.ended,
    ev.BarrierArrived: supersteps.arrived,
    ev.Committed: supersteps.committed,
    ev.Checkpointed: supersteps.checkpointed,
    ev.Resumed: runs.resumed,
    ev.Delivered: invocations.delivered,
    ev.HandlerStarted: invocations.started,
    ev.HandlerEnded: invocations.ended,
    ev.Sent: messages.sent,
    ev.Routed: messages.routed,
    ev.Dropped: messages.dropped,
    ev.OutputYielded: messages.yielded,
    ev.LockWaiting: locks.waiting,
    ev.LockAcquired: locks.acquired,
    ev.LockReleased: locks.released,
    ev.StateRead: state.read,
    ev.StateWritten: state.written,
    ev.EffectStarted: effects.started,
    ev.EffectEnded: effects.ended,
    ev.Found: findings.found,
    ev.TimedOut: invocations.timed_out,
}


def feed(tree: SpanTree, event: ev.Event) -> None:
    """Let a run's next event open and close spans."""
    tree.last_t = event.t
    _FAMILY[type(event)](tree, event)


def default_resource() -> Resource:
    """Resource of spans without a tracer provider: the environment's, as service `stepscope` where it names none."""
    return Resource.create({"service.name": SCOPE_NAME}).merge(OTELResourceDetector().detect())


def spans_of_events(
    events: Iterable[ev.AnyEvent], *, resource: Resource | None = None, parent: SpanContext | None = None
) -> Iterator[ReadableSpan]:
    """The spans of one run, from its events in `seq` order, each as it ends: children mostly before parents.

    The same events give the same spans, ids included. If the events end before the run did, what is open ends at the
    last of them and is marked as unfinished. `parent` is the span the run was started under, if any.

    Raises `WorkflowError` if the first event is not the start of a run.
    """
    closed: list[WorkflowSpan] = []
    tree: SpanTree | None = None
    for event in events:
        if tree is None:
            if not isinstance(event, ev.RunStarted):
                raise WorkflowError(
                    f"spans are made from a run's first event on, and this one is number {event.seq} "
                    f"({event.kind}); give all of the run's events."
                )
            tree = SpanTree(event, resource=resource or default_resource(), closed=closed.append, parent=parent)
        feed(tree, event)
        yield from closed
        closed.clear()
    if tree is not None:
        tree.finish()
        yield from closed
