"""Spans as OTLP JSON, a line for each batch, as the OpenTelemetry Collector's file exporter writes and reads them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

from .sender import BATCH_SPANS

_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


def lines_of(spans: Iterable[ReadableSpan]) -> Iterator[str]:
    """One document a batch, without line breaks inside."""
    rest = iter(spans)
    while batch := list(islice(rest, BATCH_SPANS)):
        document = MessageToDict(encode_spans(batch), use_integers_for_enums=True)
        for resource in document.get("resourceSpans", ()):
            for scope in resource.get("scopeSpans", ()):
                for span in scope.get("spans", ()):
                    _hexadecimal(span)
                    for link in span.get("links", ()):
                        _hexadecimal(link)
        yield json.dumps(document, separators=(",", ":"))


def _hexadecimal(part: dict[str, Any]) -> None:
    """Ids are hexadecimal in OTLP's JSON, where protobuf's own JSON form has base64."""
    for name in _IDS & part.keys():
        part[name] = base64.b64decode(part[name]).hex()
