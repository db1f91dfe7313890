"""Locks at every moment, against a replay of the lock events one by one."""

from __future__ import annotations

from hypothesis import given, settings

from stepscope import events as ev
from stepscope.events import AnyEvent
from stepscope_tracing import Run
from stepscope_tracing.model import LockState
from support.random_streams import streams
from support.streams import Stream, live


class Replayed:
    """Holder and queue of each key of one scope."""

    def __init__(self) -> None:
        self.holder: dict[str, int] = {}
        self.queue: dict[str, list[int]] = {}
        self.ops: dict[tuple[str, int], str] = {}

    def take(self, event: AnyEvent) -> None:
        match event:
            case ev.LockWaiting():
                self.queue.setdefault(event.key, []).append(event.inv)
                self.ops[event.key, event.inv] = event.op
            case ev.LockAcquired():
                self.leave(event.key, event.inv)
                self.holder[event.key] = event.inv
            case ev.LockReleased():
                del self.holder[event.key]
                self.queue[event.key] = [inv for inv in self.queue.get(event.key, []) if inv in event.queue]
            case ev.StateRead() | ev.StateWritten():
                self.leave(event.key, event.inv)
            case ev.HandlerEnded():
                for key in self.queue:
                    self.leave(key, event.inv)

    def leave(self, key: str, inv: int) -> None:
        self.queue[key] = [waiter for waiter in self.queue.get(key, []) if waiter != inv]


@given(streams(acts=8))
@settings(max_examples=60, deadline=None)
def test_locks_at_every_event_are_the_replayed_ones(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    for scope in sorted({e.scope for e in events}):
        replayed = Replayed()
        for event in events:
            if event.scope == scope:
                replayed.take(event)
            states = run.locks_at(event.seq, scope)
            expected = {key for key, queue in replayed.queue.items() if queue} | set(replayed.holder)
            assert set(states) == expected
            for key, state in states.items():
                assert [waiter.inv for waiter in state.queue] == replayed.queue.get(key, [])
                assert state.holder == replayed.holder.get(key, 0)
                assert [(w.inv, w.op) for w in state.queue] == [(w.inv, replayed.ops[key, w.inv]) for w in state.queue]


@given(streams(acts=8))
@settings(max_examples=40, deadline=None)
def test_every_use_is_listed_with_its_times(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    uses = run.locks()
    times = {e.seq: e.t for e in events}
    times[0] = 0
    assert sorted(u.acquired_seq for u in uses if u.op == "hold" and u.acquired_seq) == [
        e.seq for e in events if isinstance(e, ev.LockAcquired)
    ]
    assert sorted(u.wait_seq for u in uses if u.wait_seq) == [e.seq for e in events if isinstance(e, ev.LockWaiting)]
    assert sorted(u.released_seq for u in uses if u.op == "hold" and u.released_seq) == [
        e.seq for e in events if isinstance(e, ev.LockReleased)
    ]
    for use in uses:
        assert (use.t_wait, use.t_acquired, use.t_released) == (
            times[use.wait_seq], times[use.acquired_seq], times[use.released_seq],
        )  # fmt: skip
        if use.wait_seq:
            waiting = run.event(use.wait_seq)
            assert isinstance(waiting, ev.LockWaiting)
            assert (use.inv, use.key, use.op, use.holder_when_waiting, use.executor) == (
                waiting.inv, waiting.key, waiting.op, waiting.holder, waiting.executor,
            )  # fmt: skip
            assert use.acquired_seq == 0 or use.acquired_seq > use.wait_seq
        if use.op != "hold" and use.acquired_seq:
            performed = run.event(use.acquired_seq)
            assert isinstance(performed, (ev.StateRead, ev.StateWritten))
            assert (performed.inv, performed.key) == (use.inv, use.key)


def test_a_lock_goes_from_one_to_the_next() -> None:
    stream = Stream("a", "b", "c", keys=[live("k", 0)])
    for target in ("a", "b", "c"):
        stream.mail = [*stream.mail, stream.mail[0].__class__(0, "", 0, target, stream.mail[0].payload)]
    invs = stream.begin()[1:]
    for inv in invs:
        stream.start(inv)
    a, b, c = invs
    stream.hold(a, "k")
    stream.hold(b, "k")
    stream.get(c, "k")
    waiting = stream.events[-1].seq
    stream.release(a, "k")
    released = next(e.seq for e in stream.events if isinstance(e, ev.LockReleased))
    stream.release(b, "k")
    run = Run.of_events(stream.events)
    assert run.locks_at(waiting)["k"] == LockState(
        a,
        "a",
        [(b, "b", "hold", waiting - 1), (c, "c", "get", waiting)],  # type: ignore[list-item]
    )
    assert (run.locks_at(released)["k"].holder, run.locks_at(released + 1)["k"].holder) == (0, b)
    assert [w.inv for w in run.locks_at(released + 1)["k"].queue] == [c]
    assert run.locks_at(run.last) == {}


def test_a_waiter_that_is_cancelled_has_given_up() -> None:
    stream = Stream("a", keys=[live("k", 0)])
    stream.mail = [stream.mail[0], stream.mail[0]]
    one, two = stream.begin()
    stream.start(one)
    stream.start(two)
    stream.hold(one, "k")
    stream.hold(two, "k")
    stream.end(two, "cancelled")
    ended = next(e.seq for e in stream.events if isinstance(e, ev.HandlerEnded))
    run = Run.of_events(stream.events)
    use = run.locks()[1]
    assert (use.inv, use.acquired_seq, use.released_seq, use.given_up) == (two, 0, 0, ended)
    assert run.locks_at(ended - 1)["k"].queue[0].inv == two
    assert run.locks_at(ended)["k"].queue == []
