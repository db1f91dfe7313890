"""OTLP as protobuf: the body of an export request, which is also what `TracesData` looks like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .span import Span


def spans_of(data: bytes) -> Iterator[Span]:
    """The spans of a request. Raises `google.protobuf.message.DecodeError`."""
    for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), span.name,
                    _attributes(span.attributes), [(one.name, _attributes(one.attributes)) for one in span.events],
                )  # fmt: skip


def _attributes(given: Iterable[Any]) -> dict[str, Any]:
    return {one.key: _plain(one.value) for one in given}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    return None if kind in (None, "kvlist_value") else getattr(value, kind)
