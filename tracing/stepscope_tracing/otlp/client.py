"""One OTLP/HTTP request, and what its answer means (OTLP 1.5: full and partial success, retryable or not)."""

from __future__ import annotations

import email.utils
import gzip
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from stepscope.errors import WorkflowError

PATH = "/v1/traces"
_RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})
_TOO_LARGE = 413
_LONGEST_ANSWER = 1 << 20


@dataclass(frozen=True)
class Answer:
    """What a receiver made of a request.

    `kind` is "taken", "later" (to be sent again), "smaller" (to be sent in parts) or "refused". `rejected` counts the
    spans left out of a request that was taken in part. `wait_s` is how long the receiver asked us to wait.
    """

    kind: Literal["taken", "later", "smaller", "refused"]
    reason: str = ""
    rejected: int = 0
    wait_s: float | None = None


def endpoint(url: str) -> str:
    """Where to post, from a receiver's base URL; a URL that ends in ``/v1/traces`` is taken as it is.

    Raises `WorkflowError` for anything but an http or https URL.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(c.isspace() for c in url):
        raise WorkflowError(
            f"{url!r} is not the address of an OTLP receiver; give one like http://localhost:4318 (OTLP over HTTP)."
        )
    base = url.rstrip("/")
    return base if base.endswith(PATH) else base + PATH


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET without its spans."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Do not follow; the answer is then an `HTTPError`."""


class Client:
    """Posts encoded spans to one receiver. Used by one thread at a time."""

    def __init__(
        self, url: str, *, headers: dict[str, str] | None = None, timeout_s: float = 30.0, compress: bool = False
    ):
        """`url` is the receiver's base URL; `timeout_s` is for one request, in seconds.

        Raises `WorkflowError` if `url` cannot be one.
        """
        self.endpoint = endpoint(url)
        self._timeout_s = timeout_s
        self._compress = compress
        self._opener = urllib.request.build_opener(_NoRedirect)  # with the environment's proxies
        try:
            agent = f"stepscope/{version('stepscope')}"
        except PackageNotFoundError:
            agent = "stepscope"
        self._headers = {"Content-Type": "application/x-protobuf", "User-Agent": agent, **(headers or {})}
        if compress:
            self._headers["Content-Encoding"] = "gzip"

    def post(self, body: bytes) -> Answer:
        """Send one request. Never raises for anything the receiver or the network does."""
        data = gzip.compress(body, 1) if self._compress else body
        request = urllib.request.Request(self.endpoint, data, self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                return _success(response.read(_LONGEST_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                return _failure(error)
        except urllib.error.URLError as error:
            return Answer("later", f"{self.endpoint} cannot be reached: {_plain(error.reason)}")
        except (OSError, http.client.HTTPException) as error:
            return Answer("later", f"{self.endpoint} broke off: {_plain(error)}")


def _plain(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _success(body: bytes) -> Answer:
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:  # a receiver that answers in its own way has the spans all the same
        return Answer("taken")
    if partial.rejected_spans:
        return Answer("taken", f"the receiver refused spans: {partial.error_message}", int(partial.rejected_spans))
    return Answer("taken")


def _failure(error: urllib.error.HTTPError) -> Answer:
    reason = f"the receiver answered {error.code} {error.reason}"
    if error.code in _RETRYABLE:
        return Answer("later", reason, wait_s=_wait(error.headers.get("Retry-After")))
    return Answer("smaller" if error.code == _TOO_LARGE else "refused", reason)


def _wait(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    try:
        return max(0.0, float(int(header)))
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())
