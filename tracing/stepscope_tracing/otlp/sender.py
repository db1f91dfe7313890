"""Sends spans in batches and does not let go of one until the receiver has it, refuses it, or patience is over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_trace_id

from .client import Answer, Client
from .delivery import Delivery

log = logging.getLogger("stepscope.otlp")

BATCH_SPANS = 2048
"""Spans in a request: about 1 MB of small ones. A receiver that takes 50 ms a request then costs 25 us a span."""

BATCH_BYTES = 4 << 20
"""Bytes in a request, about: receivers take 20 MiB (the Collector's limit) or 4 MiB (some gateways')."""

FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 5.0
_SPAN_OVERHEAD = 160
_ATTRIBUTE_OVERHEAD = 12


def weight_of(span: ReadableSpan) -> int:
    """About how many bytes a span takes in a request; measured, not encoded twice."""
    total = _SPAN_OVERHEAD + len(span.name) + 60 * len(span.links)
    for attributes in (span.attributes, *(event.attributes for event in span.events)):
        for name, held in (attributes or {}).items():
            total += len(name) + _ATTRIBUTE_OVERHEAD
            if isinstance(held, str):
                total += len(held) if held.isascii() else len(held.encode("utf-8", "replace"))
            elif isinstance(held, Sequence):
                total += sum(len(one) + 4 if isinstance(one, str) else 10 for one in held)
    return total


class Sender:
    """Batches spans and posts them, from one thread.

    `patience_s` is how long, in seconds, a receiver that takes nothing is tried. That clock runs only while `hurry`
    says so: as long as a run goes on there is no reason to give up.
    """

    def __init__(
        self,
        client: Client,
        *,
        patience_s: float,
        batch_spans: int = BATCH_SPANS,
        batch_bytes: int = BATCH_BYTES,
        hurry: Callable[[], bool] = lambda: True,
        wake: threading.Event | None = None,
        progress: Callable[[Delivery], None] | None = None,
    ) -> None:
        """`wake` cuts a wait between two tries short; `progress` is called after each batch."""
        self._client = client
        self._patience_s = patience_s
        self._batch_spans = batch_spans
        self._batch_bytes = batch_bytes
        self._hurry = hurry
        self._wake = wake or threading.Event()
        self._progress = progress
        self._batch: list[ReadableSpan] = []
        self._weight = 0
        self._traces: dict[int, None] = {}
        self.given_up = False
        self.delivery = Delivery(client.endpoint)

    @property
    def pending(self) -> int:
        """Spans not yet in a request."""
        return len(self._batch)

    def add(self, span: ReadableSpan) -> None:
        """Take a span; sends when a batch is full."""
        context = span.get_span_context()
        if context is not None and context.trace_id not in self._traces:
            self._traces[context.trace_id] = None
            self.delivery.trace_ids.append(format_trace_id(context.trace_id))
        self.delivery.spans += 1
        weight = weight_of(span)
        if self._batch and self._weight + weight > self._batch_bytes:
            self.send()
        self._batch.append(span)
        self._weight += weight
        if len(self._batch) >= self._batch_spans:
            self.send()

    def send(self) -> None:
        """Send what has been taken."""
        batch, self._batch, self._weight = self._batch, [], 0
        if batch:
            self._deliver(batch)
            if self._progress is not None:
                self._progress(self.delivery)

    def _deliver(self, batch: Sequence[ReadableSpan]) -> None:
        if self.given_up:
            self.delivery.undelivered += len(batch)
            return
        try:
            body = encode_spans(batch).SerializeToString()
        except Exception as error:
            # The encoder raises what its values raise; one bad span must not take its batch with it.
            self._divide(batch, f"a span cannot be encoded: {error}")
            return
        answer = self._post(body)
        if answer is None:
            self.delivery.undelivered += len(batch)
        elif answer.kind == "taken":
            rejected = min(answer.rejected, len(batch))
            self.delivery.delivered += len(batch) - rejected
            self.delivery.rejected += rejected
            self.delivery.bytes += len(body)
            if rejected:
                self.delivery.because(answer.reason)
        elif answer.kind == "smaller":
            self._divide(batch, answer.reason)
        else:
            self.delivery.rejected += len(batch)
            self.delivery.because(answer.reason)

    def _divide(self, batch: Sequence[ReadableSpan], reason: str) -> None:
        if len(batch) == 1:
            self.delivery.rejected += 1
            self.delivery.because(reason)
            return
        half = len(batch) // 2
        self._deliver(batch[:half])
        self._deliver(batch[half:])

    def _post(self, body: bytes) -> Answer | None:
        """Post until there is an answer other than "later"; None when patience is over."""
        wait = FIRST_WAIT_S
        since = time.monotonic()
        hurried = False
        while True:
            self.delivery.requests += 1
            answer = self._client.post(body)
            if answer.kind != "later":
                return answer
            if self._hurry() and not hurried:
                hurried, since = True, time.monotonic()
            left = since + self._patience_s - time.monotonic()
            if hurried and left <= 0:
                self.given_up = True
                self.delivery.because(f"{answer.reason}, for {self._patience_s:g} s")
                return None
            if wait == FIRST_WAIT_S:
                log.warning("%s; trying again until it works.", answer.reason)
            pause = max(wait, answer.wait_s or 0.0)
            self._wake.wait(min(pause, left) if hurried else pause)
            self._wake.clear()
            wait = min(2 * wait, LONGEST_WAIT_S)
            self.delivery.retries += 1
