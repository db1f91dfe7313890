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
    known: Mapping[str, Any],
    fields: tuple[Field, ...],
    attributes: Mapping[str, Any],
    span_events: SpanEvents,
) -> Event:
    values = {**known, **read_fields(fields, attributes)}
    where = error_field(kind)
    if where is not None:
        errors = errors_of(span_events)
        values[where[0]] = errors if where[1] else errors[0] if errors else None
    return kind(**values)


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
        place = {"seq": int(attributes[names.SEQ]), "t": int(attributes[names.T])}
        first = _event(opener, place, opening_fields(opener), attributes, span_events)
        if names.END_EVENT not in attributes:
            return [first]
        closer = _kind(attributes, names.END_EVENT)
        known = {name: getattr(first, name) for name in closer.__struct_fields__ if hasattr(first, name)}
        known |= {"seq": int(attributes[names.END_SEQ]), "t": int(attributes[names.END_T])}
        second = _event(closer, known, closing_fields(closer, opener), attributes, span_events)
    except (KeyError, ValueError) as error:
        raise WorkflowError(f"a span lacks what its event needs: {error}; was it cut by a receiver's limit?") from None
    return [first, second]
