"""Spans in tests: by name and by id, their parents, and the events read back from them."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from stepscope.events import Event
from stepscope_tracing.spans.reading import events_of_span


def context_of(span: ReadableSpan) -> SpanContext:
    """A span's own context, which every span here has."""
    context = span.get_span_context()
    assert context is not None
    return context


class Spans:
    """Some spans, and how they hang together."""

    def __init__(self, spans: Sequence[ReadableSpan]) -> None:
        self.all = list(spans)
        self.by_id = {context_of(span).span_id: span for span in spans}
        assert len(self.by_id) == len(self.all)

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of a name, in the order they ended."""
        return [span for span in self.all if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only span of a name."""
        (span,) = self.named(name)
        return span

    def parent(self, span: ReadableSpan) -> ReadableSpan | None:
        """The span above, None for a root; a parent that is not here is an error."""
        return None if span.parent is None else self.by_id[span.parent.span_id]

    def path(self, span: ReadableSpan | None) -> list[str]:
        """Names from the root down to a span."""
        return [] if span is None else [*self.path(self.parent(span)), span.name]

    def linked(self, span: ReadableSpan) -> list[ReadableSpan]:
        """The spans it links to; one that is not here is an error."""
        return [self.by_id[link.context.span_id] for link in span.links]

    def roots(self) -> list[ReadableSpan]:
        """The spans without a parent."""
        return [span for span in self.all if span.parent is None]

    def events(self) -> list[Event]:
        """The events of the spans, from nothing but each span's own attributes and span events."""
        found = [
            event
            for span in self.all
            for event in events_of_span(span.attributes or {}, [(e.name, e.attributes or {}) for e in span.events])
        ]
        return sorted(found, key=lambda event: event.seq)
