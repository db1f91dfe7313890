"""Spans over OTLP/HTTP: whatever the receiver is like, none is missing, or it is said which are."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import format_trace_id

from stepscope.errors import WorkflowError
from stepscope.events import AnyEvent, Event, RunStarted
from stepscope.observe import Observer
from stepscope_tracing.otlp import Delivery, OtlpObserver, export_spans
from stepscope_tracing.spans import spans_of_events
from stepscope_tracing.spans.reading import events_of_span
from support.otlp_sink import OtlpSink, attributes_of
from support.random_streams import long_stream, streams
from support.streams import Stream

FULL = os.environ.get("STEPSCOPE_FULL") == "1"


def watch(observer: Observer, events: Sequence[AnyEvent]) -> None:
    """What a run does with an observer."""
    assert isinstance(events[0], RunStarted)
    sink = observer.begin(events[0])
    for event in events:
        sink.append(event)
        sink.flush(barrier=False)
    sink.close()


def ids_of(events: Sequence[AnyEvent]) -> set[bytes]:
    return {span.context.span_id.to_bytes(8, "big") for span in spans_of_events(events)}


def all_there(sink: OtlpSink, delivery: Delivery, events: Sequence[AnyEvent]) -> None:
    """Every span is there, once, and the report says so."""
    ids = ids_of(events)
    assert sink.spans.keys() == ids
    assert delivery.complete
    assert (delivery.spans, delivery.delivered) == (len(ids), len(ids))
    assert set(sink.times.values()) == {1}


def unreachable() -> str:
    """An address of this machine where nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"


@settings(max_examples=15, deadline=None)
@given(streams())
def test_a_receiver_has_the_whole_run(events: list[AnyEvent]) -> None:
    with OtlpSink() as sink, OtlpObserver(sink.url) as observer:
        watch(observer, events)
        delivery = observer.close()
    all_there(sink, delivery, events)
    back: list[Event] = []
    for span in sink.spans.values():
        back += events_of_span(
            attributes_of(span.attributes), [(e.name, attributes_of(e.attributes)) for e in span.events]
        )
    assert sorted(back, key=lambda event: event.seq) == events


def test_what_is_sent_is_what_is_made_later() -> None:
    events = long_stream(800)
    with OtlpSink() as live, OtlpObserver(live.url) as observer:
        watch(observer, events)
        observer.close()
    with OtlpSink() as later:
        delivery = export_spans(later.url, spans_of_events(events))
    all_there(later, delivery, events)
    assert live.spans == later.spans
    assert live.resources[0]["service.name"] == later.resources[0]["service.name"] == "stepscope"
    root = next(span for span in later.spans.values() if not span.parent_span_id)
    assert attributes_of(root.attributes)["stepscope.spans"] == len(later.spans)
    assert delivery.trace_ids == [root.trace_id.hex()]
    assert delivery.bytes > 100 * len(later.spans)


@pytest.mark.slow
def test_a_slow_receiver_loses_none() -> None:
    """50 ms a request, 100,000 spans (5,000 in the quick form)."""
    events = long_stream(125_000 if FULL else 6_400)
    with OtlpSink(delay_s=0.05) as sink, OtlpObserver(sink.url, memory_bytes=1 << 20) as observer:
        watch(observer, events)
        delivery = observer.close()
    assert len(sink.spans) > (100_000 if FULL else 5_000)
    all_there(sink, delivery, events)
    assert observer.spool.peak_bytes < 2 << 20
    assert observer.spool.spilled_bytes > 0


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_fails_every_third_request_loses_none(status: int) -> None:
    events = long_stream(2_000)
    with OtlpSink(fail_every=3, status=status) as sink, OtlpObserver(sink.url, batch_spans=100) as observer:
        watch(observer, events)
        delivery = observer.close()
    all_there(sink, delivery, events)
    assert sink.failed >= 5
    assert delivery.retries == sink.failed


def test_a_receiver_is_given_the_time_it_asks_for() -> None:
    events = long_stream(50)
    with OtlpSink(fail_first=1, status=429, headers={"Retry-After": "1"}) as sink:
        began = time.monotonic()
        delivery = export_spans(sink.url, spans_of_events(events))
        assert time.monotonic() - began >= 1.0
    all_there(sink, delivery, events)
    assert delivery.retries == 1


def test_the_run_never_waits_for_the_receiver_and_memory_is_bounded() -> None:
    events = long_stream(4_000)
    with OtlpSink(delay_s=0.3) as sink, OtlpObserver(sink.url, memory_bytes=100_000, batch_spans=512) as observer:
        began = time.monotonic()
        watch(observer, events)
        took = time.monotonic() - began
        delivery = observer.close()
    all_there(sink, delivery, events)
    assert took < sink.requests * 0.3 / 2
    assert observer.spool.spilled_bytes > 100_000
    assert observer.spool.peak_bytes <= max(100_000, 500 * 1_000)


def test_batches_are_bounded_by_count_and_by_bytes() -> None:
    run = Stream("a")
    (inv,) = run.begin()
    run.start(inv)
    for _ in range(40):
        run.output(inv, "x" * 50_000)
    for _ in range(700):
        run.output(inv, 1)
    run.end(inv)
    run.commit()
    events = run.finish()
    with OtlpSink() as sink:
        delivery = export_spans(sink.url, spans_of_events(events), batch_spans=300, batch_bytes=250_000)
    all_there(sink, delivery, events)
    assert sink.most_spans == 300
    assert 200_000 < sink.largest_taken < 300_000


def test_a_receiver_that_takes_only_small_requests_gets_small_ones() -> None:
    events = long_stream(600)
    with OtlpSink(largest=20_000) as sink:
        delivery = export_spans(sink.url, spans_of_events(events))
    all_there(sink, delivery, events)
    assert sink.failed > 0


def test_a_span_that_is_too_large_for_the_receiver_is_reported_and_the_others_arrive() -> None:
    run = Stream("a")
    (inv,) = run.begin()
    run.start(inv)
    run.output(inv, "x" * 100_000)
    run.end(inv)
    run.commit()
    events = run.finish()
    with OtlpSink(largest=50_000) as sink:
        delivery = export_spans(sink.url, spans_of_events(events))
    assert (delivery.rejected, delivery.delivered) == (1, len(ids_of(events)) - 1)
    assert not sink.named("output a")
    assert not delivery.complete
    assert "1 were refused (the receiver answered 413" in delivery.sentence()


def test_spans_that_the_receiver_leaves_out_are_reported() -> None:
    events = long_stream(100)
    with OtlpSink(reject=3) as sink:
        delivery = export_spans(sink.url, spans_of_events(events))
    assert delivery.rejected == 3
    assert delivery.delivered == delivery.spans - 3
    assert "too old" in delivery.sentence()


def test_a_receiver_that_refuses_is_reported_and_not_asked_again() -> None:
    events = long_stream(100)
    with OtlpSink(fail_every=1, status=401) as sink:
        delivery = export_spans(sink.url, spans_of_events(events))
    assert sink.requests == delivery.requests == 1
    assert delivery.rejected == delivery.spans > 50
    assert "answered 401" in delivery.sentence()


def test_an_unreachable_receiver_is_given_up_and_said(caplog: pytest.LogCaptureFixture) -> None:
    url = unreachable()
    events = long_stream(2_000)
    began = time.monotonic()
    with OtlpObserver(url, patience_s=0.5) as observer:
        watch(observer, events)
    assert time.monotonic() - began < 5
    delivery = observer.delivery
    assert delivery.delivered == 0
    assert delivery.undelivered > 0
    assert not delivery.complete
    assert f"{url}/v1/traces cannot be reached: Connection refused, for 0.5 s" in delivery.sentence()
    assert "stepscope export" in delivery.sentence()
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert caplog.records[1].getMessage() == delivery.sentence()


def test_an_export_to_nowhere_ends() -> None:
    events = long_stream(2_000)
    began = time.monotonic()
    delivery = export_spans(unreachable(), spans_of_events(events), patience_s=0.3)
    assert time.monotonic() - began < 5
    assert delivery.undelivered == delivery.spans == len(ids_of(events))


def test_a_receiver_that_comes_up_late_gets_everything() -> None:
    """Nothing is given up while the run goes on."""
    events = long_stream(1_500)
    with OtlpSink(fail_first=5) as sink, OtlpObserver(sink.url, patience_s=0.2) as observer:
        run = observer.begin(events[0])  # type: ignore[arg-type]
        for event in events:
            run.append(event)
        sink.wait_for_requests(6)
        run.close()
        delivery = observer.close()
    all_there(sink, delivery, events)
    assert delivery.retries == 5


def test_several_runs_at_once_share_a_receiver() -> None:
    runs = [long_stream(700, run_id=f"run-{n}", seed=n) for n in range(3)]
    with OtlpSink() as sink, OtlpObserver(sink.url) as observer:
        sinks = [observer.begin(events[0]) for events in runs]  # type: ignore[arg-type]
        for n in range(max(map(len, runs))):
            for one, events in zip(sinks, runs, strict=True):
                if n < len(events):
                    one.append(events[n])
        for one in sinks:
            one.close()
        delivery = observer.close()
    assert sink.spans.keys() == set().union(*map(ids_of, runs))
    assert len(delivery.trace_ids) == 3
    assert {span.trace_id.hex() for span in sink.spans.values()} == set(delivery.trace_ids)


def test_a_run_cut_off_by_close_is_sent_as_far_as_it_got() -> None:
    events = long_stream(300)
    with OtlpSink() as sink, OtlpObserver(sink.url) as observer:
        run = observer.begin(events[0])  # type: ignore[arg-type]
        for event in events[:150]:
            run.append(event)
        run.flush(barrier=False)
        run.close()
        delivery = observer.close()
        with pytest.raises(WorkflowError, match="closed"):
            observer.begin(events[0])  # type: ignore[arg-type]
    all_there(sink, delivery, events[:150])


def test_headers_and_compression_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret,x-team=a%20b")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    events = long_stream(100)
    with OtlpSink() as sink:
        delivery = export_spans(sink.url, spans_of_events(events))
    all_there(sink, delivery, events)
    seen = {name.lower(): value for name, value in sink.seen_headers[0].items()}
    assert (seen["x-key"], seen["x-team"], seen["content-encoding"]) == ("secret", "a b", "gzip")


@pytest.mark.parametrize(
    "url", ["localhost:4318", "grpc://localhost:4317", "http://", "http://[::1", "http://a b/", ""]
)
def test_what_is_no_address_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(WorkflowError, match="give one like http://localhost:4318"):
        OtlpObserver(url)


def test_the_traces_path_may_be_given_too() -> None:
    events = long_stream(50)
    with OtlpSink() as sink:
        all_there(sink, export_spans(f"{sink.url}/v1/traces", spans_of_events(events)), events)


def test_progress_is_told_and_can_end_an_export() -> None:
    class Stop(Exception):
        pass

    def progress(delivery: Delivery) -> None:
        if delivery.delivered >= 200:
            raise Stop

    with OtlpSink() as sink, pytest.raises(Stop):
        export_spans(sink.url, spans_of_events(long_stream(2_000)), batch_spans=100, progress=progress)
    assert len(sink.spans) == 200


def test_a_span_that_cannot_be_encoded_does_not_take_others_with_it() -> None:
    spans = list(spans_of_events(long_stream(100)))
    spans[7].set_attribute("far", 2**80)  # type: ignore[attr-defined]
    broken = ReadableSpan("no times", context=spans[0].context, start_time=-1)
    with OtlpSink() as sink:
        delivery = export_spans(sink.url, [*spans, broken])
    assert delivery.rejected == 1
    assert delivery.delivered == len(sink.spans) == len(spans)
    assert "cannot be encoded" in delivery.sentence()


def test_a_program_that_never_closes_its_observer_still_sends_everything() -> None:
    program = """
        import sys
        from support.random_streams import long_stream
        from stepscope_tracing.otlp import OtlpObserver
        events = long_stream(3_000)
        sink = OtlpObserver(sys.argv[1]).begin(events[0])
        for event in events:
            sink.append(event)
        sink.close()
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with OtlpSink(delay_s=0.05) as sink:
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), sink.url], env=env, check=True, timeout=60
        )  # fmt: skip
    assert sink.spans.keys() == ids_of(long_stream(3_000))


def test_a_full_disk_costs_spans_and_never_the_run() -> None:
    """A limit on the size of files stands for the disk. What is lost is counted and said."""
    program = """
        import resource, sys
        from support.random_streams import long_stream
        from stepscope_tracing.otlp import OtlpObserver
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        observer = OtlpObserver(sys.argv[1], memory_bytes=100_000, batch_spans=512)
        events = long_stream(8_000)
        sink = observer.begin(events[0])
        for event in events:
            sink.append(event)
        sink.close()
        delivery = observer.close()
        assert delivery.delivered == delivery.spans, delivery
        assert 500 < delivery.undelivered_events < 8_000, delivery
        print(delivery.sentence())
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with OtlpSink(delay_s=0.2) as sink:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), sink.url],
            env=env, check=True, timeout=60, capture_output=True, text=True,
        )  # fmt: skip
    assert "events were not made into spans (events waiting for the receiver could not be kept: " in done.stdout
    assert "File too large" in done.stdout
    assert done.stderr.count("could not be kept") == 1
    assert sink.named("invoke_workflow hand")


def test_what_is_redacted_is_not_sent() -> None:
    run = Stream("a", payload={"token": "hunter22"})
    (inv,) = run.begin()
    run.start(inv)
    run.end(inv, "failed", "bad token hunter22")
    run.fail("bad token hunter22")
    with OtlpSink() as sink, OtlpObserver(sink.url, redact="*.token") as observer:
        watch(observer, run.events)
        delivery = observer.close()
    all_there(sink, delivery, run.events)
    assert b"hunter22" not in b"".join(span.SerializeToString() for span in sink.spans.values())


def test_nothing_is_logged_when_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    with OtlpSink() as sink, caplog.at_level(logging.DEBUG, "stepscope"), OtlpObserver(sink.url) as observer:
        watch(observer, long_stream(100))
    assert caplog.records == []
    assert observer.delivery.sentence().endswith(f"spans were delivered to {sink.url}/v1/traces.")
    assert observer.delivery.trace_ids == [
        format_trace_id(next(iter(spans_of_events(long_stream(100)))).context.trace_id)
    ]
