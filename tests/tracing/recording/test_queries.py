"""Questions about events, supersteps, invocations and messages, against filters over the plain list."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepscope import events as ev
from stepscope.events import EVENT_TYPES, AnyEvent
from stepscope.findings import of_event
from stepscope_tracing import Run
from support.random_streams import long_stream, random_stream, streams
from support.streams import Stream

KINDS = sorted(EVENT_TYPES)


def field(event: AnyEvent, name: str) -> Any:
    return getattr(event, name, None)


@given(streams(), st.data())
@settings(max_examples=60, deadline=None)
def test_events_are_filtered(events: list[AnyEvent], data: st.DataObject) -> None:
    run = Run.of_events(events)
    executors = sorted({e.executor for e in events if hasattr(e, "executor")})
    for _ in range(6):
        first = data.draw(st.integers(-3, len(events) + 3))
        n = data.draw(st.none() | st.integers(0, 12))
        kinds = data.draw(st.lists(st.sampled_from(KINDS), max_size=3))
        executor = data.draw(st.none() | st.sampled_from([*executors, "nobody"]))
        superstep = data.draw(st.none() | st.integers(0, 5))
        scope = data.draw(st.none() | st.sampled_from(sorted({e.scope for e in events})))
        inv = data.draw(st.none() | st.integers(0, 12))
        wanted_scope = 0 if superstep is not None and scope is None else scope
        expected = [
            e
            for e in events
            if e.seq >= first
            and (not kinds or e.kind in kinds)
            and (executor is None or field(e, "executor") == executor)
            and (superstep is None or e.superstep == superstep)
            and (wanted_scope is None or e.scope == wanted_scope)
            and (inv is None or field(e, "inv") == inv)
        ]
        found = run.events(first, n, kinds=kinds, executor=executor, superstep=superstep, scope=scope, inv=inv)
        assert found == (expected if n is None else expected[:n])
        matching = [
            e.seq
            for e in events
            if (not kinds or e.kind in kinds) and (executor is None or field(e, "executor") == executor)
        ]
        assert run.next(first, kinds=kinds, executor=executor) == min((s for s in matching if s > first), default=None)
        assert run.previous(first, kinds=kinds, executor=executor) == max(
            (s for s in matching if s < first), default=None
        )


def test_an_unknown_kind_is_an_error_that_names_the_known_ones() -> None:
    run = Run.of_events(Stream("a").finish())
    with pytest.raises(ValueError, match=r"no event kind 'senT'.*sent"):
        run.events(kinds=["senT"])
    with pytest.raises(IndexError, match="no event 99"):
        run.event(99)


@given(streams())
@settings(max_examples=40, deadline=None)
def test_supersteps_and_arrivals(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    for scope in sorted({e.scope for e in events}):
        spans = run.supersteps(scope)
        began = [e for e in events if isinstance(e, ev.SuperstepStarted) and e.scope == scope]
        over = {
            e.superstep: e
            for e in events
            if isinstance(e, (ev.SuperstepCompleted, ev.SuperstepFailed)) and e.scope == scope
        }
        commits = {e.superstep: e.seq for e in events if isinstance(e, ev.Committed) and e.scope == scope}
        assert [(s.superstep, s.first, s.t0, s.deliveries) for s in spans] == [
            (e.superstep, e.seq, e.t, e.deliveries) for e in began
        ]
        for span in spans:
            end = over.get(span.superstep)
            kind = "open" if end is None else "completed" if isinstance(end, ev.SuperstepCompleted) else "failed"
            assert span.outcome == kind
            assert span.committed == commits.get(span.superstep, 0)
            assert (span.last, span.t1) == (events[-1].seq, events[-1].t) if end is None else (end.seq, end.t)
            arrived = [
                e
                for e in events
                if isinstance(e, ev.BarrierArrived) and e.scope == scope and e.superstep == span.superstep
            ]
            assert [(a.executor, a.seq, a.t, a.idle_ns) for a in run.arrivals(span.superstep, scope)] == [
                (e.executor, e.seq, e.t, arrived[-1].t - e.t) for e in arrived
            ]
        for event in events:
            inside = [s for s in spans if s.first <= event.seq <= s.last]
            assert run.superstep_at(event.seq, scope) == (inside[0] if inside else None)


@given(streams())
@settings(max_examples=40, deadline=None)
def test_invocations_and_deliveries(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    delivered = [e for e in events if isinstance(e, ev.Delivered)]
    started = {e.inv: e for e in events if isinstance(e, ev.HandlerStarted)}
    ended = {e.inv: e for e in events if isinstance(e, ev.HandlerEnded)}
    found = run.deliveries()
    assert [one.inv for one in found] == [e.inv for e in delivered]
    for one, event in zip(found, delivered, strict=True):
        assert one == run.invocation(event.inv)
        start, end = started.get(event.inv), ended.get(event.inv)
        assert (one.executor, one.scope, one.superstep, one.delivered, one.t_delivered, one.messages, one.sources) == (
            event.executor, event.scope, event.superstep, event.seq, event.t, event.messages, event.sources,
        )  # fmt: skip
        assert (one.started, one.t_started, one.handler) == (
            (start.seq, start.t, start.handler) if start else (0, 0, "")
        )
        assert (one.ended, one.t_ended, one.outcome) == ((end.seq, end.t, end.outcome) if end else (0, 0, ""))
    for first in range(1, run.last + 1, 9):
        for last in (first, first + 5, run.last):
            alive = [o for o in found if o.delivered <= last and (not o.ended or o.ended >= first)]
            # a failed superstep leaves invocations that never end: they are over with it
            alive = [o for o in alive if o.ended or o.superstep == _superstep(run, first, o.scope)]
            assert [o for o in run.invocations(first, last) if o.ended or o in alive] == alive
    assert run.deliveries(superstep=2) == [o for o in found if o.superstep == 2 and o.scope == 0]
    assert run.deliveries("a") == [o for o in found if o.executor == "a"]


def _superstep(run: Run, seq: int, scope: int) -> int:
    span = run.superstep_at(seq, scope)
    return 0 if span is None else span.superstep


@given(streams())
@settings(max_examples=40, deadline=None)
def test_messages(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    sent = [e for e in events if isinstance(e, ev.Sent)]
    found = {}
    for event in sent:
        message = found[event.message] = run.message(event.message)
        assert (message.id, message.source, message.sent, message.inv, message.number, message.target) == (
            event.message, event.executor, event.seq, event.inv, event.number, event.target,
        )  # fmt: skip
        assert message.payload == event.payload
        assert message.deliveries == [
            (e.inv, e.executor, e.seq) for e in events if isinstance(e, ev.Delivered) and event.message in e.messages
        ]
        assert message.routed == [
            (e.seq, e.edge, e.target, e.decision, e.reason)
            for e in events
            if isinstance(e, ev.Routed) and e.message == event.message
        ]
        dropped = [e.reason for e in events if isinstance(e, ev.Dropped) and e.message == event.message]
        assert message.dropped == (dropped[0] if dropped else None)
    if isinstance(events[1], ev.Resumed):
        resumed = 2
        (waiting,) = events[1].waiting
        (number,) = waiting.messages
        given = run.message(number)
        assert (given.source, given.sent, given.payload) == (waiting.sources[0], 0, waiting.payload)
        found = {number: given, **found}
    else:
        resumed = 0
        given = run.message(0)
        assert (given.source, given.sent, given.payload, len(given.deliveries)) == ("", 0, run.started.input, 1)
    for first in range(1, run.last + 1, 9):
        for last in (first, first + 5, run.last):
            expected = [
                m.id
                for m in found.values()
                if (m.sent or resumed) <= last and max([m.sent, *(d.seq for d in m.deliveries)]) >= first
            ]
            assert [m.id for m in run.messages(first, last) if m.id] == expected


def test_a_message_that_waits_in_a_fan_in_is_under_way_all_that_time() -> None:
    stream = Stream("a", "b")
    (inv,) = stream.begin()
    stream.start(inv)
    early = stream.send(inv, 1, "b")
    stream.send(inv, 1, "a")
    stream.end(inv)
    stream.commit()
    held = [m for m in stream.mail if m.id == early]
    for _ in range(3):
        stream.mail = [m for m in stream.mail if m.id != early]
        (inv,) = stream.begin()
        stream.start(inv)
        stream.send(inv, 1, "a")
        stream.end(inv)
        stream.commit()
    stream.mail = held
    (inv,) = stream.begin()
    stream.start(inv)
    stream.end(inv)
    stream.commit()
    run = Run.of_events(stream.finish())
    middle = run.supersteps()[2].first
    assert early in [m.id for m in run.messages(middle, middle + 2)]


@given(streams(), st.integers(1, 30), st.integers(1, 40), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_the_overview_counts_every_event_once(events: list[AnyEvent], width: int, first: int, more: int) -> None:
    run = Run.of_events(events)
    first = min(first, run.last)
    last = min(first + more, run.last)
    buckets = run.overview(width, first, last)
    assert len(buckets) == min(width, last - first + 1)
    assert [b.first for b in buckets] == [first, *(b.last + 1 for b in buckets[:-1])]
    assert buckets[-1].last == last
    for bucket in buckets:
        part = events[bucket.first - 1 : bucket.last]
        assert bucket.events == len(part)
        assert bucket.writes == sum(isinstance(e, ev.StateWritten) for e in part)
        assert bucket.findings == sum(isinstance(e, ev.Found) for e in part)
        assert bucket.lock_waits == sum(isinstance(e, ev.LockWaiting) for e in part)
        assert bucket.errors == sum(map(_bad, part))


def _bad(event: AnyEvent) -> bool:
    match event:
        case ev.SuperstepFailed():
            return True
        case ev.HandlerEnded(outcome="failed" | "abandoned"):
            return True
        case ev.RunEnded(status=status):
            return status != "completed"
        case ev.EffectEnded(error=error) | ev.Checkpointed(error=error):
            return error is not None
    return False


@given(streams())
@settings(max_examples=30, deadline=None)
def test_counts_findings_and_outputs(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    kinds = Counter(type(e) for e in events)
    counts = run.counts()
    assert (counts.events, counts.deliveries, counts.messages) == (len(events), kinds[ev.Delivered], kinds[ev.Sent])
    assert counts.lock_acquisitions == kinds[ev.LockAcquired]
    assert counts.state_writes == sum(isinstance(e, ev.StateWritten) and e.op != "undo" for e in events)
    assert counts.supersteps == sum(isinstance(e, ev.SuperstepStarted) and e.scope == 0 for e in events)
    assert counts.barriers == sum(isinstance(e, ev.Committed) and e.scope == 0 for e in events)
    assert run.findings() == [of_event(e, "run-1") for e in events if isinstance(e, ev.Found)]
    commits = {e.superstep for e in events if isinstance(e, ev.Committed) and e.scope == 0}
    ranks = {executor.id: executor.rank for executor in run.graph.executors}
    outputs = [e for e in events if isinstance(e, ev.OutputYielded) and e.scope == 0 and e.superstep in commits]
    assert run.outputs() == sorted(outputs, key=lambda e: (e.superstep, ranks[e.executor], e.number))


def test_lanes_put_sub_workflows_under_their_host() -> None:
    stream = Stream("z", "b")
    (inv,) = stream.begin()
    stream.start(inv)
    child = stream.sub(inv, "y", "x")
    (inner,) = child.begin()
    child.start(inner)
    grandchild = child.sub(inner, "deep")
    (innermost,) = grandchild.begin()
    grandchild.start(innermost)
    grandchild.end(innermost)
    grandchild.commit()
    grandchild.finish()
    child.end(inner)
    child.commit()
    child.finish()
    stream.end(inv)
    stream.commit()
    run = Run.of_events(stream.finish())
    assert [(lane.executor, lane.depth, lane.parent, lane.rank) for lane in run.lanes()] == [
        ("z", 0, "", 0),
        ("z/y", 1, "z", 1),
        ("z/y/deep", 2, "z/y", 2),
        ("z/x", 1, "z", 3),
        ("b", 0, "", 4),
    ]


def test_the_index_is_built_step_by_step_and_can_be_stopped() -> None:
    run = Run.of_events(long_stream(60_000))
    assert not run.index_ready
    shares: list[float] = []

    def stop_at_once(share: float) -> bool:
        shares.append(share)
        return False

    assert not run.build_index(stop_at_once)
    assert 0 < shares[0] < 1

    def go_on(share: float) -> bool:
        shares.append(share)
        return True

    assert run.build_index(go_on)
    assert run.index_ready
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_find_looks_both_ways_and_can_be_stopped() -> None:
    stream = Stream("a")
    (inv,) = stream.begin()
    stream.start(inv)
    for i in range(3_000):
        stream.set(inv, "k", {"n": i, "name": f"Item {i}"})
    stream.end(inv)
    stream.commit()
    run = Run.of_events(stream.finish())
    seqs = [write.seq for write in run.writes("k")]
    assert run.find("item 2500", 1) == seqs[2500]
    assert run.find("Item 2500", 1) == seqs[2500]
    assert run.find("ITEM 2500", 1) is None
    assert run.find("item 7", seqs[10]) == seqs[70]
    assert run.find("item 7", seqs[10], backwards=True) == seqs[8]  # what it replaced
    assert run.find("superstep-c", 1) == run.last - 1
    assert run.find("nowhere at all", 1) is None
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) > 2

    searched = run.search("nowhere at all", 1, stop=stop)
    assert (searched.hit, searched.done) == (None, False)
    assert 0 < searched.reached < run.last
    assert run.search("nowhere at all", 1, limit_s=0).done is False


def test_events_that_are_no_run_are_refused() -> None:
    from stepscope_tracing import RecordingError

    events = random_stream(random.Random(1))
    for wrong in ([], events[1:], [*events[:3], *events[4:]]):
        with pytest.raises(RecordingError, match="these events are no run"):
            Run.of_events(wrong)


def test_what_comes_before_the_first_superstep_of_a_resumed_run_belongs_to_the_one_before() -> None:
    run = Run.of_events(random_stream(random.Random(1), resumed=True))
    resumed = run.event(2)
    assert isinstance(resumed, ev.Resumed)
    assert run.events(superstep=resumed.superstep) == [resumed]
