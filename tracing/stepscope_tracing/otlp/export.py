"""Spans of a run that is over, to an OTLP receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opentelemetry.sdk.trace import ReadableSpan

from .client import Client
from .delivery import Delivery
from .sender import BATCH_BYTES, BATCH_SPANS, Sender
from .settings import compress_from_environment, headers_from_environment

PATIENCE_S = 10.0
"""Seconds a receiver that takes nothing is tried before giving up."""


def export_spans(
    url: str,
    spans: Iterable[ReadableSpan],
    *,
    headers: dict[str, str] | None = None,
    patience_s: float = PATIENCE_S,
    batch_spans: int = BATCH_SPANS,
    batch_bytes: int = BATCH_BYTES,
    progress: Callable[[Delivery], None] | None = None,
) -> Delivery:
    """Send spans to the receiver at the base URL `url`, as fast as it takes them, and say what became of them.

    Nothing is dropped for being slow; a receiver that takes nothing for `patience_s` seconds is given up. `progress` is
    called after each batch; what it raises ends the export.

    Raises `WorkflowError` if `url` cannot be a receiver's.
    """
    client = Client(url, headers=headers or headers_from_environment(), compress=compress_from_environment())
    sender = Sender(client, patience_s=patience_s, batch_spans=batch_spans, batch_bytes=batch_bytes, progress=progress)
    for span in spans:
        sender.add(span)
    sender.send()
    return sender.delivery
