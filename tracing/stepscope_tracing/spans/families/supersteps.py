"""``superstep {n}``, and under it ``arrive {executor}``, ``barrier`` and ``checkpoint``: the rhythm of a run (BAR-1, BAR-3).

A ``barrier`` span lasts from the first executor's arrival to the commit, which is its event; a ``checkpoint`` span as
long as it took to write. The one of barrier 0 lies under the run's span.
"""

from __future__ import annotations

from stepscope.events import (
    BarrierArrived,
    Checkpointed,
    Committed,
    SuperstepCompleted,
    SuperstepFailed,
    SuperstepStarted,
)
from stepscope_tracing.spans import names
from stepscope_tracing.spans.tree import SpanTree


def started(tree: SpanTree, event: SuperstepStarted) -> None:
    """Open the superstep's span."""
    scope = tree.scope(event)
    if scope.step is not None:
        scope.step.written[names.UNFINISHED] = True
        tree.close(scope.step, event.t)
    scope.step = tree.open(event, names.span_name(names.SUPERSTEP, event.superstep), scope.run)


def ended(tree: SpanTree, event: SuperstepCompleted | SuperstepFailed) -> None:
    """Close it, and first what its invocations left open."""
    scope = tree.scope(event)
    tree.abandon(scope, event.t)
    step, scope.step = scope.step, None
    if step is None:
        tree.point(event, names.span_name(names.SUPERSTEP, event.superstep), scope.run)
        return
    if isinstance(event, SuperstepFailed):
        step.fail("failed")
    tree.close_with(step, event)


def arrived(tree: SpanTree, event: BarrierArrived) -> None:
    """An executor waits at the barrier."""
    scope = tree.scope(event)
    if scope.arrived_t is None:
        scope.arrived_t = event.t
    tree.point(event, names.span_name(names.ARRIVE, event.executor), scope.top)


def committed(tree: SpanTree, event: Committed) -> None:
    """The barrier's commit."""
    scope = tree.scope(event)
    tree.point(event, names.span_name(names.BARRIER), scope.top, start_t=scope.arrived_t)


def checkpointed(tree: SpanTree, event: Checkpointed) -> None:
    """A checkpoint was written, or could not be."""
    tree.point(event, names.span_name(names.CHECKPOINT), tree.scope(event).top, start_t=max(event.t - event.took, 0))
