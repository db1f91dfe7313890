"""A run's spans in the forms in which traces come back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_span_id, format_trace_id

from stepscope_tracing.otlp.json_form import lines_of
from support.spans import context_of


def otlp_json(spans: Sequence[ReadableSpan]) -> bytes:
    """One document, spread over lines."""
    (line,) = lines_of(spans)
    return json.dumps(json.loads(line), indent=1).encode()


def otlp_lines(spans: Sequence[ReadableSpan]) -> bytes:
    """Several documents, a line each."""
    half = len(spans) // 2
    return "\n".join([*lines_of(spans[:half]), *lines_of(spans[half:]), ""]).encode()


def otlp_protobuf(spans: Sequence[ReadableSpan]) -> bytes:
    """An export request."""
    return bytes(encode_spans(spans).SerializeToString())


def jaeger_json(spans: Sequence[ReadableSpan]) -> bytes:
    """What Jaeger's older API answers: microseconds, lists as text, link attributes lost, events sorted by name."""
    traces: dict[str, list[Any]] = {}
    for span in spans:
        context = context_of(span)
        trace = format_trace_id(context.trace_id).lstrip("0")
        references = [
            {"refType": "FOLLOWS_FROM", "traceID": trace, "spanID": format_span_id(link.context.span_id)}
            for link in span.links
        ]
        if span.parent is not None:
            above = {"refType": "CHILD_OF", "traceID": trace, "spanID": format_span_id(span.parent.span_id)}
            references.insert(0, above)
        logs = sorted(span.events, key=lambda event: event.name)
        traces.setdefault(trace, []).append(
            {
                "traceID": trace,
                "spanID": format_span_id(context.span_id),
                "operationName": span.name,
                "references": references,
                "startTime": (span.start_time or 0) // 1000,
                "duration": ((span.end_time or 0) - (span.start_time or 0)) // 1000,
                "tags": _tags((span.attributes or {}).items()),
                "logs": [
                    {
                        "timestamp": event.timestamp // 1000,
                        "fields": _tags([("event", event.name), *(event.attributes or {}).items()]),
                    }
                    for event in logs
                ],
                "processID": "p1",
                "warnings": None,
            }
        )
    data = [{"traceID": trace, "spans": held, "processes": {}} for trace, held in traces.items()]
    return json.dumps({"data": data, "total": 0, "errors": None}).encode()


def _tags(attributes: Iterable[tuple[str, Any]]) -> list[Mapping[str, Any]]:
    return [_tag(key, value) for key, value in attributes]


def _tag(key: str, value: Any) -> Mapping[str, Any]:
    if isinstance(value, bool):
        return {"key": key, "type": "bool", "value": value}
    if isinstance(value, int):
        return {"key": key, "type": "int64", "value": value}
    if isinstance(value, float):
        return {"key": key, "type": "float64", "value": value}
    text = value if isinstance(value, str) else json.dumps(list(value))
    return {"key": key, "type": "string", "value": text}


FORMS = {"json": otlp_json, "lines": otlp_lines, "protobuf": otlp_protobuf, "jaeger": jaeger_json}
