"""Spans to an OTLP/HTTP receiver, all of them: live from a run, or later from its events."""

from .delivery import Delivery
from .export import export_spans
from .observer import OtlpObserver

__all__ = ["Delivery", "OtlpObserver", "export_spans"]
