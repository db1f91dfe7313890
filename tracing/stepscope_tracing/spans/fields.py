"""An event's fields as span attributes, and back: one rule for every event type, compiled once a type.

Numbers, strings and truth values are attributes as they are; None and empty lists are left out; values are text
(`text.py`); errors are not attributes but ``exception`` events of the span (`errors.py`).
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from stepscope.errors import WorkflowError
from stepscope.events import Change, ErrorInfo, Event, GraphInfo, RunStarted, Undelivered
from stepscope.values import Value, type_name

from . import names
from .text import clean, data_of_text, struct_of, text_of, text_of_data, text_of_struct, value_of

Attributes = dict[str, Any]
"""Attributes of one span, as the OpenTelemetry API takes them."""

_ALWAYS = frozenset({"seq", "t"})
_WITH_PARTNER = frozenset({"scope", "inv", "executor", "key", "number", "name"})
"""What two events of one span have in common: the second does not say it again."""

_ZERO_IS_NOTHING = frozenset({"scope", "line"})
_pack = msgspec.msgpack.Encoder(enc_hook=lambda odd: type_name(type(odd))).encode
_unpack = msgspec.msgpack.Decoder().decode


class Field(msgspec.Struct, frozen=True):
    """How one field of one event type is written; `write` gives None for what is left out."""

    field: str
    attribute: str
    get: Callable[[Any], Any]
    write: Callable[[Any], Any] | None
    read: Callable[[Any], Any]
    absent: Callable[[], Any]


def _clean_all(items: list[str]) -> list[str] | None:
    return [clean(one) for one in items] or None


def _items(raw: Any) -> list[Any]:
    """A list attribute; some receivers give it back as JSON text."""
    return list(msgspec.json.decode(raw, type=list) if isinstance(raw, str) else raw)


def _integer(raw: Any) -> int:
    number = int(raw)
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError("more than 64 bits")
    return number


def _string(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError("not a text")
    return raw


def _one_of(allowed: tuple[Any, ...]) -> Callable[[Any], str]:
    def read(raw: Any) -> str:
        if raw not in allowed:
            raise ValueError("not one of those there are")
        return str(raw)

    return read


def _map(raw: Any) -> dict[str, Any]:
    found = _unpack(data_of_text(raw))
    if not isinstance(found, dict):
        raise TypeError("not a map")
    return found


def _optional(write: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else write(value)


def _nothing() -> Any:
    return None


def _codec(field: str, hint: Any) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any], Callable[[], Any]]:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        write, read, _ = _codec(field, args[0])
        if args[0] is int:
            write = str  # Python's integers have no bounds, an attribute's 64 bits
        return (None if write is None else _optional(write)), read, _nothing
    if origin is Literal:
        return clean, _one_of(args), str
    if hint is str:
        return clean, _string, str
    if hint is bool:
        return None, bool, bool
    if hint is int:
        return ((lambda n: n or None) if field in _ZERO_IS_NOTHING else None), _integer, int
    if hint is float:
        return None, float, float
    if hint is Value:
        return text_of, value_of, _nothing
    if hint == list[int]:
        return (lambda items: items or None), (lambda raw: [int(one) for one in _items(raw)]), list
    if hint == list[str]:
        return _clean_all, _items, list
    if hint == list[Change]:
        return text_of_struct, (lambda raw: struct_of(raw, list[Change])), list
    if hint == list[Undelivered]:
        return text_of_struct, (lambda raw: struct_of(raw, list[Undelivered])), list
    if hint is GraphInfo:
        return text_of_struct, (lambda raw: struct_of(raw, GraphInfo)), _nothing
    if origin is dict:
        return (lambda obj: text_of_data(_pack(obj))), _map, dict
    raise TypeError(f"no attribute form for a field of type {hint!r}")


def _is_error(hint: Any) -> bool:
    return hint is ErrorInfo or ErrorInfo in get_args(hint)


@cache
def error_field(kind: type[Event]) -> tuple[str, bool] | None:
    """The field of an event type that holds its error, and whether it is a list of them."""
    for field, hint in get_type_hints(kind).items():
        if _is_error(hint):
            return field, get_origin(hint) is list
    return None


def attribute_name(kind: type[Event], field: str) -> str:
    """Attribute that carries a field of an event which opens a span."""
    return names.CONVENTIONAL.get((kind.kind, field), names.PREFIX + field)


def _field(kind: type[Event], field: str, hint: Any, attribute: str) -> Field:
    if attribute == names.MESSAGING_MESSAGE:  # the convention wants text
        return Field(field, attribute, attrgetter(field), str, _integer, int)
    write, read, absent = _codec(field, hint)
    return Field(field, attribute, attrgetter(field), write, read, absent)


def _hints(kind: type[Event]) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [
        (name, hints[name]) for name in kind.__struct_fields__ if name not in _ALWAYS and not _is_error(hints[name])
    ]


@cache
def opening_fields(kind: type[Event]) -> tuple[Field, ...]:
    """How an event that opens a span, or is one alone, is written on it."""
    return tuple(_field(kind, name, hint, attribute_name(kind, name)) for name, hint in _hints(kind))


@cache
def closing_fields(kind: type[Event], opened_by: type[Event]) -> tuple[Field, ...]:
    """How an event that closes a span is written on it, next to the one that opened it."""
    taken = {field.attribute for field in opening_fields(opened_by)} | {names.PREFIX + "line"}
    shared = _WITH_PARTNER | (set() if opened_by is RunStarted else {"superstep"})
    fields = []
    for name, hint in _hints(kind):
        if name not in shared:
            end = names.END if names.PREFIX + name in taken else ""
            fields.append(_field(kind, name, hint, names.PREFIX + end + name))
    return tuple(fields)


def write_fields(event: Event, fields: tuple[Field, ...], into: Attributes) -> None:
    """Put an event's fields on a span."""
    for one in fields:
        value = one.get(event)
        if one.write is not None:
            value = one.write(value)
            if value is None:
                continue
        into[one.attribute] = value


def read_fields(fields: tuple[Field, ...], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """An event's fields from a span's attributes. Raises `WorkflowError` for one that is damaged."""
    found: dict[str, Any] = {}
    for one in fields:
        raw = attributes.get(one.attribute)
        try:
            found[one.field] = one.absent() if raw is None else one.read(raw)
        except (TypeError, ValueError, msgspec.DecodeError):
            raise WorkflowError(
                f"the attribute {one.attribute!r} of a span holds {raw!r}, which is not its type."
            ) from None
    return found
