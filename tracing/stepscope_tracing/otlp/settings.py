"""What OpenTelemetry's own environment variables say about an OTLP exporter."""

from __future__ import annotations

import os

from opentelemetry.util.re import parse_env_headers


def _setting(name: str) -> str:
    return os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}") or ""


def headers_from_environment() -> dict[str, str]:
    """Headers to send, as an API key (OTEL_EXPORTER_OTLP_HEADERS, or _TRACES_HEADERS)."""
    return dict(parse_env_headers(_setting("HEADERS"), liberal=True))


def compress_from_environment() -> bool:
    """Whether to compress requests (OTEL_EXPORTER_OTLP_COMPRESSION is gzip)."""
    return _setting("COMPRESSION").strip().lower() == "gzip"
