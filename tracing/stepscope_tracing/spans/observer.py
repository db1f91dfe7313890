"""`SpanObserver`: a run as spans while it goes on, in whatever tracing the program has set up.

Measured: 6 us an event, plus what the program's processors take.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TracerProvider, TraceState

from stepscope.events import AnyEvent, HandlerStarted, RunStarted
from stepscope.observe import ALL
from stepscope_tracing.redact import Redactor, Rule

from . import names
from .ids import SpanIds, trace_id_of
from .mapping import default_resource, feed
from .span import WorkflowSpan
from .targets import Choice, choose
from .tree import SpanTree

log = logging.getLogger("stepscope.spans")


def current_parent() -> SpanContext | None:
    """The span that the code running now is in, if any."""
    context = trace.get_current_span().get_span_context()
    return context if context.is_valid else None


def redaction(rules: str | Sequence[Rule]) -> Callable[[], Redactor | None]:
    """Makes what leaves values out of one run, None if there are no rules."""
    every = (rules,) if isinstance(rules, str) else tuple(rules)
    if every:
        Redactor(every)  # a rule that is wrong is wrong here, not in the middle of a program
    return lambda: Redactor(every) if every else None


class HandlerContext:
    """Puts the `process` span of an invocation where a program's own spans find it as their parent."""

    def __init__(
        self,
        run_id: str,
        parent: SpanContext | None,
        *,
        sampled: bool = True,
        trace_state: TraceState | None = None,
        translate: Callable[[SpanContext], SpanContext] | None = None,
    ) -> None:
        """For the run `run_id`, whose spans are in the trace of `parent` if it has one."""
        self._ids = SpanIds(run_id)
        self._trace_id = parent.trace_id if parent else trace_id_of(run_id)
        self._flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        self._trace_state = trace_state
        self._translate = translate

    def enter(self, event: HandlerStarted) -> None:
        """Make the invocation's span the current one, in the Context this is called in; that Context ends with it."""
        own = SpanContext(self._trace_id, self._ids.of(event.seq), False, self._flags, self._trace_state)
        context = self._translate(own) if self._translate else own
        otel_context.attach(trace.set_span_in_context(NonRecordingSpan(context)))


class SpanSink:
    """The spans of one run, given to a target as they open and close."""

    durable = ALL

    def __init__(
        self, started: RunStarted, choice: Choice | None, parent: SpanContext | None, redactor: Redactor | None = None
    ) -> None:
        """Without a choice the program has no tracing, and nothing is made or touched."""
        self._redactor = redactor
        self._run = started.run_id
        self._target = choice.target if choice else None
        self._tree: SpanTree | None = None
        self._handlers: HandlerContext | None = None
        self._logged = False
        self.failures = 0
        """Spans that the target did not take."""
        if choice is None:
            return
        target = self._target
        self._handlers = HandlerContext(
            started.run_id,
            parent,
            sampled=choice.sampled,
            trace_state=choice.trace_state,
            translate=target.context_of if target else None,
        )
        if target is not None:
            self._tree = SpanTree(
                started,
                resource=target.resource or default_resource(),
                opened=self._opened,
                closed=self._closed,
                parent=parent,
                sampled=choice.sampled,
                trace_state=choice.trace_state,
            )

    def append(self, event: AnyEvent) -> None:
        """Take one event; whatever goes wrong is logged and counted, and the run goes on."""
        if self._tree is None:
            return
        try:
            feed(self._tree, event if self._redactor is None else self._redactor.redact(event))
        except Exception:
            self._failed(f"the span of event {event.seq} ({event.kind}) could not be made")

    def enter_handler(self, event: HandlerStarted) -> None:
        """Let the program's own spans hang under this invocation's."""
        if self._handlers is not None:
            try:
                self._handlers.enter(event)
            except Exception:
                self._failed(f"the span of invocation {event.inv} could not be made the current one", lost=0)

    def flush(self, *, barrier: bool) -> None:
        """Do nothing: spans are handed on at once."""

    def close(self) -> None:
        """End what is open, and say how many spans were not taken."""
        tree, self._tree = self._tree, None
        if tree is None:
            return
        try:
            tree.finish()
        except Exception:
            self._failed("the spans still open could not be made")
        if self.failures:
            log.error("run %s: %d spans were lost to errors of the program's tracing.", self._run, self.failures)

    def _opened(self, span: WorkflowSpan) -> None:
        assert self._target is not None
        try:
            self._target.opened(span)
        except Exception:
            self._failed(f"a span processor refused the start of {span.name!r}", lost=0)

    def _closed(self, span: WorkflowSpan) -> None:
        assert self._target is not None
        try:
            self._target.closed(span)
        except Exception:
            self._failed(f"a span processor refused {span.name!r}")

    def _failed(self, what: str, lost: int = 1) -> None:
        if not self._logged:
            self._logged = True
            log.exception("run %s: %s; further ones are only counted.", self._run, what)
        self.failures += lost


class SpanObserver:
    """Makes every run it watches a trace of the program's own tracing, for whatever exporters that has.

    A run that is started inside a span becomes part of that span's trace. Spans that handlers make hang under their
    invocation's ``process`` span. An error of an exporter is logged and counted and does not reach the run. Processors
    and exporters that lose spans under load still do: a `BatchSpanProcessor` is warned of once.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None, *, redact: str | Sequence[Rule] = ()) -> None:
        """Without a provider, the program's global one at the time each run begins.

        `redact` names the values that are to be left out, as for a recording: see `stepscope_tracing.redact`.
        """
        self._provider = tracer_provider
        self._redact = redaction(redact)

    def begin(self, started: RunStarted) -> SpanSink:
        """Watch a run."""
        parent = current_parent()
        try:
            choice = choose(
                self._provider or trace.get_tracer_provider(),
                parent.trace_id if parent else trace_id_of(started.run_id),
                names.span_name(names.INVOKE_WORKFLOW, started.workflow),
                {names.GEN_AI_OPERATION: names.INVOKE_WORKFLOW, names.GEN_AI_AGENT: started.workflow},
            )
        except Exception:  # a sampler or provider of the program's
            log.exception("run %s makes no spans: the program's tracing failed", started.run_id)
            return SpanSink(started, None, parent)
        if choice is None:
            log.info("no tracer provider is configured: run %s makes no spans.", started.run_id)
        return SpanSink(started, choice, parent, self._redact())
