"""From a span back to the events it was made of. A span holds all of its own events and nothing of others'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stepscope.errors import WorkflowError
from stepscope.events import EVENT_TYPES, Event

from . import names
from .errors import errors_of
from .fields import Field, closing_fields, error_field, opening_fields, read_fields

SpanEvents = Iterable[tuple[str, Mapping[str, Any]]]


def _event(
    kind: type[Event],
    seq: int,
    t: int,
    fields: tuple[Field, ...],
    attributes: Mapping[str, Any],
    span_events: SpanEvents,
    known: Mapping[str, Any],
) -> Event:
    values = {**known, **read_fields(fields, attributes)}
    where = error_field(kind)
    if where is not None:
        errors = errors_of(span_events)
        values[where[0]] = errors if where[1] else errors[0] if errors else None
    return kind(seq=seq, t=t, **values)


def _kind(attributes: Mapping[str, Any], attribute: str) -> type[Event]:
    kind = EVENT_TYPES.get(str(attributes[attribute]))
    if kind is None:
        raise WorkflowError(
            f"a span is of an event {attributes[attribute]!r}, which this version does not know; use a newer Stepscope."
        )
    return kind


def events_of_span(attributes: Mapping[str, Any], span_events: SpanEvents) -> list[Event]:
    """The one or two events of a span, from its attributes and its span events as (name, attributes).

    Raises `WorkflowError` if they are damaged, or of a kind that this version does not know.
    """
    try:
        opener = _kind(attributes, names.EVENT)
        fields = opening_fields(opener)
        first = _event(
            opener, int(attributes[names.SEQ]), int(attributes[names.T]), fields, attributes, span_events, {}
        )  # fmt: skip
        if names.END_EVENT not in attributes:
            return [first]
        closer = _kind(attributes, names.END_EVENT)
        shared = {name: getattr(first, name) for name in closer.__struct_fields__ if hasattr(first, name)}
        closing = closing_fields(closer, opener)
        known = {name: held for name, held in shared.items() if name not in ("seq", "t")}
        second = _event(
            closer, int(attributes[names.END_SEQ]), int(attributes[names.END_T]), closing, attributes, span_events, known
        )  # fmt: skip
    except (KeyError, ValueError) as error:
        raise WorkflowError(f"a span lacks what its event needs: {error}; was it cut by a receiver's limit?") from None
    return [first, second]
