"""``finding {kind}``: what the runtime reported."""

from __future__ import annotations

from stepscope.events import Found
from stepscope_tracing.spans import names
from stepscope_tracing.spans.tree import SpanTree


def found(tree: SpanTree, event: Found) -> None:
    """A finding, under the superstep it was reported in."""
    tree.point(event, names.span_name(names.FINDING, event.finding), tree.scope(event).top)
