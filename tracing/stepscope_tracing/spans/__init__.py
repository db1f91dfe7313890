"""A run as OpenTelemetry spans: live, for any tracer provider, or later from its events; the same spans both times."""

from .mapping import default_resource, spans_of_events

__all__ = ["default_resource", "spans_of_events"]
