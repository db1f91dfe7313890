"""Live spans in a program's own tracing: any provider, its sampler and processors, and its own spans under ours."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler, SamplingResult

from stepscope.events import AnyEvent, HandlerStarted, RunStarted
from stepscope.observe import ALL, Observer
from stepscope_tracing.spans import SpanObserver, spans_of_events
from support.random_streams import streams
from support.streams import Stream

RESOURCE = Resource({"service.name": "test"})


def program(*processors: SpanProcessor, **how: Any) -> tuple[TracerProvider, InMemorySpanExporter]:
    """A provider as programs set it up, and what it exports."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False, **how)
    for processor in processors:
        provider.add_span_processor(processor)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def watch(observer: Observer, events: Sequence[AnyEvent]) -> None:
    """What a run does with an observer."""
    assert isinstance(events[0], RunStarted)
    sink = observer.begin(events[0])
    assert sink.durable == ALL
    for event in events:
        sink.append(event)
        if isinstance(event, HandlerStarted):
            contextvars.Context().run(sink.enter_handler, event)
        sink.flush(barrier=False)
    sink.close()


def small() -> list[AnyEvent]:
    run = Stream("a", "b")
    (inv,) = run.begin()
    run.start(inv)
    run.send(inv, 1, "b")
    run.end(inv)
    run.commit()
    (inv,) = run.begin()
    run.start(inv)
    run.end(inv)
    run.commit()
    return run.finish()


@given(streams())
def test_live_and_later_give_the_same_spans(events: list[AnyEvent]) -> None:
    provider, exporter = program()
    watch(SpanObserver(provider), events)
    live = [span.to_json() for span in exporter.get_finished_spans()]
    assert live == [span.to_json() for span in spans_of_events(events, resource=RESOURCE)]


def test_it_is_an_observer() -> None:
    assert isinstance(SpanObserver(), Observer)


def test_the_global_provider_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, exporter = program()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    watch(SpanObserver(), small())
    assert "process b" in [span.name for span in exporter.get_finished_spans()]


def test_without_tracing_nothing_is_made_and_nothing_breaks(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "stepscope.spans"):
        watch(SpanObserver(trace.ProxyTracerProvider()), small())
        watch(SpanObserver(trace.NoOpTracerProvider()), small())
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]


def test_a_programs_own_span_hangs_under_the_invocation() -> None:
    provider, exporter = program()
    tracer = provider.get_tracer("program")
    events = small()
    sink = SpanObserver(provider).begin(events[0])  # type: ignore[arg-type]

    def handler(event: HandlerStarted) -> None:
        sink.enter_handler(event)
        with tracer.start_as_current_span(f"own {event.executor}"):
            pass

    for event in events:
        sink.append(event)
        if isinstance(event, HandlerStarted):
            contextvars.copy_context().run(handler, event)
    sink.close()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    for executor in "ab":
        own, process = spans[f"own {executor}"], spans[f"process {executor}"]
        assert own.parent is not None
        assert own.parent.span_id == process.context.span_id
        assert own.context.trace_id == process.context.trace_id
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_run_inside_a_span_is_part_of_its_trace() -> None:
    provider, exporter = program()
    events = small()
    with provider.get_tracer("program").start_as_current_span("request") as request:
        watch(SpanObserver(provider), events)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    root = spans["invoke_workflow hand"]
    assert root.parent is not None
    assert root.parent.span_id == request.get_span_context().span_id
    assert {span.context.trace_id for span in spans.values()} == {request.get_span_context().trace_id}
    later = spans_of_events(events, resource=RESOURCE, parent=request.get_span_context())
    assert [s.to_json() for s in exporter.get_finished_spans() if s.name != "request"] == [s.to_json() for s in later]


def test_a_sampler_that_says_no_leaves_out_the_run_and_what_is_under_it() -> None:
    provider, exporter = program(sampler=ParentBased(ALWAYS_OFF))
    events = small()
    sink = SpanObserver(provider).begin(events[0])  # type: ignore[arg-type]

    def handler(event: HandlerStarted) -> None:
        sink.enter_handler(event)
        assert not provider.get_tracer("program").start_span("own").is_recording()

    for event in events:
        sink.append(event)
        if isinstance(event, HandlerStarted):
            contextvars.copy_context().run(handler, event)
    sink.close()
    assert exporter.get_finished_spans() == ()


class Tagging(SpanProcessor):
    """Adds to each span when it starts, as baggage processors do."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        assert span.is_recording()
        span.set_attribute("tag", "t")
        span.set_attributes({"run": span.get_span_context().trace_id % 7})


def test_processors_may_add_to_spans_when_they_start() -> None:
    provider, exporter = program(Tagging())
    watch(SpanObserver(provider), small())
    assert exporter.get_finished_spans()
    assert all((span.attributes or {})["tag"] == "t" for span in exporter.get_finished_spans())


class Broken(SpanProcessor):
    """Fails for some spans."""

    def on_end(self, span: ReadableSpan) -> None:
        if span.name.startswith("deliver"):
            raise RuntimeError("disk full")


def test_a_processor_that_fails_is_logged_and_counted_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    provider, _ = program(Broken())
    events = small()
    sink = SpanObserver(provider).begin(events[0])  # type: ignore[arg-type]
    for event in events:
        sink.append(event)
    sink.close()
    assert sink.failures == 2
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "'deliver a'" in caplog.messages[0]
    assert "2 spans were lost" in caplog.messages[1]


class BrokenSampler(Sampler):
    def should_sample(self, *args: Any, **how: Any) -> SamplingResult:
        raise RuntimeError("no answer")

    def get_description(self) -> str:
        return "broken"


def test_tracing_that_fails_at_the_start_does_not_stop_the_run(caplog: pytest.LogCaptureFixture) -> None:
    provider, exporter = program(sampler=BrokenSampler())
    watch(SpanObserver(provider), small())
    assert exporter.get_finished_spans() == ()
    assert "makes no spans" in caplog.messages[0]


class Nowhere(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def test_a_processor_that_drops_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    batch = BatchSpanProcessor(Nowhere())
    provider, _ = program(batch)
    for _ in range(2):
        watch(SpanObserver(provider), small())
    (warning,) = caplog.records
    assert "BatchSpanProcessor" in warning.message
    assert "stepscope export" in warning.message
    batch.shutdown()  # type: ignore[no-untyped-call]


class OtherSpan(trace.NonRecordingSpan):
    """A span of a tracing library that is not the SDK."""

    def __init__(self, name: str, parent: trace.SpanContext, number: int, links: Sequence[trace.Link]) -> None:
        super().__init__(trace.SpanContext(parent.trace_id or 99, number, False, trace.TraceFlags(1)))
        self.name, self.parent, self.links = name, parent, links
        self.attributes: dict[str, Any] = {}
        self.ended: int | None = None

    def set_attributes(self, attributes: Any) -> None:
        self.attributes.update(attributes)

    def end(self, end_time: int | None = None) -> None:
        self.ended = end_time


class OtherTracer(trace.Tracer):
    def __init__(self) -> None:
        self.spans: list[OtherSpan] = []

    def start_span(self, name: str, context: Context | None = None, *args: Any, **how: Any) -> OtherSpan:
        above = trace.get_current_span(context).get_span_context()
        self.spans.append(OtherSpan(name, above, len(self.spans) + 1, how["links"]))
        return self.spans[-1]

    def start_as_current_span(self, *args: Any, **how: Any) -> Any:
        raise NotImplementedError

    def __iter__(self) -> Iterator[OtherSpan]:
        return iter(self.spans)


class OtherProvider(trace.TracerProvider):
    def __init__(self) -> None:
        self.tracer = OtherTracer()

    def get_tracer(self, *args: Any, **how: Any) -> OtherTracer:
        return self.tracer


@given(streams())
def test_a_provider_that_is_not_the_sdks_gets_the_same_tree(events: list[AnyEvent]) -> None:
    provider = OtherProvider()
    watch(SpanObserver(provider), events)
    made = {span.attributes["stepscope.seq"]: span for span in provider.tracer}
    number_of = {span.get_span_context().span_id: seq for seq, span in made.items()}
    wanted = {int((s.attributes or {})["stepscope.seq"]): s for s in spans_of_events(events)}  # type: ignore[arg-type]
    seq_of = {span.context.span_id: seq for seq, span in wanted.items()}
    assert made.keys() == wanted.keys()
    for seq, span in wanted.items():
        other = made[seq]
        assert (other.name, other.attributes, other.ended) == (span.name, dict(span.attributes or {}), span.end_time)
        assert number_of.get(other.parent.span_id) == (seq_of[span.parent.span_id] if span.parent else None)
        assert [number_of[link.context.span_id] for link in other.links] == [
            seq_of[link.context.span_id] for link in span.links
        ]


def test_another_providers_own_ids_are_the_parents_of_the_programs_spans() -> None:
    provider = OtherProvider()
    events = small()
    sink = SpanObserver(provider).begin(events[0])  # type: ignore[arg-type]
    seen: list[int] = []

    def handler(event: HandlerStarted) -> None:
        sink.enter_handler(event)
        seen.append(trace.get_current_span().get_span_context().span_id)

    for event in events:
        sink.append(event)
        if isinstance(event, HandlerStarted):
            contextvars.copy_context().run(handler, event)
    sink.close()
    processes = [span for span in provider.tracer if span.name.startswith("process")]
    assert seen == [span.get_span_context().span_id for span in processes]


def test_what_is_redacted_is_in_no_span() -> None:
    run = Stream("a", payload={"token": "hunter22", "n": 1})
    (inv,) = run.begin()
    run.start(inv)
    run.output(inv, "it was hunter22")
    run.end(inv, "failed", "bad token hunter22")
    run.fail("bad token hunter22")
    for rules in ("*.token", ["*.token"]):
        provider, exporter = program()
        watch(SpanObserver(provider, redact=rules), run.events)
        text = "".join(span.to_json() for span in exporter.get_finished_spans())
        assert "hunter22" not in text
        assert "$redacted" in text
    with pytest.raises(ValueError, match="empty"):
        SpanObserver(provider, redact="")
