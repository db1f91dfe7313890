"""``invoke_workflow {workflow}``: a run, or a sub-workflow's run under the `process` that hosts it (SUB-1)."""

from __future__ import annotations

from stepscope.events import Resumed, RunEnded, RunStarted
from stepscope_tracing.spans import names
from stepscope_tracing.spans.tree import Scope, SpanTree


def started(tree: SpanTree, event: RunStarted) -> None:
    """Open the run's span."""
    host = tree.invocation(event.scope) if event.scope else None
    above = (host.span if host else None) or (tree.scopes[0].top if tree.scopes else None)
    span = tree.open(
        event,
        names.span_name(names.INVOKE_WORKFLOW, event.workflow),
        above,
        extra={names.GEN_AI_OPERATION: names.INVOKE_WORKFLOW, names.GEN_AI_AGENT: event.workflow},
    )
    tree.scopes[event.scope] = Scope(event.scope, span)


def resumed(tree: SpanTree, event: Resumed) -> None:
    """The run goes on from a checkpoint."""
    tree.point(event, names.span_name(names.RESUME), tree.scope(event).top)


def ended(tree: SpanTree, event: RunEnded) -> None:
    """Close it, and first what a cancelled or failed run left open."""
    scope = tree.scopes.pop(event.scope, None)
    if scope is None:
        tree.point(event, names.span_name(names.INVOKE_WORKFLOW), tree.scopes[0].top)
        return
    tree.abandon(scope, event.t)
    if scope.step is not None:
        scope.step.written[names.UNFINISHED] = True
        tree.close(scope.step, event.t)
    if event.status != "completed":
        scope.run.fail(event.status)
    if event.scope == 0:
        scope.run.written[names.SPANS] = tree.spans + 1
    tree.close_with(scope.run, event)
