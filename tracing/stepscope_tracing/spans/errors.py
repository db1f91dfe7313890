"""Errors of an event as ``exception`` events of its span (the exception conventions), and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.sdk.trace import Event as SpanEvent

from stepscope.events import ErrorInfo

from . import names
from .text import clean

_TEXTS = (
    (names.EXCEPTION_TYPE, "type"),
    (names.EXCEPTION_MESSAGE, "message"),
    (names.EXCEPTION_STACKTRACE, "traceback"),
    (names.EXCEPTION_EXECUTOR, "executor"),
    (names.EXCEPTION_FILE, "file"),
)


def exception_event(error: ErrorInfo, index: int, time_unix_ns: int) -> SpanEvent:
    """The span event for the error that is number `index` on its span, from 0."""
    attributes: dict[str, Any] = {name: clean(getattr(error, field)) for name, field in _TEXTS if getattr(error, field)}
    if error.line:
        attributes[names.EXCEPTION_LINE] = error.line
    attributes[names.EXCEPTION_INDEX] = index
    return SpanEvent(names.EXCEPTION, attributes, time_unix_ns)


def errors_of(span_events: Iterable[tuple[str, Mapping[str, Any]]]) -> list[ErrorInfo]:
    """The errors among a span's events, given as (name, attributes), in their order."""
    found = [
        (int(attributes[names.EXCEPTION_INDEX]), attributes)
        for name, attributes in span_events
        if name == names.EXCEPTION and names.EXCEPTION_INDEX in attributes
    ]
    return [
        ErrorInfo(
            **{field: str(attributes.get(name, "")) for name, field in _TEXTS},
            line=int(attributes.get(names.EXCEPTION_LINE, 0)),
        )
        for _, attributes in sorted(found, key=lambda pair: pair[0])
    ]
