"""The driver of a replay: whoever made the next recorded event gets to act, until it has happened again (DET-4).

Handlers run as in any mode. Between two suspensions a handler's events are one row in the recording too, so it needs
leave only where it wakes: from something the runtime does not control, from a lock, from effects (`gates`). In a
deterministic recording it went on to its next schedule point there, in a concurrent one it stayed, which matters to a
handler that is cancelled. Effects call nothing: their results are admitted where they were recorded (DET-3).
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from ..drivers.describe import awaited_in
from ..drivers.effects import Effect, EffectFuture
from ..drivers.options import RunOptions
from ..drivers.parked import ParkingDriver
from ..drivers.parking import Parked
from ..drivers.round import Answer, Round
from ..drivers.threads import Question
from ..drivers.timeouts import Countdown
from ..drivers.turns import Turns
from ..errors import WorkflowError
from ..events import AnyEvent, EffectEnded, HandlerEnded, HandlerStarted, LockReleased, LockWaiting, TimedOut
from ..journal import Journal
from ..kernel import Inboxes, Invocation, Kernel, Ticket
from ..kernel.ops import Acquire, BeginEffect, EndEffect, Op
from .admission import Results
from .calls import HeldCall, HeldThreadPort
from .checker import Checker
from .ending import ends_abandoned, is_cancelled, is_unwinding
from .fits import fits, is_silent
from .gates import EndGate, gated

_LOOK_AROUND = 0.5
"""Seconds to wait for another of a handler's tasks, before what one of them does counts as the difference."""


class Stuck(Exception):
    """What comes next in the recording cannot happen; says why."""


class Follower(ParkingDriver):
    """See the module."""

    def __init__(self, journal: Journal, options: RunOptions, seed: int, checker: Checker, results: Results) -> None:
        """`options.stall_timeout` bounds the wait for something foreign, in seconds."""
        super().__init__(journal, options, seed)
        self._threads = HeldThreadPort(self, self)
        self._checker = checker
        self._script = checker.script
        self._results = results
        self._stays = options.mode == "concurrent"
        self.turns = Turns(self.loop)
        checker.moved = self.turns.news
        self._known: dict[int, Invocation] = {}
        """The invocations of this superstep, sub-workflows' included."""
        self._active: set[Invocation] = set()
        """Those that were told to go on and have not come to the next suspension yet."""
        self._gates: dict[Invocation, asyncio.Future[None]] = {}
        self._at_end: set[Invocation] = set()
        self._calls: dict[Invocation, deque[HeldCall]] = {}
        self._same_step: set[Any] = set()
        """What operations wait on that did not have to wait in the recorded run."""
        self._granted_ops: dict[Any, Op] = {}
        """What those waited on that had to wait, and what for."""
        self._coroutines: dict[Invocation, Coroutine[Any, Any, None]] = {}
        self._awaits: dict[Invocation, Any] = {}
        self._have_children: set[Invocation] = set()
        self._told: set[Invocation] = set()
        """Sync handlers that know that they were cancelled."""
        self._cancelled = False
        self.aborted = False
        """Whether it was the replay that was cancelled, and not the recorded run."""

    # -- handlers' side ------------------------------------------------------------------------------------------

    def task(self, inv: Invocation) -> asyncio.Task[None]:
        """See `Driver`."""
        if inv.handler.runs == "task":
            inv.handler = EndGate(inv.handler, self, inv)
        coroutine = self._coroutines[inv] = self.invoke(inv)
        return asyncio.Task(gated(self, inv, coroutine), loop=self.loop, context=inv.round.context.copy())

    async def perform(self, inv: Invocation, op: Op) -> Any:
        """See `Driver`."""
        if self._checker.over and inv.outcome is None:
            await asyncio.sleep(0)
            raise asyncio.CancelledError
        return await super().perform(inv, op)

    def from_child_task(self, inv: Invocation) -> None:
        """See `ParkingDriver`."""
        self._have_children.add(inv)

    def arrived(self, parked: Parked) -> None:
        """See `ParkingDriver`."""
        self.turns.news()

    def hold(self, inv: Invocation, question: Question, answer: Answer) -> None:
        """See `Holder`."""
        call = HeldCall(question, answer)
        if self._checker.over and inv.outcome is None:
            call.cancel()
        elif inv.outcome is not None:
            call.put()
        else:
            self._calls.setdefault(inv, deque()).append(call)
            self.turns.news()

    def interrupt_waiting(self, inv: Invocation) -> bool:
        """See `Driver`."""
        self._told.add(inv)
        calls = self._calls.pop(inv, ())
        for call in calls:
            call.cancel()
        return super().interrupt_waiting(inv) or bool(calls)

    def ended(self, inv: Invocation) -> None:
        """See `Driver`."""
        this: Round = inv.round
        index = this.running.pop(inv, None)
        self.refuse_parked(inv)
        for call in self._calls.pop(inv, ()):
            call.put()  # refused by the fence
        self._open(inv)  # one that was abandoned may stand there
        self._active.discard(inv)
        if index is not None:
            if this.kernel.failures:
                this.failing = True
            if not this.failing and this.position[index] < len(this.inboxes[index]):
                heapq.heappush(this.ready, index)
            self._see_whether_finished(this)
        self.turns.news()

    def _see_whether_finished(self, this: Round) -> None:
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
        self._awaits[inv] = awaited
        if inv in self._active:
            self._active.discard(inv)
            self.turns.news()

    def may_go_on(self, inv: Invocation, awaited: Any) -> bool:
        """See `Keeper`."""
        if awaited in self._same_step:
            self._same_step.discard(awaited)
            return True
        if self._checker.over or inv.outcome is not None:
            return True
        if inv.cancelling and any(parked.joins is not None for parked in self.parked.of(inv)):
            return True  # a host: it has to pass its cancellation on
        event = self._script.expected
        if event is not None and self._script.actor == inv.id:
            return not (self._to_be_told(inv) or self._to_be_cancelled(inv, event))
        return self._is_free(inv, awaited)

    def _is_free(self, inv: Invocation, awaited: Any) -> bool:
        """Whether it may go on before its turn: only to where it stood when it was cancelled, if it was."""
        following = self._script.next_of(inv.id)
        if following is None or isinstance(following, TimedOut) or inv.handler.runs != "task":
            return False
        if not self._knows_by_then(inv, following):
            return True
        op = self._granted_ops.pop(awaited, None)
        return not self._stays if op is None else self._has_entered(inv, op)

    def _has_entered(self, inv: Invocation, op: Op) -> bool:
        """Whether it ran again after a key had been handed over to it, and was not cancelled before."""
        if not isinstance(op, Acquire):
            return False
        rest = self._script.rest_of(inv.id)
        left = next((one for one in rest if isinstance(one, LockReleased) and one.key in op.keys), None)
        return left is None or left.reason != "ended" or not self._knows_by_then(inv, left)

    def _knows_by_then(self, inv: Invocation, event: AnyEvent) -> bool:
        """Whether it has been cancelled when this happens."""
        at: Invocation | None = inv
        while at is not None:
            failure = self._script.failure(at.round.kernel.scope, at.round.kernel.superstep)
            if failure is not None and failure < event.seq:
                return True
            at = at.round.host
        return is_unwinding(self._script, inv.id, event)

    def gate(self, inv: Invocation, *, at_end: bool) -> asyncio.Future[None]:
        """See `Keeper`."""
        gate = self.loop.create_future()
        if inv.outcome is not None or self._checker.over:
            gate.set_result(None)
            return gate
        if at_end:
            self._at_end.add(inv)
        self._gates[inv] = gate
        if inv in self._active:
            self._active.discard(inv)
        self.turns.news()
        return gate

    def _open(self, inv: Invocation) -> bool:
        gate = self._gates.pop(inv, None)
        if gate is None or gate.done():
            return False
        gate.set_result(None)
        self._active.add(inv)
        return True

    # -- effects -------------------------------------------------------------------------------------------------

    def effect(
        self, inv: Invocation, name: str, line: int, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> EffectFuture:
        """See `Driver`."""
        if self._checker.over:
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
        event = self._script.next_of(inv.id)
        if not self._checker.over and isinstance(event, EffectEnded) and (event.inv, event.number) == (inv.id, number):
            try:
                value = self._results.value(inv, event)
            except WorkflowError as problem:
                self._checker.fail(problem)
            else:
                inv.kernel.apply(inv, EndEffect(number, name, value, None))
                return value.fresh()
        elif not self._checker.over:
            self._checker.stuck(f"{inv.executor!r} asks for {name}, whose result is not what was recorded next")
        raise asyncio.CancelledError

    def _admit(self, inv: Invocation, effect: Effect, event: EffectEnded) -> None:
        try:
            effect.task = self._results.outcome(self.loop, inv, event)
        except WorkflowError as problem:
            self._checker.fail(problem)
        else:
            self.admit(effect)

    def _in_flight(self, inv: Invocation, event: EffectEnded) -> Effect | None:
        return next((one for one in self._effects.get(inv, ()) if one.number == event.number), None)

    # -- the follower --------------------------------------------------------------------------------------------

    async def superstep(self, kernel: Kernel, inboxes: Inboxes, host: Invocation | None) -> None:
        """See `Driver`."""
        with self.round(kernel, inboxes, host) as this:
            if host is not None:
                self._known.update((inv.id, inv) for inbox in inboxes for inv in inbox)
                await self.join(this, host)
                return
            self._known = {inv.id: inv for inbox in inboxes for inv in inbox}
            try:
                await self._follow(this)
            except asyncio.CancelledError:
                self.aborted = True
                await self._shut(this)
                raise
            finally:
                self._forget()
            if self._checker.over:
                await self._shut(this)
                raise asyncio.CancelledError
            if self._script.cancelled or (self._cancelled and not kernel.failures):
                raise asyncio.CancelledError

    def _forget(self) -> None:
        for one in (
            self._coroutines,
            self._awaits,
            self._have_children,
            self._told,
            self._at_end,
            self._same_step,
            self._granted_ops,
        ):
            one.clear()

    async def _follow(self, root: Round) -> None:
        while not root.finished and not self._checker.over:
            event = self._script.expected
            assert event is not None
            if self._active:
                if not await self.turns.wait_for_news(self.options.stall_timeout):
                    self._active.clear()
                continue
            try:
                patience = self._act(root, event)
            except Stuck as stuck:
                self._checker.stuck(str(stuck))
                return
            if patience is not None and not await self.turns.wait_for_news(patience):
                self._insist(event, patience)

    def _act(self, root: Round, event: AnyEvent) -> float | None:
        """Let happen what comes next. None: done; else how many seconds to wait for news. Raises `Stuck`."""
        if isinstance(event, HandlerStarted):
            self._start(event)
            return None
        number = self._script.actor
        if not number:
            self._end_superstep(root, event)
            return None
        inv = self._known.get(number)
        if inv is None or not inv.running:
            raise Stuck(f"invocation {number} is not at work")
        waited = self._tell(inv, event)
        if waited is not None:
            return waited or None
        if self._to_be_cancelled(inv, event):
            self._cancel(root if self._script.cancelled else inv.round)
            return None
        if ends_abandoned(self._script, inv.id, event):
            self._abandon(inv)
            return None
        if isinstance(event, TimedOut):
            self.time_out(inv, event.seconds, event.waiting_for)
            return None
        if isinstance(event, EffectEnded) and not is_cancelled(event.error):
            effect = self._in_flight(inv, event)
            if effect is None:
                raise Stuck(f"{inv.executor!r} has no effect {event.name!r} in flight")
            self._admit(inv, effect, event)
            return None
        return self._let(inv, event)

    def _start(self, event: HandlerStarted) -> None:
        inv = self._known.get(event.inv)
        for this in self.rounds:
            if inv is None or this.kernel is not inv.kernel or this.failing:
                continue
            index = next((i for i in this.ready if this.inboxes[i][this.position[i]] is inv), None)
            if index is not None:
                this.ready.remove(index)
                heapq.heapify(this.ready)
                this.take(index)
                self._active.add(inv)
                inv.task = self.task(inv)
                return
        raise Stuck(f"there is no delivery that {event.executor!r} could begin")

    def _end_superstep(self, root: Round, event: AnyEvent) -> None:
        """The run itself comes next, and the superstep is not finished: it was cancelled before all had begun."""
        if not self._cancelled and self._script.cancelled:
            self._cancel(root)
        if not root.finished:
            at_work = ", ".join(repr(inv.executor) for inv in root.running) or "nobody"
            raise Stuck(f"the superstep has not ended; at work: {at_work}")

    def _let(self, inv: Invocation, event: AnyEvent) -> float | None:
        """Let an invocation act until the event has happened."""
        if inv.handler.runs == "thread" and inv.cancelling and inv not in self._told:
            return None if self._open(inv) else self.options.stall_timeout
        gone = self._gone_from_queue(inv, event)
        if gone is not None:
            return None if self._open(gone) else self._tell(gone, event) or self.options.stall_timeout
        calls = self._calls.get(inv)
        if calls:
            calls.popleft().put()
            return None
        pending = self._pending(inv)
        fitting = max(pending, key=lambda parked: fits(parked.op, event), default=None)  # type: ignore[arg-type]
        if fitting is not None and fits(fitting.op, event) == 2:  # type: ignore[arg-type]
            self._apply(fitting)
            return None
        silent = next((one for one in pending if is_silent(inv, one.op)), None)  # type: ignore[arg-type]
        if silent is not None:
            self._apply(silent)
            return None
        children = inv in self._have_children
        may_end = isinstance(event, HandlerEnded) or not children
        if (inv not in self._at_end or (may_end and not pending)) and self._open(inv):
            return None
        if pending and not children:
            self._apply(pending[0])
            return None
        self._see_whether_stuck(inv, event)
        return _LOOK_AROUND if pending or inv in self._gates else self.options.stall_timeout

    @staticmethod
    def _gone_from_queue(inv: Invocation, event: AnyEvent) -> Invocation | None:
        """Somebody who waits for a key here and was cancelled meanwhile in the recorded run, which makes no event."""
        if not isinstance(event, (LockReleased, LockWaiting)):
            return None
        for key, _, queue in inv.kernel.table():
            if key == event.key:
                return next((one for one in queue if one is not inv and one.id not in event.queue), None)
        return None

    def _pending(self, inv: Invocation) -> list[Parked]:
        return [
            parked
            for parked in self.parked.of(inv)
            if parked.op is not None
            and parked.ticket is None
            and (parked.waiter is None or not parked.waiter.cancelled())
        ]

    def _see_whether_stuck(self, inv: Invocation, event: AnyEvent) -> None:
        """Raises `Stuck` where nothing that may come can help."""
        if inv.cancelling or inv in self._have_children or isinstance(event, EffectEnded):
            return
        parked = self.parked.of(inv)
        if parked and all(one.ticket is not None and not one.ticket.done for one in parked):
            raise Stuck(self._where(inv))
        awaited = self._awaits.get(inv)
        if isinstance(awaited, EffectFuture) and not awaited.done():
            raise Stuck(self._where(inv))

    def _insist(self, event: AnyEvent, waited: float) -> None:
        """Nothing came for a while."""
        if self._script.expected is not event or self._checker.over:
            return
        inv = self._known[self._script.actor]
        if isinstance(event, EffectEnded) and (effect := self._in_flight(inv, event)) is not None:
            self._admit(inv, effect, event)  # the effect itself was cancelled
        elif pending := self._pending(inv):
            self._apply(max(pending, key=lambda parked: fits(parked.op, event)))  # type: ignore[arg-type]
        elif not self._open(inv):
            self._checker.stuck(f"{self._where(inv)}, for {waited:g} s now")

    def _where(self, inv: Invocation) -> str:
        """What an invocation waits for, in words."""
        for parked in self.parked.of(inv):
            if parked.ticket is not None and not parked.ticket.done:
                holder = next((one.executor for key, one, _ in inv.kernel.table() if key == parked.ticket.key), None)
                held = f", which {holder!r} holds" if holder else ""
                return f"{inv.executor!r} waits for key {parked.ticket.key!r}{held}"
        if effects := [repr(one.name) for one in self._effects.get(inv, ()) if not one.future.done()]:
            return f"{inv.executor!r} waits for the result of effect {', '.join(effects)}"
        return f"{inv.executor!r} awaits {awaited_in(self._coroutines.get(inv))}"

    def _apply(self, parked: Parked) -> None:
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
            if inv not in self._have_children:
                self._active.add(inv)
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

    # -- failure and cancellation --------------------------------------------------------------------------------

    def _around(self, inv: Invocation) -> list[Invocation]:
        """The invocation and those it is hosted by, outermost first."""
        chain = [inv]
        while chain[0].round.host is not None:
            chain.insert(0, chain[0].round.host)
        return chain

    def _to_be_told(self, inv: Invocation) -> bool:
        """Whether something around it fails and it does not know yet."""
        return any(one.round.failing and not one.cancelling for one in self._around(inv))

    def _tell(self, inv: Invocation, event: AnyEvent) -> float | None:
        """Cancel it if its superstep, or one around it, fails. Seconds to wait for that; 0: done; None: nothing to do."""
        chain = self._around(inv)
        for one, inner in zip(chain, [*chain[1:], None], strict=True):
            if one.round.failing and not one.cancelling:
                if not self._stays and self._is_on_its_way(one) and not ends_abandoned(self._script, inv.id, event):
                    return self.options.stall_timeout
                self.stop(one)
                return 0.0
            if one.cancelling and inner is not None and not inner.round.failing:
                return self.options.stall_timeout  # the host has not passed it on yet
        return None

    def _is_on_its_way(self, inv: Invocation) -> bool:
        """Whether it still goes on to where its deterministic original stood: a schedule point, or its effects."""
        if inv in self.parked or inv in self._gates or self._calls.get(inv):
            return False
        return not any(one.future.watched and not one.future.done() for one in self._effects.get(inv, ()))

    def _to_be_cancelled(self, inv: Invocation, event: AnyEvent) -> bool:
        """Whether the run has been cancelled from outside by now, as far as can be told."""
        if self._cancelled or any(one.round.failing for one in self._around(inv)):
            return False
        if isinstance(event, HandlerEnded) and event.outcome in ("cancelled", "abandoned"):
            return True
        if not self._script.cancelled or not is_unwinding(self._script, inv.id, event):
            return False
        return not any(fits(parked.op, event) == 2 for parked in self._pending(inv))  # type: ignore[arg-type]

    def _cancel(self, this: Round) -> None:
        """What ended the superstep came from no handler: a cancellation of the run, or a stall that failed it."""
        self._cancelled = True
        if not self._script.cancelled:
            for error in self._script.errors_of(this.kernel.scope, this.kernel.superstep):
                this.kernel.fail(WorkflowError(error.message))
        self.fail(this)

    def _abandon(self, inv: Invocation) -> None:
        self.abandon(inv)
        self.ended(inv)

    def fail(self, this: Round) -> None:
        """See `Driver`. Each is told when its turn comes."""
        this.failing = True
        self._see_whether_finished(this)

    def countdown(self, inv: Invocation, timer: Countdown) -> None:
        """See `Driver`. Timeouts fire where they were recorded."""

    def wants_turn(self, inv: Invocation) -> bool:
        """See `Driver`."""
        return inv in self._gates

    def give_up(self, this: Round) -> None:
        """See `Driver`."""
        for inv in sorted(this.running, key=lambda inv: inv.id):
            self._abandon(inv)
        this.failing = True
        self._see_whether_finished(this)

    async def _shut(self, root: Round) -> None:
        """There is nothing more to compare: end what runs, for a while."""
        self._checker.over = True
        for this in list(self.rounds):
            this.failing = True
            self.stop_all(this)
            for inv in this.running:
                self._active.discard(inv)
                self._open(inv)
                if inv.handler.runs == "thread":
                    self.interrupt_waiting(inv)
            self._see_whether_finished(this)
        until = self.loop.time() + self.options.cancel_grace
        while not root.finished and (left := until - self.loop.time()) > 0:
            try:
                await self.turns.wait_for_news(left)
            except asyncio.CancelledError:
                break
        for this in reversed(list(self.rounds)):
            self.give_up(this)
