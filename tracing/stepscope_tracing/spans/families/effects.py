"""``effect {name}``: from the request to the admission of its result (DET-3)."""

from __future__ import annotations

from stepscope.events import EffectEnded, EffectStarted
from stepscope_tracing.spans import names
from stepscope_tracing.spans.tree import SpanTree


def started(tree: SpanTree, event: EffectStarted) -> None:
    """A handler asked for an effect."""
    span = tree.open(event, names.span_name(names.EFFECT, event.name), tree.parent_of(event))
    tree.effects[event.inv, event.number] = span
    tree.scope(event).open[span] = None


def ended(tree: SpanTree, event: EffectEnded) -> None:
    """Its result was admitted."""
    scope = tree.scope(event)
    span = tree.effects.pop((event.inv, event.number), None)
    if span is None or span not in scope.open:
        tree.point(event, names.span_name(names.EFFECT, event.name), tree.parent_of(event))
        return
    del scope.open[span]
    tree.close_with(span, event)
