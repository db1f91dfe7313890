"""``state.get|set|delete|add|update|undo {key}``: what an executor read and wrote (STA-1, STA-2, STA-4)."""

from __future__ import annotations

from stepscope.events import StateRead, StateWritten
from stepscope_tracing.spans import names
from stepscope_tracing.spans.tree import SpanTree

from .locks import wait_is_over


def read(tree: SpanTree, event: StateRead) -> None:
    """A read; it may have waited for a hold."""
    wait_is_over(tree, event, event.inv, event.key, names.GET)
    tree.point(event, names.state_name(names.GET, event.key), tree.parent_of(event))


def written(tree: SpanTree, event: StateWritten) -> None:
    """A write; it may have waited for a hold."""
    wait_is_over(tree, event, event.inv, event.key, event.op)
    tree.point(event, names.state_name(event.op, event.key), tree.parent_of(event))
