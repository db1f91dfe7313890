"""Where live spans go: the processors of the program's tracer provider, or its plain tracer interface.

The SDK's tracer shows its processors, and they are given our spans as they are, with their own ids and times. Any
other implementation of the OpenTelemetry API only offers `start_span`: there the ids are its own, and a link to a
span that ended long ago is left out.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, NoOpTracer, NoOpTracerProvider, ProxyTracerProvider, SpanContext, TracerProvider

from .span import WorkflowSpan
from .tree import INSTRUMENTATION

log = logging.getLogger("stepscope.spans")


class Target(Protocol):
    """Takes the spans of one run."""

    resource: Resource | None

    def opened(self, span: WorkflowSpan) -> None:
        """A span has started."""
        ...

    def closed(self, span: WorkflowSpan) -> None:
        """A span has ended and is whole."""
        ...

    def context_of(self, context: SpanContext) -> SpanContext:
        """Context that a program's own spans are to hang under, for one of our spans that is open."""
        ...


class ProcessorTarget:
    """Gives spans to the processors of an SDK tracer provider."""

    def __init__(self, processor: SpanProcessor, resource: Resource) -> None:
        """Spans get `resource`, the provider's."""
        self.resource: Resource | None = resource
        self._processor = processor

    def opened(self, span: WorkflowSpan) -> None:
        """Let processors add to a span that has started."""
        # The interface names the SDK's class; processors use what it shares with every span.
        self._processor.on_start(span, None)  # type: ignore[arg-type]

    def closed(self, span: WorkflowSpan) -> None:
        """Hand a whole span on."""
        self._processor.on_end(span)

    def context_of(self, context: SpanContext) -> SpanContext:
        """Our own."""
        return context


class TracerTarget:
    """Makes each span again through a tracer of which only the API is known."""

    REMEMBERED = 10_000
    """How many spans that have ended can still be linked to."""

    def __init__(self, tracer: trace.Tracer) -> None:
        """Spans are made by `tracer`."""
        self.resource: Resource | None = None
        self._tracer = tracer
        self._open: dict[int, trace.Span] = {}
        self._ended: OrderedDict[int, SpanContext] = OrderedDict()

    def opened(self, span: WorkflowSpan) -> None:
        """Start the tracer's own span."""
        above = self._open.get(span.parent.span_id) if span.parent else None
        context: Context | None = None
        if above is not None:
            context = trace.set_span_in_context(above)
        elif span.parent is not None:
            context = trace.set_span_in_context(trace.NonRecordingSpan(self.context_of(span.parent)))
        self._open[span.get_span_context().span_id] = self._tracer.start_span(
            span.name, context, span.kind, links=self._links(span.links), start_time=span.start_time
        )

    def closed(self, span: WorkflowSpan) -> None:
        """Complete and end it."""
        own = span.get_span_context().span_id
        real = self._open.pop(own, None)
        if real is None:
            return
        real.set_attributes(span.written)
        for event in span.events:
            real.add_event(event.name, event.attributes, event.timestamp)
        if not span.status.is_unset:
            real.set_status(span.status)
        real.end(span.end_time)
        self._ended[own] = real.get_span_context()
        if len(self._ended) > self.REMEMBERED:
            self._ended.popitem(last=False)

    def context_of(self, context: SpanContext) -> SpanContext:
        """The tracer's context for one of our spans, our own if it has none."""
        real = self._open.get(context.span_id)
        return real.get_span_context() if real is not None else self._ended.get(context.span_id, context)

    def _links(self, links: Sequence[Link]) -> list[Link]:
        contexts = [(self.context_of(link.context), link) for link in links]
        return [Link(context, link.attributes) for context, link in contexts if context is not link.context]


class Choice:
    """A target, if the run's spans are wanted at all, and the flags that say so."""

    def __init__(self, target: Target | None, sampled: bool, trace_state: trace.TraceState | None = None) -> None:
        """No target: nothing is to be made."""
        self.target = target
        self.sampled = sampled
        self.trace_state = trace_state


def choose(provider: TracerProvider, trace_id: int, name: str, attributes: dict[str, str]) -> Choice | None:
    """Where a run's spans go; None if the program has configured no tracing.

    The provider's sampler is asked once, about the run's span: half a run cannot be read.
    """
    if isinstance(provider, (ProxyTracerProvider, NoOpTracerProvider)):
        return None
    tracer = provider.get_tracer(INSTRUMENTATION.name, INSTRUMENTATION.version)
    if isinstance(tracer, NoOpTracer):
        return None
    if not isinstance(tracer, SdkTracer):
        return Choice(TracerTarget(tracer), True)
    _warn_of_loss(tracer.span_processor)
    answer = tracer.sampler.should_sample(get_current(), trace_id, name, trace.SpanKind.INTERNAL, attributes, ())
    target = ProcessorTarget(tracer.span_processor, tracer.resource) if answer.decision is not Decision.DROP else None
    return Choice(target, answer.decision is Decision.RECORD_AND_SAMPLE, answer.trace_state)


_warned: WeakSet[SpanProcessor] = WeakSet()


def _warn_of_loss(processor: SpanProcessor) -> None:
    # Which processors a provider has is not public; where it cannot be seen there is nothing to warn of.
    for one in getattr(processor, "_span_processors", (processor,)):
        if isinstance(one, BatchSpanProcessor) and one not in _warned:
            with suppress(TypeError):
                _warned.add(one)
            log.warning(
                "this program's tracer provider has a BatchSpanProcessor, which drops spans without a word when its "
                "queue is full; for a run of which nothing is missing, record it to a file and use 'stepscope export', "
                "or give the run stepscope_tracing.otlp.OtlpObserver(URL) as its observer."
            )
