"""The handlers' side of a replay: operations, calls of sync handlers, wakings and ends wait until they are let (DET-4).

Between two suspensions a handler's events are one row in the recording too, so it needs leave only where it wakes: from
something the runtime does not control, from a lock, from effects (`gates`). In a deterministic recording it went on to
its next schedule point there, in a concurrent one it stayed, which matters to a handler that is cancelled. Effects call
nothing: their results are admitted where they were recorded (DET-3).
"""

from __future__ import annotations

import asyncio
import heapq
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from ..drivers.effects import Effect, EffectFuture
from ..drivers.options import RunOptions
from ..drivers.parked import ParkingDriver
from ..drivers.parking import Parked
from ..drivers.round import Answer, Round
from ..drivers.threads import Question
from ..drivers.timeouts import Countdown
from ..drivers.turns import Turns
from ..errors import WorkflowError
from ..events import AnyEvent, EffectEnded, LockReleased, LockWaiting, TimedOut
from ..journal import Journal
from ..kernel import Invocation, Ticket
from ..kernel.ops import Acquire, BeginEffect, EndEffect, Op
from .admission import Results
from .calls import HeldCall, HeldThreadPort
from .checker import Checker
from .ending import is_unwinding
from .gates import EndGate, gated


class HeldDriver(ParkingDriver):
    """A driver under which handlers do nothing that makes an event unless they are let."""

    def __init__(self, journal: Journal, options: RunOptions, seed: int, checker: Checker, results: Results) -> None:
        """`options.mode` is the recorded run's."""
        super().__init__(journal, options, seed)
        self._threads = HeldThreadPort(self, self)
        self._results = results
        self.checker = checker
        self.script = checker.script
        self.stays = options.mode == "concurrent"
        """Whether a handler that was cancelled stood at a foreign await, and not at a schedule point."""
        self.turns = Turns(self.loop)
        checker.moved = self.turns.news
        self.active: set[Invocation] = set()
        """Those that were told to go on and have not come to the next suspension yet."""
        self.gates: dict[Invocation, asyncio.Future[None]] = {}
        self.at_end: set[Invocation] = set()
        """Those whose handlers have nothing left to do."""
        self.calls: dict[Invocation, deque[HeldCall]] = {}
        self.coroutines: dict[Invocation, Coroutine[Any, Any, None]] = {}
        self.awaits: dict[Invocation, Any] = {}
        self.have_children: set[Invocation] = set()
        self.told: set[Invocation] = set()
        """Sync handlers that know that they were cancelled."""
        self._same_step: set[Any] = set()
        """What operations wait on that did not have to wait in the recorded run."""
        self._granted_ops: dict[Any, Op] = {}
        """What those waited on that had to wait, and what for."""

    @abstractmethod
    def is_to_be_stopped(self, inv: Invocation, event: AnyEvent) -> bool:
        """Whether it has to be cancelled before it goes on to `event`."""

    def forget(self) -> None:
        """A superstep of the run is over."""
        for one in (
            self.coroutines, self.awaits, self.have_children, self.told, self.at_end, self._same_step,
            self._granted_ops,
        ):  # fmt: skip
            one.clear()

    def task(self, inv: Invocation) -> asyncio.Task[None]:
        """See `Driver`."""
        if inv.handler.runs == "task":
            inv.handler = EndGate(inv.handler, self, inv)
        coroutine = self.coroutines[inv] = self.invoke(inv)
        return asyncio.Task(gated(self, inv, coroutine), loop=self.loop, context=inv.round.context.copy())

    async def perform(self, inv: Invocation, op: Op) -> Any:
        """See `Driver`."""
        if self.checker.over and inv.outcome is None:
            await asyncio.sleep(0)
            raise asyncio.CancelledError
        return await super().perform(inv, op)

    def from_child_task(self, inv: Invocation) -> None:
        """See `ParkingDriver`."""
        self.have_children.add(inv)

    def arrived(self, parked: Parked) -> None:
        """See `ParkingDriver`."""
        self.turns.news()

    def hold(self, inv: Invocation, question: Question, answer: Answer) -> None:
        """See `Holder`."""
        call = HeldCall(question, answer)
        if self.checker.over and inv.outcome is None:
            call.cancel()
        elif inv.outcome is not None:
            call.put()
        else:
            self.calls.setdefault(inv, deque()).append(call)
            self.turns.news()

    def interrupt_waiting(self, inv: Invocation) -> bool:
        """See `Driver`."""
        self.told.add(inv)
        calls = self.calls.pop(inv, ())
        for call in calls:
            call.cancel()
        return super().interrupt_waiting(inv) or bool(calls)

    def ended(self, inv: Invocation) -> None:
        """See `Driver`."""
        this: Round = inv.round
        index = this.running.pop(inv, None)
        self.refuse_parked(inv)
        for call in self.calls.pop(inv, ()):
            call.put()  # refused by the fence
        self.open(inv)  # one that was abandoned may stand there
        self.active.discard(inv)
        if index is not None:
            if this.kernel.failures:
                this.failing = True
            if not this.failing and this.position[index] < len(this.inboxes[index]):
                heapq.heappush(this.ready, index)
            self.see_whether_finished(this)
        self.turns.news()

    def see_whether_finished(self, this: Round) -> None:
        """Whether all have ended: a sub-workflow's host goes on then."""
        if this.running or (this.ready and not this.failing):
            return
        this.finished = True
        if this.host is not None:
            for parked in self.parked.of(this.host):
                if parked.joins is this:
                    self.parked.remove(parked)
                    parked.answer(None, None)

    # -- gates ---------------------------------------------------------------------------------------------------

    def suspended(self, inv: Invocation, awaited: Any) -> None:
        """See `Keeper`."""
        self.awaits[inv] = awaited
        if inv in self.active:
            self.active.discard(inv)
            self.turns.news()

    def may_go_on(self, inv: Invocation, awaited: Any) -> bool:
        """See `Keeper`."""
        if awaited in self._same_step:
            self._same_step.discard(awaited)
            return True
        if self.checker.over or inv.outcome is not None:
            return True
        if inv.cancelling and any(parked.joins is not None for parked in self.parked.of(inv)):
            return True  # a host: it has to pass its cancellation on
        event = self.script.expected
        if event is not None and self.script.actor == inv.id:
            return not self.is_to_be_stopped(inv, event) and self.gone_from_queue(inv, event) is None
        return self._is_free(inv, awaited)

    def _is_free(self, inv: Invocation, awaited: Any) -> bool:
        """Whether it may go on before its turn: only to where it stood when it was cancelled, if it was."""
        following = self.script.next_of(inv.id)
        if following is None or isinstance(following, TimedOut) or inv.handler.runs != "task":
            return False
        if not self._knows_by_then(inv, following):
            return True
        op = self._granted_ops.pop(awaited, None)
        return not self.stays if op is None else self._has_entered(inv, op)

    def _has_entered(self, inv: Invocation, op: Op) -> bool:
        """Whether it ran again after a key had been handed over to it, and was not cancelled before."""
        if not isinstance(op, Acquire):
            return False
        rest = self.script.rest_of(inv.id)
        left = next((one for one in rest if isinstance(one, LockReleased) and one.key in op.keys), None)
        return left is None or left.reason != "ended" or not self._knows_by_then(inv, left)

    def _knows_by_then(self, inv: Invocation, event: AnyEvent) -> bool:
        """Whether it has been cancelled when this happens."""
        at: Invocation | None = inv
        while at is not None:
            failure = self.script.failure(at.round.kernel.scope, at.round.kernel.superstep)
            if failure is not None and failure < event.seq:
                return True
            at = at.round.host
        return is_unwinding(self.script, inv.id, event)

    def gate(self, inv: Invocation, *, at_end: bool) -> asyncio.Future[None]:
        """See `Keeper`."""
        gate = self.loop.create_future()
        if inv.outcome is not None or self.checker.over:
            gate.set_result(None)
            return gate
        if at_end:
            self.at_end.add(inv)
        self.gates[inv] = gate
        if inv in self.active:
            self.active.discard(inv)
        self.turns.news()
        return gate

    def open(self, inv: Invocation) -> bool:
        """Let one that waits at its gate go on; whether there was one."""
        gate = self.gates.pop(inv, None)
        if gate is None or gate.done():
            return False
        gate.set_result(None)
        self.active.add(inv)
        return True

    # -- effects -------------------------------------------------------------------------------------------------

    def effect(
        self, inv: Invocation, name: str, line: int, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> EffectFuture:
        """See `Driver`."""
        if self.checker.over:
            raise asyncio.CancelledError
        return super().effect(inv, name, line, function, args)

    def begin_effect(self, effect: Effect, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Nothing is called (DET-3)."""
        self._results.learn(effect.inv, effect.number, function)

    def asked(self, effect: Effect) -> None:
        """See `Driver`."""

    def dropped(self, effect: Effect) -> None:
        """See `Driver`."""

    def ready(self, effect: Effect) -> None:
        """See `Driver`."""

    def instant(self, inv: Invocation, name: str, line: int, make: Callable[[], Any]) -> Any:
        """The recorded result (DET-3)."""
        number = inv.kernel.apply(inv, BeginEffect(name, line))
        event = self.script.next_of(inv.id)
        if not self.checker.over and isinstance(event, EffectEnded) and (event.inv, event.number) == (inv.id, number):
            try:
                value = self._results.value(inv, event)
            except WorkflowError as problem:
                self.checker.fail(problem)
            else:
                inv.kernel.apply(inv, EndEffect(number, name, value, None))
                return value.fresh()
        elif not self.checker.over:
            self.checker.stuck(f"{inv.executor!r} asks for {name}, whose result is not what was recorded next")
        raise asyncio.CancelledError

    def take_result(self, inv: Invocation, effect: Effect, event: EffectEnded) -> None:
        """Admit a recorded result."""
        try:
            effect.task = self._results.outcome(self.loop, inv, event)
        except WorkflowError as problem:
            self.checker.fail(problem)
        else:
            self.admit(effect)

    def in_flight(self, inv: Invocation, event: EffectEnded) -> Effect | None:
        """The effect that the event ends."""
        return next((one for one in self._effects.get(inv, ()) if one.number == event.number), None)

    # -- operations ----------------------------------------------------------------------------------------------

    def apply(self, parked: Parked) -> None:
        """Perform a pending operation."""
        inv, op, result, error = parked.inv, parked.op, None, None
        assert op is not None
        try:
            result = inv.kernel.apply(inv, op)
        except Exception as raised:
            error = raised
        if type(result) is Ticket:
            parked.ticket = result
            result.wake = lambda: self._granted(parked)
            return
        self.parked.remove(parked)
        if parked.waiter is not None:
            self._same_step.add(parked.waiter)
            if inv not in self.have_children:
                self.active.add(inv)
        parked.answer(result, error)

    def _granted(self, parked: Parked) -> None:
        """A key was handed over: its new owner goes on when its turn comes."""
        ticket = parked.ticket
        assert ticket is not None
        assert parked.op is not None
        if parked.waiter is not None:
            self._granted_ops[parked.waiter] = parked.op
            if parked.waiter.cancelled():
                return
        elif isinstance(parked.op, Acquire) and not self._has_entered(parked.inv, parked.op):
            return  # its thread was cancelled before it ran again
        self.parked.remove(parked)
        parked.answer(ticket.result, ticket.error)

    @staticmethod
    def gone_from_queue(inv: Invocation, event: AnyEvent) -> Invocation | None:
        """Somebody who waits for a key here and was cancelled meanwhile in the recorded run, which makes no event."""
        if not isinstance(event, (LockReleased, LockWaiting)):
            return None
        for key, _, queue in inv.kernel.table():
            if key == event.key:
                return next((one for one in queue if one is not inv and one.id not in event.queue), None)
        return None

    def pending(self, inv: Invocation) -> list[Parked]:
        """Its operations that have not been performed."""
        return [
            parked
            for parked in self.parked.of(inv)
            if parked.op is not None
            and parked.ticket is None
            and (parked.waiter is None or not parked.waiter.cancelled())
        ]

    def around(self, inv: Invocation) -> list[Invocation]:
        """The invocation and those it is hosted by, outermost first."""
        chain = [inv]
        while chain[0].round.host is not None:
            chain.insert(0, chain[0].round.host)
        return chain

    def countdown(self, inv: Invocation, timer: Countdown) -> None:
        """See `Driver`. Timeouts fire where they were recorded."""

    def wants_turn(self, inv: Invocation) -> bool:
        """See `Driver`."""
        return inv in self.gates
