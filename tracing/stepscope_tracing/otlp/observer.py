"""`OtlpObserver`: a run's spans to an OTLP receiver while it goes on, without losing one and without holding it up.

Events go to a queue that spills to disk; a thread of its own makes the spans and sends them. While a run goes on, a
receiver that is away or slow is tried for ever; once `close` is called, for `patience_s` without any success.

Measured: 2 us an event on the run's own thread; 65 us a span in the other, of which encoding is 38 (and the two share
the interpreter); 300,000 spans into a receiver that takes 50 ms a request add 13 MB to the process.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

from opentelemetry.trace import SpanContext

from stepscope.errors import WorkflowError
from stepscope.events import AnyEvent, HandlerStarted, RunStarted
from stepscope.observe import ALL
from stepscope_tracing.redact import Redactor, Rule
from stepscope_tracing.spans.mapping import default_resource, feed
from stepscope_tracing.spans.observer import HandlerContext, current_parent, redaction
from stepscope_tracing.spans.tree import SpanTree

from .client import Client
from .delivery import Delivery
from .export import PATIENCE_S
from .sender import BATCH_BYTES, BATCH_SPANS, Sender
from .settings import compress_from_environment, headers_from_environment
from .spool import Block, Spool, SpoolBroken

log = logging.getLogger("stepscope.otlp")

MEMORY_BYTES = 32 << 20
"""Events kept in memory for a receiver that is behind, about, in bytes; more goes to a temporary file."""

_BLOCK_EVENTS = 500
_PROMPT_S = 0.1
_IDLE_S = 1.0


class OtlpSink:
    """Hands the events of one run over, in blocks."""

    durable = ALL

    def __init__(
        self,
        spool: Spool,
        number: int,
        handlers: HandlerContext,
        lose: Callable[[int, str], None],
        redactor: Redactor | None,
    ) -> None:
        """`number` is the run's among those of the observer."""
        self._spool = spool
        self._number = number
        self._handlers = handlers
        self._lose = lose
        self._redactor = redactor
        self._events: list[AnyEvent] = []
        self._handed_over = time.monotonic()
        self._closed = False

    def append(self, event: AnyEvent) -> None:
        """Take one event."""
        self._events.append(event)
        if len(self._events) >= _BLOCK_EVENTS:
            self._hand_over()

    def enter_handler(self, event: HandlerStarted) -> None:
        """Let the program's own spans hang under this invocation's."""
        self._handlers.enter(event)

    def flush(self, *, barrier: bool) -> None:
        """Hand over what has lain here for a while."""
        if self._events and time.monotonic() - self._handed_over > _PROMPT_S:
            self._hand_over()

    def close(self) -> None:
        """The run is over; its last spans are sent in the background, and `OtlpObserver.close` waits for them."""
        if not self._closed:
            self._closed = True
            self._hand_over(last=True)

    def _hand_over(self, *, last: bool = False) -> None:
        events, self._events = self._events, []
        self._handed_over = time.monotonic()
        try:
            if self._redactor is not None:  # here, so that what is left out does not reach the disk either
                events = [self._redactor.redact(event) for event in events]
            self._spool.put(Block(self._number, events, last))
        except Exception as error:  # a full disk: the run is worth more than its trace
            self._lose(len(events), f"events waiting for the receiver could not be kept: {error}")


class OtlpObserver:
    """Sends the spans of every run it watches to one OTLP/HTTP receiver. Close it, or use it as a context manager.

    A run that is started inside a span becomes part of that span's trace; spans that handlers make through the
    program's own tracing hang under their invocation's ``process`` span.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        patience_s: float = PATIENCE_S,
        memory_bytes: int = MEMORY_BYTES,
        batch_spans: int = BATCH_SPANS,
        batch_bytes: int = BATCH_BYTES,
        redact: str | Sequence[Rule] = (),
    ) -> None:
        """`url` is the receiver's base URL, such as ``http://localhost:4318``; `headers` as an API key would need.

        `redact` names the values that are to be left out, as for a recording: see `stepscope_tracing.redact`.

        Raises `WorkflowError` if `url` cannot be a receiver's.
        """
        client = Client(url, headers=headers or headers_from_environment(), compress=compress_from_environment())
        self._redact = redaction(redact)
        self._wake = threading.Event()
        self._closing = False
        self._sender = Sender(
            client,
            patience_s=patience_s,
            batch_spans=batch_spans,
            batch_bytes=batch_bytes,
            hurry=lambda: self._closing,
            wake=self._wake,
        )
        self.spool = Spool(memory_bytes=memory_bytes)
        self._lost = Delivery(client.endpoint)
        self._parents: dict[int, SpanContext | None] = {}
        self._trees: dict[int, SpanTree] = {}
        self._runs = 0
        self._resource = default_resource()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._losing = threading.Lock()

    def begin(self, started: RunStarted) -> OtlpSink:
        """Watch a run. Raises `WorkflowError` after `close`."""
        parent = current_parent()
        with self._starting:
            if self._closing:
                raise WorkflowError("this OtlpObserver is closed; make a new one for this run.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="stepscope-otlp", daemon=True)
                self._thread.start()
                atexit.register(self._at_exit)
            self._runs += 1
            self._parents[self._runs] = parent
            return OtlpSink(self.spool, self._runs, HandlerContext(started.run_id, parent), self._lose, self._redact())

    def close(self) -> Delivery:
        """Send what is left and say what became of everything; runs that go on are cut off here.

        Waits as long as the receiver takes spans, and `patience_s` when it takes none. Never raises for a receiver:
        look at `Delivery.complete`.
        """
        with self._starting:
            self._closing = True
        self.spool.close()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            atexit.unregister(self._at_exit)
        return self.delivery

    @property
    def delivery(self) -> Delivery:
        """What became of the spans so far."""
        sent, lost = self._sender.delivery, self._lost
        return replace(
            sent,
            undelivered_events=sent.undelivered_events + lost.undelivered_events,
            trace_ids=list(sent.trace_ids),
            reasons=[*sent.reasons, *lost.reasons],
        )

    def __enter__(self) -> OtlpObserver:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close, and log what was not delivered."""
        self._close_and_tell()

    def _at_exit(self) -> None:
        self._close_and_tell()

    def _close_and_tell(self) -> None:
        delivery = self.close()
        if not delivery.complete:
            log.error("%s", delivery.sentence())

    def _work(self) -> None:
        while not self.spool.ended:
            try:
                block = self.spool.get(_IDLE_S if self._sender.pending else None)
                if block is None:
                    self._sender.send()
                else:
                    self._take(block)
            except SpoolBroken as error:
                self._lose(error.events, f"events waiting for the receiver could not be read back: {error}")
            except Exception:
                log.exception("sending spans to %s", self._sender.delivery.url)
        for tree in self._trees.values():
            tree.finish()
        self._sender.send()
        self.spool.discard()

    def _take(self, block: Block) -> None:
        if self._sender.given_up:
            self._sender.delivery.undelivered_events += len(block.events)
            return
        for event in block.events:
            try:
                feed(self._tree(block.run, event), event)
            except Exception as error:
                self._lose(1, f"no span could be made of a {event.kind!r} event: {error!r}")
        if block.last:
            tree = self._trees.pop(block.run, None)
            if tree is not None:
                tree.finish()

    def _lose(self, events: int, reason: str) -> None:
        with self._losing:
            if reason not in self._lost.reasons:
                log.error("%s", reason)
            self._lost.undelivered_events += events
            self._lost.because(reason)

    def _tree(self, run: int, event: AnyEvent) -> SpanTree:
        tree = self._trees.get(run)
        if tree is None:
            if not isinstance(event, RunStarted):
                raise WorkflowError("the run's first events were lost.")
            parent = self._parents.pop(run)
            tree = SpanTree(event, resource=self._resource, closed=self._sender.add, parent=parent)
            self._trees[run] = tree
        return tree
