"""The tree of a run's spans while it grows: which are open, what hangs under what, where links lead.

What is kept is what is open, and eight bytes a message: a run of a million events needs no more than its widest
superstep does.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState

from stepscope.events import Event, RunStarted

from . import names
from .errors import exception_event
from .fields import closing_fields, error_field, opening_fields, write_fields
from .ids import SpanIds, trace_id_of
from .span import WorkflowSpan

OnSpan = Callable[[WorkflowSpan], None]


def _version() -> str:
    try:
        return version("stepscope")
    except PackageNotFoundError:
        return ""


INSTRUMENTATION = InstrumentationScope(names.SCOPE_NAME, _version())


class Sends:
    """`seq` of the event that sent each message. Message numbers are dense, so eight bytes each are enough."""

    def __init__(self) -> None:
        """Know of no message."""
        self._first = 0
        self._seqs = array("Q")

    def add(self, message: int, seq: int) -> None:
        """The event `seq` sent `message`."""
        if not self._seqs:
            self._first = message  # a resumed run does not begin with 1
        place = message - self._first
        if place < 0:
            return
        if place >= len(self._seqs):
            self._seqs.extend(bytes(place + 1 - len(self._seqs)))
        self._seqs[place] = seq

    def seq_of(self, message: int) -> int:
        """`seq` of the event that sent it, 0 if that is not in this run."""
        place = message - self._first
        return self._seqs[place] if 0 <= place < len(self._seqs) else 0


class Invocation:
    """What is known of an invocation while its superstep lasts."""

    __slots__ = ("messages", "span")

    def __init__(self, messages: list[int]) -> None:
        """It was given these messages, and has not started."""
        self.messages = messages
        self.span: WorkflowSpan | None = None


class Scope:
    """A run or a sub-workflow's run (SUB-1), and what is open in it."""

    __slots__ = ("arrived_t", "holds", "invocations", "number", "open", "run", "step", "waits")

    def __init__(self, number: int, run: WorkflowSpan) -> None:
        """A scope whose run's span has just been opened."""
        self.number = number
        self.run = run
        self.step: WorkflowSpan | None = None
        self.arrived_t: int | None = None
        self.open: dict[WorkflowSpan, None] = {}
        self.invocations: dict[int, Invocation] = {}
        self.holds: dict[str, WorkflowSpan] = {}
        self.waits: dict[tuple[int, str, str], list[WorkflowSpan]] = {}

    @property
    def top(self) -> WorkflowSpan:
        """The superstep's span, or the run's between supersteps."""
        return self.step or self.run


class SpanTree:
    """Makes the spans of one run; each is handed out when it opens and, whole, when it closes."""

    def __init__(
        self,
        started: RunStarted,
        *,
        resource: Resource,
        closed: OnSpan,
        opened: OnSpan | None = None,
        parent: SpanContext | None = None,
        sampled: bool = True,
        trace_state: TraceState | None = None,
    ) -> None:
        """`started` is the run's first event, which is to be fed too.

        `parent` is the span of whoever started the run; its trace is then the run's.
        """
        self._ids = SpanIds(started.run_id)
        self._trace_id = parent.trace_id if parent else trace_id_of(started.run_id)
        self._flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        self._trace_state = trace_state
        self._base = started.started_unix_ns
        self._resource = resource
        self._opened = opened
        self._closed = closed
        self.parent = parent
        self.scopes: dict[int, Scope] = {}
        self.effects: dict[tuple[int, int], WorkflowSpan] = {}
        self.sends = Sends()
        self.spans = 0
        self.last_t = 0
        """Time of the newest event, in nanoseconds of the run."""

    def context(self, seq: int) -> SpanContext:
        """Context of the span that the event `seq` opens."""
        return SpanContext(self._trace_id, self._ids.of(seq), False, self._flags, self._trace_state)

    def link(self, seq: int, why: str) -> Link:
        """A link to the span that the event `seq` opens."""
        return Link(self.context(seq), {names.LINK: why})

    def scope(self, event: Event) -> Scope:
        """The scope an event belongs to; the run's own for one that was never announced."""
        return self.scopes.get(event.scope) or self.scopes[0]

    def invocation(self, inv: int) -> Invocation | None:
        """An invocation of a superstep that is not over."""
        for scope in reversed(self.scopes.values()):
            if inv in scope.invocations:
                return scope.invocations[inv]
        return None

    def parent_of(self, event: Any) -> WorkflowSpan:
        """The `process` span an operation's event belongs under, or what is open above it."""
        scope = self.scope(event)
        invocation = scope.invocations.get(event.inv)
        return (invocation.span if invocation else None) or scope.top

    def open(
        self,
        event: Event,
        name: str,
        parent: WorkflowSpan | None,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Iterable[Link] = (),
        extra: dict[str, Any] | None = None,
        start_t: int | None = None,
    ) -> WorkflowSpan:
        """Open the span of an event. `start_t` is when it starts if not at the event, in nanoseconds of the run."""
        attributes: dict[str, Any] = {names.EVENT: event.kind, names.SEQ: event.seq, names.T: event.t}
        write_fields(event, opening_fields(type(event)), attributes)
        if extra:
            attributes.update(extra)
        span = WorkflowSpan(
            event,
            name,
            self.context(event.seq),
            parent.get_span_context() if parent else self.parent,
            kind,
            attributes,
            list(links),
            self._base + (event.t if start_t is None else start_t),
            self._resource,
            INSTRUMENTATION,
        )
        if self._opened is not None:
            self._opened(span)
        return span

    def close(self, span: WorkflowSpan, t: int) -> None:
        """Hand out a span that ended at `t`, in nanoseconds of the run."""
        span.finish(self._base + t)
        self.spans += 1
        self._closed(span)

    def close_with(self, span: WorkflowSpan, event: Event) -> None:
        """Close a span with its second event."""
        span.written[names.END_EVENT] = event.kind
        span.written[names.END_SEQ] = event.seq
        span.written[names.END_T] = event.t
        write_fields(event, closing_fields(type(event), type(span.opened_by)), span.written)
        self.note_errors(span, event)
        self.close(span, event.t)

    def point(
        self, event: Event, name: str, parent: WorkflowSpan, *, start_t: int | None = None, **how: Any
    ) -> WorkflowSpan:
        """The span of an event that stands for itself; without `start_t` it has no length."""
        span = self.open(event, name, parent, start_t=start_t, **how)
        self.note_errors(span, event)
        self.close(span, event.t)
        return span

    def note_errors(self, span: WorkflowSpan, event: Event) -> None:
        """Put an event's errors on its span."""
        where = error_field(type(event))
        if where is None:
            return
        held = getattr(event, where[0])
        errors = held if where[1] else [held] if held is not None else []
        for index, error in enumerate(errors):
            span.note(exception_event(error, index, self._base + event.t))
        if errors:
            span.written[names.ERROR_TYPE] = errors[0].type
            span.fail(errors[0].message or errors[0].type)

    def abandon(self, scope: Scope, t: int) -> None:
        """Close what is still open in a scope's superstep, and in sub-workflows that ran in it, inmost first."""
        for inv in scope.invocations:
            inner = self.scopes.pop(inv, None) if inv != scope.number else None
            if inner is not None:
                self._abandon_run(inner, t)
        for span in reversed(list(scope.open)):
            self._abandon(span, t)
        scope.open.clear()
        scope.holds.clear()
        scope.waits.clear()
        for key in [key for key in self.effects if key[0] in scope.invocations]:
            del self.effects[key]
        scope.invocations.clear()
        scope.arrived_t = None

    def finish(self) -> None:
        """Close all that is open: the events ended without the run's end."""
        root = self.scopes.pop(0, None)
        if root is not None:
            self._abandon_run(root, self.last_t)

    def _abandon_run(self, scope: Scope, t: int) -> None:
        self.abandon(scope, t)
        if scope.step is not None:
            self._abandon(scope.step, t)
        if scope.number == 0:
            scope.run.written[names.SPANS] = self.spans + 1
        self._abandon(scope.run, t)

    def _abandon(self, span: WorkflowSpan, t: int) -> None:
        span.written[names.UNFINISHED] = True
        self.close(span, t)
