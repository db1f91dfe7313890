"""An OTLP/HTTP receiver on the loopback interface: slow, failing or picky on demand; it counts spans by id."""

from __future__ import annotations

import gzip
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def _value(held: AnyValue) -> Any:
    kind = held.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(one) for one in held.array_value.values)
    return getattr(held, kind) if kind else None


def attributes_of(pairs: Sequence[KeyValue]) -> Mapping[str, Any]:
    """Attributes as a mapping, arrays as tuples."""
    return {pair.key: _value(pair.value) for pair in pairs}


class OtlpSink:
    """The receiver, and what it has been sent. Use as a context manager.

    `delay_s` is how long it takes over a request. Requests n, 2n, ... of `fail_every` = n are answered with `status` and
    forgotten, as are the first `fail_first`. `largest` is the body it takes, in bytes; `reject` how many spans of a
    request it says it left out.
    """

    def __init__(
        self,
        *,
        delay_s: float = 0.0,
        fail_every: int = 0,
        fail_first: int = 0,
        status: int = 503,
        headers: Mapping[str, str] | None = None,
        largest: int = 0,
        reject: int = 0,
    ) -> None:
        self.spans: dict[bytes, Span] = {}
        self.times: Counter[bytes] = Counter()
        self.requests = 0
        self.failed = 0
        self.largest_taken = 0
        self.most_spans = 0
        self.resources: list[Mapping[str, Any]] = []
        self.seen_headers: list[Mapping[str, str]] = []
        self._how = (delay_s, fail_every, fail_first, status, dict(headers or {}), largest, reject)
        self._lock = threading.Condition()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                status, answer, headers = sink._answer(self.path, body, dict(self.headers))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> OtlpSink:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, Mapping[str, str]]:
        delay_s, fail_every, fail_first, status, extra, largest, reject = self._how
        time.sleep(delay_s)
        with self._lock:
            self.requests += 1
            self._lock.notify_all()
            self.seen_headers.append(headers)
            if path != "/v1/traces":
                return 404, b"", {}
            if (fail_every and self.requests % fail_every == 0) or self.requests <= fail_first:
                self.failed += 1
                return status, b"", extra
            if largest and len(body) > largest:
                self.failed += 1
                return 413, b"", {}
            self._take(body)
            answer = ExportTraceServiceResponse()
            if reject:
                answer.partial_success.rejected_spans = reject
                answer.partial_success.error_message = "too old"
            return 200, answer.SerializeToString(), {"Content-Type": "application/x-protobuf"}

    def _take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.largest_taken = max(self.largest_taken, len(body))
        taken = 0
        for resource in request.resource_spans:
            self.resources.append(attributes_of(resource.resource.attributes))
            for scope in resource.scope_spans:
                for span in scope.spans:
                    taken += 1
                    self.spans[span.span_id] = span
                    self.times[span.span_id] += 1
        self.most_spans = max(self.most_spans, taken)

    def wait_for_requests(self, count: int, timeout_s: float = 30.0) -> None:
        """Until `count` requests have come."""
        with self._lock:
            assert self._lock.wait_for(lambda: self.requests >= count, timeout_s)

    def named(self, name: str) -> list[Span]:
        """The spans of a name, in the order of their start."""
        return sorted((s for s in self.spans.values() if s.name == name), key=lambda s: s.start_time_unix_nano)
