"""Jaeger's own JSON: what ``/api/traces`` answers and what its page downloads.

Times there are whole microseconds, which is why nothing here is ordered by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from .span import Span


class _Tag(msgspec.Struct):
    key: str
    value: Any = None
    type: str = ""

    def plain(self) -> Any:
        """Jaeger writes 64-bit numbers as numbers or text, and lists as JSON text, which stays text here."""
        return int(self.value) if self.type == "int64" else self.value


class _Log(msgspec.Struct):
    fields: list[_Tag] = []


class _Reference(msgspec.Struct, rename={"kind": "refType", "trace": "traceID", "span": "spanID"}):
    kind: str = ""
    trace: str = ""
    span: str = ""


class _Span(msgspec.Struct, rename={"trace": "traceID", "id": "spanID", "name": "operationName"}):
    trace: str
    id: str
    name: str = ""
    references: list[_Reference] = []
    tags: list[_Tag] = []
    logs: list[_Log] = []


class _Trace(msgspec.Struct):
    spans: list[_Span] = []


class _Document(msgspec.Struct):
    data: list[_Trace]


_decoder = msgspec.json.Decoder(_Document)


def spans_of(data: bytes) -> Iterator[Span]:
    """The spans of an answer or a downloaded trace. Raises `msgspec.MsgspecError` or `ValueError`."""
    for trace in _decoder.decode(data).data:
        for span in trace.spans:
            above = next((one for one in span.references if one.kind == "CHILD_OF" and one.trace == span.trace), None)
            yield Span(
                span.trace.zfill(32), span.id.zfill(16), above.span.zfill(16) if above else "", span.name,
                _tags(span.tags), [_event(log) for log in span.logs],
            )  # fmt: skip


def _tags(tags: list[_Tag]) -> dict[str, Any]:
    return {tag.key: tag.plain() for tag in tags}


def _event(log: _Log) -> tuple[str, dict[str, Any]]:
    fields = _tags(log.fields)
    return str(fields.pop("event", "")), fields
