"""``send {executor}`` (PRODUCER), ``route {source}``, ``drop {source}`` and ``output {executor}``: what goes out."""

from __future__ import annotations

from opentelemetry.trace import Link, SpanKind

from stepscope.events import Dropped, OutputYielded, Routed, Sent
from stepscope_tracing.spans import names
from stepscope_tracing.spans.tree import SpanTree


def sent(tree: SpanTree, event: Sent) -> None:
    """A handler sent a message."""
    tree.sends.add(event.message, event.seq)
    tree.point(
        event,
        names.span_name(names.SEND, event.executor),
        tree.parent_of(event),
        kind=SpanKind.PRODUCER,
        extra={
            names.MESSAGING_SYSTEM: names.SCOPE_NAME,
            names.MESSAGING_OPERATION: names.SEND,
            names.MESSAGING_OPERATION_TYPE: "send",
        },
    )


def _to_send(tree: SpanTree, message: int) -> list[Link]:
    seq = tree.sends.seq_of(message)
    return [tree.link(seq, names.LINK_MESSAGE)] if seq else []


def routed(tree: SpanTree, event: Routed) -> None:
    """What an edge group did with a message, at the barrier."""
    name = names.span_name(names.ROUTE, event.source)
    tree.point(event, name, tree.scope(event).top, links=_to_send(tree, event.message))


def dropped(tree: SpanTree, event: Dropped) -> None:
    """No edge took a message."""
    name = names.span_name(names.DROP, event.source)
    tree.point(event, name, tree.scope(event).top, links=_to_send(tree, event.message))


def yielded(tree: SpanTree, event: OutputYielded) -> None:
    """An output of the workflow."""
    tree.point(event, names.span_name(names.OUTPUT, event.executor), tree.parent_of(event))
