"""The spans of a run as a tree: for every stream of events that obeys the rules."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, TraceFlags

from stepscope.errors import WorkflowError
from stepscope.events import (
    AnyEvent,
    Delivered,
    HandlerStarted,
    LockReleased,
    OutputYielded,
    Routed,
    RunStarted,
    Sent,
    StateWritten,
)
from stepscope_tracing.spans import spans_of_events
from support.random_streams import long_stream, streams
from support.spans import Spans, context_of
from support.streams import Stream, live, value


def spans_of(events: Sequence[AnyEvent]) -> Spans:
    return Spans(list(spans_of_events(events)))


def as_data(span: ReadableSpan) -> object:
    return (
        span.name, span.context, span.parent, span.kind, span.start_time, span.end_time, dict(span.attributes or {}),
        [(e.name, e.timestamp, dict(e.attributes or {})) for e in span.events],
        [(link.context, dict(link.attributes or {})) for link in span.links],
        span.status.status_code, span.status.description,
    )  # fmt: skip


@given(streams())
def test_one_root_and_no_orphan(events: list[AnyEvent]) -> None:
    spans = spans_of(events)
    (root,) = spans.roots()
    assert root.name == "invoke_workflow hand"
    for span in spans.all:
        assert spans.path(span)[0] == root.name
        assert len(spans.linked(span)) == len(span.links)
        assert context_of(span).trace_id == context_of(root).trace_id
    assert (root.attributes or {})["stepscope.spans"] == len(spans.all)


@given(streams())
def test_every_event_is_in_exactly_one_span_and_comes_back_whole(events: list[AnyEvent]) -> None:
    assert spans_of(events).events() == events


@given(streams())
def test_spans_lie_where_they_belong(events: list[AnyEvent]) -> None:
    spans = spans_of(events)
    parents = {
        "superstep": {"invoke_workflow"},
        "deliver": {"superstep"},
        "process": {"superstep"},
        "barrier": {"superstep"},
        "checkpoint": {"superstep", "invoke_workflow"},
        "resume": {"invoke_workflow"},
        "arrive": {"superstep"},
        "route": {"superstep"},
        "drop": {"superstep"},
        "finding": {"superstep", "invoke_workflow"},
        "invoke_workflow": {"process"},
    }
    for span in spans.all:
        parent = spans.parent(span)
        if parent is None:
            continue
        assert parent.name.split()[0] in parents.get(span.name.split()[0], {"process"})
        assert parent.start_time <= span.start_time <= span.end_time <= parent.end_time  # type: ignore[operator]
        ours, theirs = span.attributes or {}, parent.attributes or {}
        if span.name.split()[0] != "invoke_workflow":
            assert ours.get("stepscope.scope", 0) == theirs.get("stepscope.scope", 0)
        if "stepscope.inv" in theirs and parent.name.startswith("process") and "stepscope.inv" in ours:
            assert ours["stepscope.inv"] == theirs["stepscope.inv"]


@given(streams())
def test_making_them_again_gives_the_same(events: list[AnyEvent]) -> None:
    assert [as_data(s) for s in spans_of_events(events)] == [as_data(s) for s in spans_of_events(events)]


@given(streams())
def test_a_run_cut_off_anywhere_loses_nothing_it_had(events: list[AnyEvent]) -> None:
    for cut in {1, len(events) // 3, len(events) - 1}:
        spans = spans_of(events[:cut])
        assert spans.events() == events[:cut]
        (root,) = spans.roots()
        assert "stepscope.unfinished" in (root.attributes or {})
        assert all(spans.path(span)[0] == root.name for span in spans.all)
        assert all(span.end_time is not None for span in spans.all)


def test_different_runs_have_different_traces_and_ids() -> None:
    one, other = (spans_of(long_stream(200, run_id=run_id)) for run_id in ("one", "other"))
    assert not one.by_id.keys() & other.by_id.keys()
    assert context_of(one.all[0]).trace_id != context_of(other.all[0]).trace_id


def two_supersteps() -> list[AnyEvent]:
    run = Stream("a", "b", keys=[live("ledger", 0)])
    (first,) = run.begin()
    run.start(first)
    run.send(first, {"n": 1}, "b")
    run.effect(first, "fetch", [1, 2])
    run.output(first, "out")
    run.end(first)
    run.commit()
    (second,) = run.begin()
    run.start(second)
    run.end(second, "failed", "no")
    run.fail("no")
    return run.events


def test_a_process_span_links_to_the_send_it_consumes() -> None:
    spans = spans_of(two_supersteps())
    send = spans.one("send a")
    process = spans.one("process b")
    assert spans.linked(process) == [send]
    assert (send.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    first = spans.one("process a")
    assert [span.name for span in spans.linked(first)] == ["invoke_workflow hand"]


def test_conventional_attributes() -> None:
    spans = spans_of(two_supersteps())
    send, process = (dict(spans.one(name).attributes or {}) for name in ("send a", "process b"))
    assert send["messaging.system"] == "stepscope"
    assert send["messaging.operation.name"] == send["messaging.operation.type"] == "send"
    assert send["messaging.message.id"] == "1"
    assert send["messaging.destination.name"] == "b"
    assert send["code.line.number"] == 20
    assert send["stepscope.payload"] == '{"n":1}'
    assert process["messaging.operation.type"] == "process"
    assert process["code.function.name"] == "handle"
    root = dict(spans.all[-1].attributes or {})
    assert root["gen_ai.operation.name"] == "invoke_workflow"
    assert root["gen_ai.workflow.name"] == root["gen_ai.agent.name"] == "hand"


def test_failures_are_errors_with_the_exception_as_a_span_event() -> None:
    spans = spans_of(two_supersteps())
    for name in ("process b", "superstep 2", "invoke_workflow hand"):
        (span,) = spans.named(name)
        assert span.status.status_code is StatusCode.ERROR
        assert (span.attributes or {})["error.type"] == "builtins:ValueError"
        (exception,) = span.events
        assert exception.name == "exception"
        assert (exception.attributes or {})["exception.message"] == "no"
        assert (exception.attributes or {})["exception.stacktrace"] == "Traceback: no\n"
    assert spans.one("superstep 1").status.status_code is StatusCode.UNSET


def test_a_cancelled_handler_is_an_error_without_an_exception() -> None:
    run = Stream("a", "b")
    (inv,) = run.begin()
    run.start(inv)
    run.fail("stop", "cancelled")
    spans = spans_of(run.events)
    process = spans.one("process a")
    assert (process.status.status_code, process.status.description) == (StatusCode.ERROR, "cancelled")
    assert not process.events


def contention() -> tuple[list[AnyEvent], list[int]]:
    run = Stream("a", "b", "c", keys=[live("ledger", 0)])
    (inv,) = run.begin()
    run.start(inv)
    for target in ("a", "b", "c"):
        run.send(inv, 1, target)
    run.end(inv)
    run.commit()
    invs = run.begin()
    for inv in invs:
        run.start(inv)
    run.hold(invs[0], "ledger")
    run.hold(invs[1], "ledger")
    run.get(invs[2], "ledger")
    run.release(invs[0], "ledger")
    run.release(invs[1], "ledger")
    for inv in invs:
        run.end(inv)
    run.commit()
    return run.finish(), invs


def test_a_wait_links_to_the_hold_and_ends_when_it_is_granted() -> None:
    events, _ = contention()
    spans = spans_of(events)
    holds = spans.named("lock.hold ledger")
    waits = spans.named("lock.wait ledger")
    assert [spans.path(hold)[-2] for hold in holds] == ["process a", "process b"]
    assert [spans.path(wait)[-2] for wait in waits] == ["process b", "process c"]
    for_hold, for_get = waits
    assert spans.linked(for_hold) == [holds[0]]
    assert for_hold.end_time == holds[1].start_time
    read = spans.one("state.get ledger")
    assert (for_get.attributes or {})["stepscope.ended_by"] == (read.attributes or {})["stepscope.seq"]
    releases = [event.seq for event in events if isinstance(event, LockReleased)]
    assert [(hold.attributes or {})["stepscope.end_seq"] for hold in holds] == releases


def test_a_wait_that_is_never_granted_ends_with_its_invocation() -> None:
    run = Stream("a", "b", keys=[live("ledger", 0)])
    (inv,) = run.begin()
    run.start(inv)
    run.send(inv, 1, "a")
    run.send(inv, 1, "b")
    run.end(inv)
    run.commit()
    one, other = run.begin()
    run.start(one)
    run.start(other)
    run.hold(one, "ledger")
    run.hold(other, "ledger")
    run.fail()
    spans = spans_of(run.events)
    wait = spans.one("lock.wait ledger")
    assert wait.end_time == spans.one("process b").end_time
    assert spans.events() == run.events


def test_a_barrier_lasts_from_the_first_arrival_to_the_commit() -> None:
    spans = spans_of(contention()[0])
    barrier = spans.named("barrier")[1]
    arrivals = [
        s for s in spans.all if s.name.startswith("arrive ") and (s.attributes or {})["stepscope.superstep"] == 2
    ]
    assert len(arrivals) == 3
    assert barrier.start_time == min(a.start_time or 0 for a in arrivals)
    assert (barrier.end_time or 0) > max(a.start_time or 0 for a in arrivals)


def test_a_sub_workflow_hangs_under_the_invocation_that_hosts_it() -> None:
    run = Stream("a", "b")
    (inv,) = run.begin()
    run.start(inv)
    child = run.sub(inv, "x")
    (inner,) = child.begin()
    child.start(inner)
    child.send(inner, 1, "a/x")
    child.end(inner)
    child.commit()
    child.finish()
    run.end(inv)
    run.commit()
    spans = spans_of(run.finish())
    run_name, step_name = "invoke_workflow hand", "superstep 1"
    path = spans.path(spans.one("process a/x"))
    assert path == [run_name, step_name, "process a", run_name, step_name, "process a/x"]
    inner_run = spans.named(run_name)[0]
    assert "stepscope.spans" not in (inner_run.attributes or {})


def test_a_link_needs_a_send_of_this_run() -> None:
    """A resumed run delivers messages that an earlier run sent, and its own numbers go on from there."""
    run = Stream("a", "b")
    (inv,) = run.begin()
    run.start(inv)
    run.send(inv, "x", "b")
    run.end(inv)
    run.commit()
    (inv,) = run.begin()
    run.start(inv)
    run.end(inv)
    run.commit()
    number = {0: 41, 1: 61}

    def renumbered(event: AnyEvent) -> AnyEvent:
        if isinstance(event, Delivered):
            changed: AnyEvent = msgspec.structs.replace(event, messages=[number[m] for m in event.messages])
        elif isinstance(event, (Sent, Routed)):
            changed = msgspec.structs.replace(event, message=number[event.message])
        else:
            changed = event
        return changed

    spans = spans_of([renumbered(event) for event in run.finish()])
    assert spans.one("process a").links == ()
    assert spans.linked(spans.one("route a")) == spans.linked(spans.one("process b")) == [spans.one("send a")]


@pytest.mark.parametrize(
    "payload",
    [float("nan"), float("-inf"), -0.0, 2**64 - 1, -(2**63), 2**200, b"\xff\x00", "\ud800", "\x00\x1b[31m", "é" * 3,
     {"$not": 1}, {1: 2}, {"b": 1, "a": 2}, (1, (2,)), {3, 1, 2}, 1e300, 5e-324, "msgpack:AAAA", None, [], {}],
)  # fmt: skip
def test_values_survive_exactly(payload: object) -> None:
    run = Stream("a", payload=payload)
    (inv,) = run.begin()
    run.start(inv)
    run.set(inv, "note", payload)
    run.output(inv, payload)
    run.end(inv)
    run.commit()
    events = run.finish()
    back = spans_of(events).events()
    assert [type(event) for event in back] == [type(event) for event in events]
    stored = value(payload).data
    assert [event.input.data for event in back if isinstance(event, RunStarted)] == [stored]
    assert [event.value.data for event in back if isinstance(event, OutputYielded)] == [stored]
    assert [event.new and event.new.data for event in back if isinstance(event, StateWritten)] == (
        [stored] if payload is not None else [None]
    )


def test_the_callers_span_becomes_the_parent() -> None:
    caller = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    spans = Spans(list(spans_of_events(two_supersteps(), parent=caller)))
    root = spans.all[-1]
    assert root.parent == caller
    assert {context_of(span).trace_id for span in spans.all} == {0xABC}


def test_events_that_do_not_begin_with_the_run_are_refused() -> None:
    events = two_supersteps()
    with pytest.raises(WorkflowError, match="number 4"):
        list(spans_of_events(events[3:]))
    started = next(event for event in events if isinstance(event, HandlerStarted))
    assert started.seq == 4
    assert list(spans_of_events([])) == []


def test_memory_stays_with_what_is_open() -> None:
    """What a long run keeps for its spans does not grow with it, except for eight bytes a message."""
    events = long_stream(20_000)
    tracemalloc.start()
    try:
        peaks = []
        for part in (events[:5_000], events):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            count = Counter(span.name.split()[0] for span in spans_of_events(part))
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
            assert count["process"] > 100
    finally:
        tracemalloc.stop()
    sends = sum(isinstance(event, Sent) for event in events)
    assert peaks[1] - peaks[0] < 64_000 + 16 * sends
