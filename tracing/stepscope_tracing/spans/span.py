"""The span type: built from events with their own times and ids, and handed to exporters like any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import Attributes

from stepscope.events import Event


class WorkflowSpan(ReadableSpan, Span):
    """A span of a run.

    A span of the SDK costs ten times as much, takes its id from the program's generator, and cuts attributes and links
    beyond a limit without a word. This one is a whole `ReadableSpan`, so that every exporter takes it, and also has the
    writing methods, so that a span processor may add attributes when it starts.
    """

    def __init__(
        self,
        opened_by: Event,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: dict[str, Any],
        links: list[Link],
        start_unix_ns: int,
        resource: Resource,
        scope: InstrumentationScope,
    ) -> None:
        """Open a span; `finish` closes it. Times are nanoseconds since the epoch."""
        self.opened_by = opened_by
        self._written: dict[str, Any] = attributes
        self._noted: list[SpanEvent] = []
        super().__init__(
            name=name,
            context=context,
            parent=parent,
            resource=resource,
            attributes=attributes,
            events=self._noted,
            links=links,
            kind=kind,
            start_time=start_unix_ns,
            instrumentation_scope=scope,
        )
        self._own_context = context

    @property
    def written(self) -> dict[str, Any]:
        """The attributes, to be added to until the span is finished."""
        return self._written

    def finish(self, end_unix_ns: int) -> None:
        """Close the span at a time in nanoseconds since the epoch."""
        self._end_time = end_unix_ns

    def fail(self, description: str) -> None:
        """Mark the span as an error."""
        self._status = Status(StatusCode.ERROR, description)

    def note(self, event: SpanEvent) -> None:
        """Add a span event."""
        self._noted.append(event)

    # What follows is OpenTelemetry's interface for span processors and samplers.

    def get_span_context(self) -> SpanContext:
        """Trace id, span id and flags."""
        return self._own_context

    def is_recording(self) -> bool:
        """Whether the span is still open."""
        return self._end_time is None

    def set_attribute(self, key: str, value: Any) -> None:
        """Add an attribute."""
        self._written[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes."""
        self._written.update(attributes)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add a span event; without a time, at the span's start."""
        self.note(SpanEvent(name, attributes, self._start_time if timestamp is None else timestamp))

    def update_name(self, name: str) -> None:
        """Change the name."""
        self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status."""
        self._status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an exception by its type and message."""
        about = {"exception.type": type(exception).__qualname__, "exception.message": str(exception)}
        self.add_event("exception", {**about, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """Do nothing: the run's events end a span, at their own times."""
