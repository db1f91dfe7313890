"""The controlled driver: one invocation at a time has the turn, and a chooser picks the next at each schedule point
(DET-1, DET-3, PAR-1, PAR-5).

An invocation keeps its turn from one schedule point to the next, foreign awaits included. Where the handler waits
for its effects instead, the turn passes on, and results are admitted one by one, in the order they were asked for,
when nothing else can go on. Sub-workflows' invocations take part in the same choice; the one that hosts a
sub-workflow waits for its superstep as for an operation.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from typing import Any

from ..errors import WorkflowError
from ..journal import Journal
from ..kernel import Inboxes, Invocation, Kernel, Ticket
from .choosers import Choice, Chooser
from .effects import Effect
from .options import RunOptions
from .parking import Parked
from .round import Round
from .timeouts import Countdown
from .unwinding import UnwindingDriver
from .waiting import everybody, waiting_for, who_waits

_HOPS = 6
"""Event loop iterations given to a resumed handler before it counts as waiting for effects: gather and timeouts
pass a result on over a few of them."""


class ControlledDriver(UnwindingDriver):
    """See the module."""

    def __init__(self, journal: Journal, options: RunOptions, seed: int, chooser: Chooser) -> None:
        """`chooser` decides at every schedule point."""
        super().__init__(journal, options, seed)
        self._chooser = chooser
        self._asked: deque[Effect] = deque()
        self._marked: set[Invocation] = set()
        self._timers: dict[Invocation, Countdown] = {}
        """Of those with a timeout (PAR-4)."""

    # -- handlers' side ------------------------------------------------------------------------------------------

    def from_child_task(self, inv: Invocation) -> None:
        """See `ParkingDriver`."""
        self._mark(inv, "an operation came from a task that the handler started")

    def arrived(self, parked: Parked) -> None:
        """See `ParkingDriver`."""
        inv = parked.inv
        if inv in self.idle:
            self.idle.discard(inv)
            self._mark(inv, "it went on by itself while it waited for its effects")
        self.turns.changed(inv)

    def ended(self, inv: Invocation) -> None:
        """See `Driver`."""
        this: Round = inv.round
        index = this.running.pop(inv, None)
        self.refuse_parked(inv)
        if inv in self.idle and not inv.cancelling:  # a timeout over an effect, say
            self._mark(inv, "it went on by itself while it waited for its effects")
        self.idle.discard(inv)
        self.stopped.pop(inv, None)
        if index is not None:
            if this.kernel.failures:
                this.failing = True
            if not this.failing and this.position[index] < len(this.inboxes[index]):
                heapq.heappush(this.ready, index)
            if not this.running and (this.failing or not this.ready):
                this.finished = True
        self.turns.changed(inv)

    def _mark(self, inv: Invocation, why: str) -> None:
        if inv not in self._marked:
            self._marked.add(inv)
            inv.kernel.report.nondeterministic(inv, why)

    # -- timeouts ------------------------------------------------------------------------------------------------

    def countdown(self, inv: Invocation, timer: Countdown) -> None:
        """See `Driver`. It stands still while the invocation waits for its turn."""
        self._timers[inv] = timer
        self.turns.watch = self._count
        inv.task.add_done_callback(lambda _: self._timers.pop(inv))
        self._count(inv)

    def _count(self, inv: Invocation) -> None:
        timer = self._timers.get(inv)
        if timer is not None:
            timer.run(inv.outcome is None and not self.wants_turn(inv))

    def wants_turn(self, inv: Invocation) -> bool:
        """See `Driver`."""
        if self.turns.holder is inv:
            return False
        if inv in self.idle:
            return all(effect.over for effect in self.effects_of(inv))
        return self.parked.enabled(inv) is not None

    def expire(self, inv: Invocation) -> None:
        """See `Driver`. Elapsed time is no part of the schedule (DET-1)."""
        if inv.running and not inv.cancelling:
            self._mark(inv, "its timeout fired")
        super().expire(inv)

    def fail(self, this: Round) -> None:
        """See `Driver`. Done by the scheduler: now, or when the one that has the turn gives it back."""
        this.failing = True
        turn = self.turns.holder
        if turn is not None and this.holds(turn):
            self.turns.changed(turn)
        else:
            self.turns.news()

    # -- effects -------------------------------------------------------------------------------------------------

    def asked(self, effect: Effect) -> None:
        """See `Driver`."""
        self._asked.append(effect)
        effect.future.on_watched = lambda: self.look_later(effect.inv)

    def dropped(self, effect: Effect) -> None:
        """See `Driver`."""
        if effect in self._asked:
            self._asked.remove(effect)
        self.ready(effect)

    def ready(self, effect: Effect) -> None:
        """Its result waits for its admission."""
        self.turns.news()
        if self._timers:
            self._count(effect.inv)

    def admit_within(self, this: Round) -> Invocation | None:
        """See `UnwindingDriver`."""
        waited_for = (one for one in self._asked if one.inv in this.running and one.inv in self.idle)
        first = next((one for one in waited_for if one.future.watched), None)
        if first is None or not first.over:
            return None
        self._asked.remove(first)
        self._admit(first)
        return first.inv

    def look_later(self, inv: Invocation) -> None:
        """See `UnwindingDriver`."""
        self.loop.call_soon(self._look, inv, _HOPS)

    def _look(self, inv: Invocation, hops: int) -> None:
        """Whether the one that has the turn is suspended and waits for effects."""
        if self.turns.holder is not inv:
            return
        if hops:
            self.loop.call_soon(self._look, inv, hops - 1)
        elif any(effect.future.watched and not effect.future.done() for effect in self._effects.get(inv, ())):
            self.idle.add(inv)
            self.turns.changed(inv)

    # -- the scheduler -------------------------------------------------------------------------------------------

    async def superstep(self, kernel: Kernel, inboxes: Inboxes, host: Invocation | None) -> None:
        """See `Driver`."""
        with self.round(kernel, inboxes, host) as this:
            if host is None:
                self._chooser.superstep(kernel.superstep)
                await self._drive(this)
            else:
                await self.join(this, host)

    async def _drive(self, this: Round) -> None:
        cancelled = False
        while not this.finished:
            try:
                await self._step(this)
            except asyncio.CancelledError:
                if cancelled:  # asked twice: wait no longer
                    for one in self.rounds:
                        self.give_up(one)
                cancelled = True
                self.turns.holder = None
                this.failing = True
                this.finished = not this.running
        if cancelled:
            raise asyncio.CancelledError

    async def _step(self, root: Round) -> None:
        failing = next((this for this in reversed(self.rounds) if this.failing and not this.finished), None)
        if failing is not None:
            await self.unwind(failing)
            return
        enabled = self._enabled()
        if enabled:
            await self._grant(enabled[self._chooser.choose(enabled)])
        elif self._asked:
            await self._admit_next()
        else:
            await self.turns.wait_for_news(None)

    def _enabled(self) -> list[Choice]:
        """Who may go, in order of invocation numbers."""
        choices = []
        limit = self.options.max_concurrency
        for this in self.rounds:
            if this.failing:
                continue
            if limit is None:
                startable = this.ready
            else:  # a bound starts them in rank order (PAR-1)
                startable = this.ready[:1] if len(this.running) < limit else []
            for index in startable:
                choices.append(Choice(this.inboxes[index][this.position[index]], None))
        for inv in self.parked:
            parked = self.parked.enabled(inv)
            if parked is not None:
                choices.append(Choice(inv, parked.op))
        choices.sort(key=lambda choice: choice.inv.id)
        return choices

    async def _grant(self, choice: Choice) -> None:
        """Give the turn, and wait until it is given back."""
        inv = choice.inv
        if inv in self.parked:
            if not self.resume(inv):
                return
        else:
            this = next(one for one in self.rounds if one.kernel is inv.kernel)
            index = next(i for i in this.ready if this.inboxes[i][this.position[i]] is inv)
            this.ready.remove(index)
            heapq.heapify(this.ready)
            this.take(index)
            self.turns.give(inv)
            inv.task = self.begin(inv)
        await self._turn_over(inv)

    def resume(self, inv: Invocation) -> bool:
        """Perform the pending operation of `inv`; False if it has to wait instead of going on."""
        parked = self.parked.enabled(inv)
        assert parked is not None
        result: Any = None
        error: BaseException | None = None
        if parked.ticket is not None:
            result, error = parked.ticket.result, parked.ticket.error
        elif parked.op is not None:
            try:
                result = inv.kernel.apply(inv, parked.op)
            except BaseException as raised:  # what an update function raises is its handler's, whatever it is
                error = raised
            if type(result) is Ticket:
                parked.ticket = result
                if self._timers:
                    result.wake = lambda: self._count(inv)
                    self._count(inv)
                return False
        self.parked.remove(parked)
        self.turns.give(inv)
        parked.answer(result, error)
        return True

    async def _turn_over(self, inv: Invocation) -> None:
        """Wait until the turn is given back, or passes on because nothing happens (DET-1)."""
        if self.turns.holder is not inv:
            return
        if inv in self._effects:
            self.look_later(inv)
        timer = self.loop.call_later(self.options.stall_timeout, self._stalled, inv)
        await self.turns.over(inv, timer, at_once=inv in self.parked)  # another of its tasks may be at a schedule point

    def _stalled(self, inv: Invocation) -> None:
        if self.turns.holder is not inv:
            return
        options = self.options
        awaits = waiting_for(self, inv)
        others = who_waits(self, [one for one in everybody(self, self.rounds[0]) if one is not inv])
        inv.kernel.report.stalled(inv, options.stall_timeout, awaits, others, passed=options.on_stall == "pass")
        if options.on_stall == "pass":
            self._mark(inv, f"its turn was passed on while it awaited {awaits}")
            self.turns.changed(inv)
        elif options.on_stall == "fail":
            inv.kernel.fail(
                WorkflowError(
                    f"executor {inv.executor!r} stalled: it awaited {awaits} for {options.stall_timeout:g} s."
                )
            )
            self.fail(inv.round)

    async def _admit_next(self) -> None:
        """Admit the result that was asked for first; until it is there, something else may become possible."""
        effect = self._asked[0]
        if effect.task is not None and not effect.task.done():
            await self.turns.wait_for_news(None)
            return
        self._asked.popleft()
        if self._admit(effect):
            await self._turn_over(effect.inv)

    def _admit(self, effect: Effect) -> bool:
        """Admit a result; whether it is its invocation's turn now."""
        inv = effect.inv
        waited = inv in self.idle
        if waited:
            self.idle.discard(inv)
            self.turns.give(inv)
        self.admit(effect)
        return waited
