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
from ..kernel.ops import Op, Release
from .base import Driver
from .choosers import Choice, Chooser
from .describe import awaited_by
from .effects import Effect
from .options import RunOptions
from .parking import Parked, Parking, given_hold
from .round import Answer, Round

_HOPS = 6
"""Event loop iterations given to a resumed handler before it counts as waiting for effects: gather and timeouts
pass a result on over a few of them."""


class ControlledDriver(Driver):
    """See the module."""

    def __init__(self, journal: Journal, options: RunOptions, seed: int, chooser: Chooser) -> None:
        """`chooser` decides at every schedule point."""
        super().__init__(journal, options, seed)
        self._chooser = chooser
        self._parked = Parking()
        self._turn: Invocation | None = None
        self._settled: asyncio.Future[None] | None = None
        self._news: asyncio.Future[None] | None = None
        self._asked: deque[Effect] = deque()
        self._idle: set[Invocation] = set()
        """Invocations that wait for effects."""
        self._marked: set[Invocation] = set()
        self._stopped: dict[Invocation, float] = {}
        """When those that are being cancelled were asked to end, by the event loop's clock."""

    # -- handlers' side ------------------------------------------------------------------------------------------

    async def perform(self, inv: Invocation, op: Op) -> Any:
        """See `Driver`. Every operation is a schedule point."""
        if inv.outcome is not None:
            return inv.kernel.apply(inv, op)  # refused by the fence
        if asyncio.current_task() is not inv.task:
            self._mark(inv, "an operation came from a task that the handler started")
        return await self._park(inv, op, None)

    async def _park(self, inv: Invocation, op: Op | None, joins: Round | None) -> Any:
        waiter = self.loop.create_future()

        def answer(result: Any, error: BaseException | None) -> None:
            if waiter.done():
                return
            if error is None:
                waiter.set_result(result)
            else:
                waiter.set_exception(error)

        parked = self._add(inv, op, answer, joins)
        parked.waiter = waiter
        try:
            return await waiter
        except asyncio.CancelledError:
            self._drop(parked)
            left = op.record if isinstance(op, Release) else given_hold(waiter)
            if left is not None and inv.outcome is None:  # whatever happens, a block that is left is left
                inv.kernel.apply(inv, Release(left, True, op.line if isinstance(op, Release) else 0))
            raise

    def submit(self, inv: Invocation, op: Op, answer: Answer) -> None:
        """See `Driver`."""
        if inv.outcome is not None:
            inv.kernel.apply(inv, op)
        else:
            self._add(inv, op, answer, None)

    def _add(self, inv: Invocation, op: Op | None, answer: Answer, joins: Round | None) -> Parked:
        parked = Parked(inv, op, answer, joins)
        self._parked.add(parked)
        if inv in self._idle:
            self._idle.discard(inv)
            self._mark(inv, "it went on by itself while it waited for its effects")
        self._changed(inv)
        return parked

    def _drop(self, parked: Parked) -> None:
        self._parked.remove(parked)
        if parked.ticket is not None:
            parked.inv.kernel.withdraw(parked.ticket)

    def interrupt_waiting(self, inv: Invocation) -> bool:
        """See `Driver`."""
        waiting = self._parked.of(inv)
        for parked in waiting:
            self._drop(parked)
            parked.answer(None, asyncio.CancelledError())
        return bool(waiting)

    def ended(self, inv: Invocation) -> None:
        """See `Driver`."""
        this: Round = inv.round
        index = this.running.pop(inv, None)
        self._refuse_parked(inv)
        if inv in self._idle and not inv.cancelling:  # a timeout over an effect, say
            self._mark(inv, "it went on by itself while it waited for its effects")
        self._idle.discard(inv)
        self._stopped.pop(inv, None)
        if index is not None:
            if this.kernel.failures:
                this.failing = True
            if not this.failing and this.position[index] < len(this.inboxes[index]):
                heapq.heappush(this.ready, index)
            if not this.running and (this.failing or not this.ready):
                this.finished = True
        self._changed(inv)

    def _refuse_parked(self, inv: Invocation) -> None:
        """The invocation has ended: what tasks it left behind wait for is refused by the fence (BAR-2)."""
        for parked in self._parked.take_all(inv):
            if parked.op is not None and parked.ticket is None:
                try:
                    inv.kernel.apply(inv, parked.op)
                except WorkflowError as over:
                    parked.answer(None, over)
            elif parked.ticket is not None:
                parked.answer(parked.ticket.result, parked.ticket.error)

    def _changed(self, inv: Invocation) -> None:
        """The invocation parked, waits for effects, or ended."""
        if self._turn is inv:
            self._turn = None
            if self._settled is not None and not self._settled.done():
                self._settled.set_result(None)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _mark(self, inv: Invocation, why: str) -> None:
        if inv not in self._marked:
            self._marked.add(inv)
            inv.kernel.report.nondeterministic(inv, why)

    # -- effects -------------------------------------------------------------------------------------------------

    def asked(self, effect: Effect) -> None:
        """See `Driver`."""
        self._asked.append(effect)
        effect.future.on_watched = lambda: self._look_later(effect.inv)

    def dropped(self, effect: Effect) -> None:
        """See `Driver`."""
        if effect in self._asked:
            self._asked.remove(effect)
        self.ready(effect)

    def ready(self, effect: Effect) -> None:
        """Its result waits for its admission."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _look_later(self, inv: Invocation) -> None:
        self.loop.call_soon(self._look, inv, _HOPS)

    def _look(self, inv: Invocation, hops: int) -> None:
        """Whether the one that has the turn is suspended and waits for effects."""
        if self._turn is not inv:
            return
        if hops:
            self.loop.call_soon(self._look, inv, hops - 1)
        elif any(effect.future.watched and not effect.future.done() for effect in self._effects.get(inv, ())):
            self._idle.add(inv)
            self._changed(inv)

    # -- the scheduler -------------------------------------------------------------------------------------------

    async def superstep(self, kernel: Kernel, inboxes: Inboxes, host: Invocation | None) -> None:
        """See `Driver`."""
        with self.round(kernel, inboxes, host) as this:
            if host is None:
                self._chooser.superstep(kernel.superstep)
                await self._drive(this)
            else:
                await self._join(this, host)

    async def _join(self, this: Round, host: Invocation) -> None:
        try:
            await self._park(host, None, this)
        except asyncio.CancelledError:
            this.failing = True
            this.finished = not this.running
            while not this.finished:
                try:
                    await self._park(host, None, this)
                except asyncio.CancelledError:
                    if host.outcome is not None:
                        break
            raise

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
                self._turn = None
                this.failing = True
                this.finished = not this.running
        if cancelled:
            raise asyncio.CancelledError

    async def _step(self, root: Round) -> None:
        failing = next((this for this in reversed(self.rounds) if this.failing and not this.finished), None)
        if failing is not None:
            await self._unwind(failing)
            return
        enabled = self._enabled()
        if enabled:
            await self._grant(enabled[self._chooser.choose(enabled)])
        elif self._asked:
            await self._admit_next()
        else:
            await self._wait_for_news(None)

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
        for inv in self._parked:
            parked = self._parked.enabled(inv)
            if parked is not None:
                choices.append(Choice(inv, parked.op))
        choices.sort(key=lambda choice: choice.inv.id)
        return choices

    async def _grant(self, choice: Choice) -> None:
        """Give the turn, and wait until it is given back."""
        inv = choice.inv
        if inv in self._parked:
            if not self._resume(inv):
                return
        else:
            this = next(one for one in self.rounds if one.kernel is inv.kernel)
            index = next(i for i in this.ready if this.inboxes[i][this.position[i]] is inv)
            this.ready.remove(index)
            heapq.heapify(this.ready)
            this.take(index)
            self._turn = inv
            inv.task = self.task(inv)
        await self._turn_over(inv)

    def _resume(self, inv: Invocation) -> bool:
        """Perform the pending operation of `inv`; False if it has to wait instead of going on."""
        parked = self._parked.enabled(inv)
        assert parked is not None
        result: Any = None
        error: BaseException | None = None
        if parked.ticket is not None:
            result, error = parked.ticket.result, parked.ticket.error
        elif parked.op is not None:
            try:
                result = inv.kernel.apply(inv, parked.op)
            except Exception as raised:
                error = raised
            if type(result) is Ticket:
                parked.ticket = result
                return False
        self._parked.remove(parked)
        self._turn = inv
        parked.answer(result, error)
        return True

    async def _turn_over(self, inv: Invocation) -> None:
        """Wait until the turn is given back, or passes on because nothing happens (DET-1)."""
        if self._turn is not inv:
            return
        self._settled = self.loop.create_future()
        if inv in self._effects:
            self._look_later(inv)
        if inv in self._parked:  # another of its tasks is at a schedule point already
            self._changed(inv)
        timer = self.loop.call_later(self.options.stall_timeout, self._stalled, inv)
        try:
            await self._settled
        finally:
            timer.cancel()
            self._settled = None

    def _stalled(self, inv: Invocation) -> None:
        if self._turn is not inv:
            return
        options = self.options
        awaits = awaited_by(inv.task)
        inv.kernel.report.stalled(inv, options.stall_timeout, awaits, options.on_stall == "pass")
        if options.on_stall == "pass":
            self._mark(inv, f"its turn was passed on while it awaited {awaits}")
            self._changed(inv)
        elif options.on_stall == "fail":
            inv.kernel.fail(
                WorkflowError(
                    f"executor {inv.executor!r} stalled: it awaited {awaits} for {options.stall_timeout:g} s."
                )
            )
            inv.round.failing = True
            self._changed(inv)

    async def _admit_next(self) -> None:
        """Admit the result that was asked for first; until it is there, something else may become possible."""
        effect = self._asked[0]
        if effect.task is not None and not effect.task.done():
            await self._wait_for_news(None)
            return
        self._asked.popleft()
        inv = effect.inv
        waited = inv in self._idle
        if waited:
            self._idle.discard(inv)
            self._turn = inv
        self.admit(effect)
        if waited:
            await self._turn_over(inv)

    async def _wait_for_news(self, seconds: float | None) -> bool:
        """Wait until anything changes; False if nothing did in time."""
        self._news = self.loop.create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._news
        except TimeoutError:
            return False
        finally:
            self._news = None
        return True

    # -- failure -------------------------------------------------------------------------------------------------

    async def _unwind(self, this: Round) -> None:
        """Cancel and await the invocations of a failing superstep, one after another, each for a while (BAR-3)."""
        this.ready.clear()
        for inv in sorted(this.running, key=lambda inv: inv.id):
            if inv.cancelling and self._parked.enabled(inv) is None:
                continue
            others = False
            if not inv.cancelling:
                if this.deadline is None:
                    this.deadline = self.loop.time() + self.options.cancel_grace
                elif self.loop.time() >= this.deadline:
                    self._stop_rest(this)
                    return
                self._turn = inv
                self._idle.discard(inv)
                self._stopped[inv] = this.deadline
                self.stop(inv)
            elif not self._late(inv) and self._resume(inv):
                others = inv in self._parked  # another of its tasks is at a schedule point already
            if inv in this.running and (self._turn is inv or self._late(inv)):
                await self._settle_in(inv, at_once=others)
            this.finished = not this.running
            return
        if this.running:
            await self._wait_for_one(this)
        this.finished = not this.running

    def _stop_rest(self, this: Round) -> None:
        """Some took the whole grace: the others are cancelled together and have one of their own together."""
        for inv in sorted(this.running, key=lambda inv: inv.id):
            if not inv.cancelling:
                self._idle.discard(inv)
                self._stopped[inv] = self.loop.time() + self.options.cancel_grace
                self.stop(inv)
        this.finished = not this.running

    def _late(self, inv: Invocation) -> bool:
        return self.loop.time() >= self._stopped[inv]

    async def _settle_in(self, inv: Invocation, *, at_once: bool) -> None:
        """Wait until it gives its turn back; abandon it when its grace is over."""
        if self._turn is inv and not self._late(inv):
            self._settled = self.loop.create_future()
            if at_once:
                self._changed(inv)
            timer = self.loop.call_at(self._stopped[inv], self._changed, inv)
            try:
                await self._settled
            finally:
                timer.cancel()
                self._settled = None
        if inv in inv.round.running and self._late(inv):
            self._give_up_one(inv.round, inv)

    async def _wait_for_one(self, this: Round) -> None:
        """All are cancelled and none can go on: wait for news until the first one's grace is over."""
        first = min(this.running, key=lambda inv: (self._stopped[inv], inv.id))
        left = self._stopped[first] - self.loop.time()
        if left <= 0 or not await self._wait_for_news(left):
            self._give_up_one(this, first)

    def give_up(self, this: Round) -> None:
        """See `Driver`."""
        for inv in sorted(this.running, key=lambda inv: inv.id):
            self._give_up_one(this, inv)
        this.failing = this.finished = True

    def _give_up_one(self, this: Round, inv: Invocation) -> None:
        self.abandon(inv)
        self._refuse_parked(inv)
        this.running.pop(inv, None)
