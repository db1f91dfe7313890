"""The rules that every run's event stream keeps, as one checker: `check_stream(events)`.

Numbers without gaps, scopes inside each other, supersteps one after another, inboxes in rank order, operations only
from running invocations, one terminal event each, barriers in canonical order, commits that agree with the writes
before them, locks with one owner, effects that end once. A resumed run goes on in the middle, as its `Resumed` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stepscope import events as ev
from stepscope.values import Value

from .stream_state import Locks, ScopeState


class _Inv:
    def __init__(self, event: ev.Delivered) -> None:
        self.event = event
        self.started = self.ended = False
        self.outcome = ""
        self.effects = 0
        self.open_effects: set[int] = set()


class _Scope:
    def __init__(self, started: ev.RunStarted) -> None:
        self.started = started
        self.ranks = {one.id: one.rank for one in started.graph.executors}
        self.state = ScopeState(started.graph.keys)
        self.superstep = 0
        self.phase = "between"
        self.invs: dict[int, _Inv] = {}
        self.sent: dict[int, ev.Sent] = {}
        self.decided: list[int] = []
        self.expected = 1
        """Deliveries of the next superstep."""
        self.deliveries = 0
        self.numbers: dict[tuple[str, str], int] = {}
        self.arrived: list[str] = []
        self.outputs = self.all_outputs = 0
        self.buffered: dict[tuple[int, str | None], str] = {}
        """The sources of messages that waited in a fan-in, of this superstep or before, by message and target."""
        self.may_arrive: set[int] = {0}
        self.locks = Locks()
        self.kept = -1
        """The barrier of the latest checkpoint, tried or kept."""
        self.not_kept = False


class Rules:
    """Feeds on one run's events in order; an `AssertionError` names the first event that breaks a rule."""

    def __init__(self) -> None:
        self.seq = self.t = self.inv = self.message = 0
        self.scopes: dict[int, _Scope] = {}
        self.hosts: dict[int, _Inv] = {}
        self.over = False

    def feed(self, event: Any) -> None:
        """Check one event."""
        assert not self.over, "nothing comes after the run's end"
        assert event.seq == self.seq + 1, f"seq {event.seq} after {self.seq}"
        assert event.t >= self.t, "time goes back"
        self.seq, self.t = event.seq, event.t
        if isinstance(event, ev.RunStarted):
            self._begin(event)
            return
        scope = self.scopes.get(event.scope)
        assert scope is not None, "an event outside its scope's run"
        assert event.superstep == scope.superstep or isinstance(
            event, (ev.SuperstepStarted, ev.RunEnded, ev.Resumed)
        ), f"superstep {event.superstep}, expected {scope.superstep}"
        if scope.not_kept:
            assert isinstance(event, ev.Found), "a checkpoint that could not be written is reported at once (BAR-6)"
            assert event.finding == "checkpoint-failed"
            scope.not_kept = False
        getattr(self, "_" + event.kind.replace("-", "_"))(scope, event)

    def _begin(self, event: ev.RunStarted) -> None:
        assert event.superstep == 0
        assert event.scope not in self.scopes
        if event.scope == 0:
            assert event.seq == 1
        else:
            host = self.hosts[event.scope]
            assert host.started, "a sub-workflow inside an invocation that is not running"
            assert not host.ended, "a sub-workflow inside an invocation that is over"
            assert all(one.id.startswith(host.event.executor + "/") for one in event.graph.executors)
        assert [one.rank for one in event.graph.executors] == list(range(len(event.graph.executors)))
        self.scopes[event.scope] = _Scope(event)

    def _run_ended(self, scope: _Scope, event: ev.RunEnded) -> None:
        unannounced = scope.phase == "committed" and scope.kept >= 0 and event.status != "completed"
        assert scope.phase in ("between", "failed") or (unannounced and event.scope == 0), (
            f"the run ends while its superstep is {scope.phase}"
        )
        completed = scope.superstep - (scope.phase == "failed")
        assert event.supersteps == event.superstep == completed
        assert event.outputs == scope.all_outputs
        assert (event.status == "completed") == (event.error is None)
        if scope.phase == "failed":
            assert event.status != "completed"
        if event.status == "completed":
            assert scope.expected == 0, "the run is over though something is to be delivered"
        del self.scopes[event.scope]
        if event.scope == 0:
            assert not self.scopes, "a sub-workflow outlives the run"
            self.over = True

    def _resumed(self, scope: _Scope, event: ev.Resumed) -> None:
        assert event.seq == 2, "a run is resumed at its beginning"
        assert event.scope == 0
        scope.superstep = scope.kept = event.superstep
        scope.state.resume(event.changes)
        scope.all_outputs = event.outputs
        self.inv, self.message = event.invocations, event.messages
        scope.expected = sum(not one.edge for one in event.waiting)
        scope.may_arrive = {message for one in event.waiting for message in one.messages}
        scope.buffered = {(one.messages[0], one.target): one.sources[0] for one in event.waiting if one.edge}
        for one in event.waiting:
            assert len(one.messages) == len(one.sources)
            assert max(one.messages) <= event.messages
            assert one.target in scope.ranks

    # -- a superstep ---------------------------------------------------------------------------------------------

    def _superstep_started(self, scope: _Scope, event: ev.SuperstepStarted) -> None:
        assert scope.phase == "between"
        assert event.superstep == scope.superstep + 1
        ranks = [scope.ranks[one] for one in event.executors]
        assert ranks == sorted(set(ranks)), "not in rank order"
        assert event.deliveries == scope.expected > 0, f"{event.deliveries} deliveries, expected {scope.expected}"
        scope.superstep = event.superstep
        scope.phase = "delivering"
        scope.deliveries, scope.expected = event.deliveries, 0
        scope.invs, scope.sent, scope.decided, scope.numbers, scope.arrived = {}, {}, [], {}, []
        scope.outputs = 0

    def _delivered(self, scope: _Scope, event: ev.Delivered) -> None:
        assert scope.phase == "delivering"
        assert event.inv == self.inv + 1, "invocation numbers have a gap"
        self.inv = event.inv
        self._count(scope, event.executor, "delivery", event.position)
        if scope.invs:
            before = next(reversed(scope.invs.values()))
            assert scope.ranks[event.executor] >= scope.ranks[before.event.executor], "inboxes not in rank order"
        assert set(event.messages) <= scope.may_arrive, "delivered without having been routed"
        assert len(event.sources) == len(event.messages)
        assert event.group == (len(event.messages) > 1)
        self.hosts[event.inv] = scope.invs[event.inv] = _Inv(event)
        if len(scope.invs) == scope.deliveries:
            scope.phase = "running"
            scope.may_arrive = {message for message, _ in scope.buffered}

    def _running(self, scope: _Scope, event: Any) -> _Inv:
        assert scope.phase == "running", f"an operation while the superstep is {scope.phase}"
        inv = scope.invs[event.inv]
        assert inv.event.executor == event.executor
        assert inv.started, "an operation before the handler started"
        assert not inv.ended, "an operation after the handler ended (BAR-2)"
        return inv

    def _handler_started(self, scope: _Scope, event: ev.HandlerStarted) -> None:
        assert scope.phase == "running"
        inv = scope.invs[event.inv]
        assert not inv.started
        assert all(
            other.ended for other in scope.invs.values()
            if other.event.executor == event.executor and other.event.position < inv.event.position
        ), "an executor's messages are handled one at a time, in inbox order (ORD-5)"  # fmt: skip
        inv.started = True

    def _handler_ended(self, scope: _Scope, event: ev.HandlerEnded) -> None:
        inv = self._running(scope, event)
        assert event.inv not in self.scopes or event.outcome == "abandoned", "its sub-workflow still runs"
        assert (event.outcome == "failed") == (event.error is not None)
        inv.ended, inv.outcome = True, event.outcome
        scope.locks.ended(event.inv)

    def _barrier_arrived(self, scope: _Scope, event: ev.BarrierArrived) -> None:
        assert scope.phase == "running"
        mine = [one for one in scope.invs.values() if one.event.executor == event.executor]
        assert mine
        assert all(one.outcome == "completed" for one in mine), "arrived before all was handled"
        scope.arrived.append(event.executor)
        executors = {one.event.executor for one in scope.invs.values()}
        assert event.waiting == len(executors) - len(scope.arrived)

    def _sent(self, scope: _Scope, event: ev.Sent) -> None:
        self._running(scope, event)
        assert event.message == self.message + 1, "message numbers have a gap"
        self.message = event.message
        self._count(scope, event.executor, "send", event.number)
        scope.sent[event.message] = event

    def _output(self, scope: _Scope, event: ev.OutputYielded) -> None:
        self._running(scope, event)
        self._count(scope, event.executor, "output", event.number)
        scope.outputs += 1

    @staticmethod
    def _count(scope: _Scope, executor: str, what: str, number: int) -> None:
        expected = scope.numbers.get((executor, what), 0)
        assert number == expected, f"{what} number {number}, expected {expected}"
        scope.numbers[executor, what] = expected + 1

    # -- the barrier ---------------------------------------------------------------------------------------------

    def _to_barrier(self, scope: _Scope) -> None:
        if scope.phase == "running":
            assert all(one.outcome == "completed" for one in scope.invs.values()), "not everything has finished (BAR-1)"
            assert set(scope.arrived) == {one.event.executor for one in scope.invs.values()}
            scope.phase = "routing"
        assert scope.phase == "routing"

    def _place(self, scope: _Scope, message: int) -> tuple[int, int]:
        sent = scope.sent[message]
        return scope.ranks[sent.executor], sent.number

    def _routed(self, scope: _Scope, event: ev.Routed) -> None:
        self._to_barrier(scope)
        assert scope.sent[event.message].executor == event.source
        scope.decided.append(event.message)
        if event.decision in ("delivered", "buffered"):
            scope.may_arrive.add(event.message)
        if event.decision == "buffered":
            scope.buffered[event.message, event.target] = event.source
        scope.expected += event.decision == "delivered"

    def _dropped(self, scope: _Scope, event: ev.Dropped) -> None:
        self._to_barrier(scope)
        assert event.reason
        if (event.message, event.target) in scope.buffered:  # of a group that was completed now, and that nobody takes
            assert event.why == "no-handler"
            assert scope.buffered.pop((event.message, event.target)) == event.source
        else:
            assert scope.sent[event.message].executor == event.source
            scope.decided.append(event.message)

    def _committed(self, scope: _Scope, event: ev.Committed) -> None:
        self._to_barrier(scope)
        places = [self._place(scope, message) for message in scope.decided]
        assert places == sorted(places), "barrier decisions out of canonical order (ORD-2)"
        assert set(scope.decided) == set(scope.sent), "a message was neither routed nor dropped (ORD-8)"
        assert (event.messages, event.outputs) == (len(scope.sent), scope.outputs)
        scope.all_outputs += scope.outputs
        scope.state.commit(event.changes, scope.ranks)
        scope.phase = "committed"

    def _checkpointed(self, scope: _Scope, event: ev.Checkpointed) -> None:
        assert event.scope == 0, "never inside a sub-workflow (SUB-1)"
        assert scope.phase == ("committed" if scope.superstep else "between"), "not between commit and announcement"
        assert scope.kept < event.superstep, "one checkpoint a barrier"
        assert (event.size > 0) or event.error is not None
        scope.kept = event.superstep
        scope.not_kept = event.error is not None

    def _superstep_completed(self, scope: _Scope, event: ev.SuperstepCompleted) -> None:
        assert scope.phase == "committed"
        assert scope.kept in (-1, event.superstep), "announced before its checkpoint was taken (BAR-1)"
        assert not scope.locks.owners
        scope.phase = "between"

    def _superstep_failed(self, scope: _Scope, event: ev.SuperstepFailed) -> None:
        assert scope.phase == "running", f"fails while {scope.phase}"
        assert all(one.ended for one in scope.invs.values() if one.started), "a started handler has no end (BAR-3)"
        assert not scope.locks.owners
        scope.state.revert(event.reverted)
        scope.phase = "failed"

    # -- operations ----------------------------------------------------------------------------------------------

    def _state_read(self, scope: _Scope, event: ev.StateRead) -> None:
        self._running(scope, event)
        scope.locks.touches(event)
        scope.state.read(event)

    def _state_written(self, scope: _Scope, event: ev.StateWritten) -> None:
        self._running(scope, event)
        scope.locks.touches(event)
        scope.state.write(event)

    def _lock_waiting(self, scope: _Scope, event: ev.LockWaiting) -> None:
        self._running(scope, event)
        scope.locks.waits(event)

    def _lock_acquired(self, scope: _Scope, event: ev.LockAcquired) -> None:
        self._running(scope, event)
        scope.locks.acquires(event)

    def _lock_released(self, scope: _Scope, event: ev.LockReleased) -> None:
        self._running(scope, event)
        scope.locks.releases(event)

    def _effect_started(self, scope: _Scope, event: ev.EffectStarted) -> None:
        inv = self._running(scope, event)
        inv.effects += 1
        assert event.number == inv.effects
        inv.open_effects.add(event.number)

    def _effect_ended(self, scope: _Scope, event: ev.EffectEnded) -> None:
        inv = self._running(scope, event)
        inv.open_effects.remove(event.number)
        assert (event.result is None) == (event.error is not None)

    def _timed_out(self, scope: _Scope, event: ev.TimedOut) -> None:
        self._running(scope, event)
        assert event.seconds > 0
        assert event.waiting_for

    def _finding(self, scope: _Scope, event: ev.Found) -> None:
        assert event.message
        assert event.remedy
        assert event.clause


def check_stream(events: Sequence[ev.AnyEvent], *, ended: bool = True) -> None:
    """Check a whole run; `ended=False` for one that was cut off. Raises `AssertionError` with the event's text."""
    rules = Rules()
    for event in events:
        try:
            rules.feed(event)
        except (AssertionError, KeyError) as error:
            raise AssertionError(f"{error or 'rule broken'} at {_show(event)}") from error
    assert rules.over or not ended, "the run has no end"


def _show(event: ev.AnyEvent) -> str:
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "graph"}
    shown = ", ".join(f"{k}={v!r}" if isinstance(v, Value) else f"{k}={v}" for k, v in fields.items())
    return f"{event.kind}({shown})"
