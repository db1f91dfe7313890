"""A run as OpenTelemetry spans: live, for any tracer provider, or later from its events; the same spans both times."""

from .mapping import default_resource, spans_of_events
from .observer import SpanObserver

__all__ = ["SpanObserver", "default_resource", "spans_of_events"]
