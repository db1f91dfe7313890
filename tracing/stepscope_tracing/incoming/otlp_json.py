"""OTLP as JSON: one document, or one a line as the Collector's file exporter writes them.

The JSON form of the protocol has ids in hexadecimal and 64-bit numbers as text (OTLP 1.5, JSON encoding); both are
taken as numbers too, since senders differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from .span import Span


class _Array(msgspec.Struct):
    values: list[_Any] = []


class _Any(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: _Array | None = None
    bytes_value: str | None = None

    def plain(self) -> Any:
        """The value itself; maps, which our spans have none of, are left out."""
        if self.int_value is not None:
            return int(self.int_value)
        if self.double_value is not None:
            return float(self.double_value)
        if self.array_value is not None:
            return [one.plain() for one in self.array_value.values]
        return next((one for one in (self.string_value, self.bool_value, self.bytes_value) if one is not None), None)


class _Attribute(msgspec.Struct):
    key: str
    value: _Any = msgspec.field(default_factory=_Any)


class _Event(msgspec.Struct):
    name: str = ""
    attributes: list[_Attribute] = []


class _Span(msgspec.Struct, rename="camel"):
    trace_id: str
    span_id: str
    parent_span_id: str = ""
    name: str = ""
    attributes: list[_Attribute] = []
    events: list[_Event] = []


class _ScopeSpans(msgspec.Struct):
    spans: list[_Span] = []


class _ResourceSpans(msgspec.Struct, rename="camel"):
    scope_spans: list[_ScopeSpans] = []


class _Document(msgspec.Struct, rename="camel"):
    resource_spans: list[_ResourceSpans]


_decoder = msgspec.json.Decoder(_Document)


def _attributes(given: list[_Attribute]) -> dict[str, Any]:
    return {one.key: one.value.plain() for one in given}


def spans_of(data: bytes) -> Iterator[Span]:
    """The spans of a document or of lines. Raises `msgspec.MsgspecError`, `ValueError` or `RecursionError`."""
    lines = data.split(b"\n") if b"\n" in data.strip() and _is_lines(data) else [data]
    for line in lines:
        if not line.strip():
            continue
        for resource in _decoder.decode(line).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    yield Span(
                        span.trace_id.lower(), span.span_id.lower(), span.parent_span_id.lower(), span.name,
                        _attributes(span.attributes), [(one.name, _attributes(one.attributes)) for one in span.events],
                    )  # fmt: skip


def _is_lines(data: bytes) -> bool:
    """Whether the first line is a document by itself: a document may also be spread over lines."""
    try:
        msgspec.json.decode(data.split(b"\n", 1)[0], type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True
