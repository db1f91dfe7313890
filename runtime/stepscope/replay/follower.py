"""The driver of a replay: whoever made the next recorded event gets to act, until it has happened again (DET-4).

Handlers run as in any mode, held back as `held` says, cancelled as `told` says.
"""

from __future__ import annotations

import asyncio
import heapq

from ..drivers.describe import awaited_in
from ..drivers.effects import EffectFuture
from ..drivers.options import RunOptions
from ..drivers.round import Round
from ..events import AnyEvent, EffectEnded, HandlerEnded, HandlerStarted, TimedOut
from ..journal import Journal
from ..kernel import Inboxes, Invocation, Kernel
from .admission import Results
from .checker import Checker
from .ending import ends_abandoned, is_cancelled
from .fits import fits, is_silent
from .told import TellingDriver

_LOOK_AROUND = 0.5
"""Seconds to wait for another of a handler's tasks, before what one of them does counts as the difference."""


class Stuck(Exception):
    """What comes next in the recording cannot happen; says why."""


class Follower(TellingDriver):
    """See the module."""

    def __init__(self, journal: Journal, options: RunOptions, seed: int, checker: Checker, results: Results) -> None:
        """`options.stall_timeout` bounds the wait for something foreign, in seconds."""
        super().__init__(journal, options, seed, checker, results)
        self.known: dict[int, Invocation] = {}
        """The invocations of this superstep, sub-workflows' included."""
        self.aborted = False
        """Whether it was the replay that was cancelled, and not the recorded run."""

    async def superstep(self, kernel: Kernel, inboxes: Inboxes, host: Invocation | None) -> None:
        """See `Driver`."""
        with self.round(kernel, inboxes, host) as this:
            if host is not None:
                self.known.update((inv.id, inv) for inbox in inboxes for inv in inbox)
                await self.join(this, host)
                return
            self.known = {inv.id: inv for inbox in inboxes for inv in inbox}
            try:
                await self._follow(this)
            except asyncio.CancelledError:
                self.aborted = True
                await self.shut(this)
                raise
            finally:
                self.forget()
            if self.checker.over:
                await self.shut(this)
                raise asyncio.CancelledError
            if self.script.cancelled or (self.cancelled and not kernel.failures):
                raise asyncio.CancelledError

    async def _follow(self, root: Round) -> None:
        while not root.finished and not self.checker.over:
            event = self.script.expected
            assert event is not None
            if self.active:
                if not await self.turns.wait_for_news(self.options.stall_timeout):
                    self.active.clear()
                continue
            try:
                patience = self._act(root, event)
            except Stuck as stuck:
                self.checker.stuck(str(stuck))
                return
            if patience is not None and not await self.turns.wait_for_news(patience):
                self._insist(event, patience)

    def _act(self, root: Round, event: AnyEvent) -> float | None:
        """Let happen what comes next. None: done; else how many seconds to wait for news. Raises `Stuck`."""
        if isinstance(event, HandlerStarted):
            self._start(event)
            return None
        number = self.script.actor
        if not number:
            self._end_superstep(root, event)
            return None
        inv = self.known.get(number)
        if inv is None or not inv.running:
            raise Stuck(f"invocation {number} is not at work")
        gone = self.gone_from_queue(inv, event)
        if gone is not None:
            return None if self.open(gone) else self.tell_of_failure(gone, event) or self.options.stall_timeout
        waited = self.tell_of_failure(inv, event)
        if waited is not None:
            return waited or None
        if self.to_be_cancelled(inv, event):
            self.cancel_around(inv)
            return None
        if ends_abandoned(self.script, inv.id, event):
            self._abandon(inv)
            return None
        if isinstance(event, TimedOut):
            self.time_out(inv, event.seconds, event.waiting_for)
            return None
        if isinstance(event, EffectEnded) and not is_cancelled(event.error):
            effect = self.in_flight(inv, event)
            if effect is None:
                raise Stuck(f"{inv.executor!r} has no effect {event.name!r} in flight")
            self.take_result(inv, effect, event)
            return None
        return self._let(inv, event)

    def _start(self, event: HandlerStarted) -> None:
        inv = self.known.get(event.inv)
        for this in self.rounds:
            if inv is None or this.kernel is not inv.kernel or this.failing:
                continue
            index = next((i for i in this.ready if this.inboxes[i][this.position[i]] is inv), None)
            if index is not None:
                this.ready.remove(index)
                heapq.heapify(this.ready)
                this.take(index)
                self.active.add(inv)
                inv.task = self.task(inv)
                return
        raise Stuck(f"there is no delivery that {event.executor!r} could begin")

    def _end_superstep(self, root: Round, event: AnyEvent) -> None:
        """The run itself comes next, and the superstep is not finished: it was cancelled before all had begun."""
        if not self.cancelled and self.script.cancelled:
            self.cancel(root)
        if not root.finished:
            at_work = ", ".join(repr(inv.executor) for inv in root.running) or "nobody"
            raise Stuck(f"the superstep has not ended; at work: {at_work}")

    def _let(self, inv: Invocation, event: AnyEvent) -> float | None:
        """Let an invocation act until the event has happened."""
        if inv.handler.runs == "thread" and inv.cancelling and inv not in self.told:
            return None if self.open(inv) else self.options.stall_timeout
        calls = self.calls.get(inv)
        if calls:
            calls.popleft().put()
            return None
        pending = self.pending(inv)
        fitting = max(pending, key=lambda parked: fits(parked.op, event), default=None)  # type: ignore[arg-type]
        if fitting is not None and fits(fitting.op, event) == 2:  # type: ignore[arg-type]
            self.apply(fitting)
            return None
        silent = next((one for one in pending if is_silent(inv, one.op)), None)  # type: ignore[arg-type]
        if silent is not None:
            self.apply(silent)
            return None
        children = inv in self.have_children
        may_end = isinstance(event, HandlerEnded) or not children
        if (inv not in self.at_end or (may_end and not pending)) and self.open(inv):
            return None
        if pending and not children:
            self.apply(pending[0])
            return None
        self._see_whether_stuck(inv, event)
        return _LOOK_AROUND if pending or inv in self.gates else self.options.stall_timeout

    def _see_whether_stuck(self, inv: Invocation, event: AnyEvent) -> None:
        """Raises `Stuck` where nothing that may come can help."""
        if inv.cancelling or inv in self.have_children or isinstance(event, EffectEnded):
            return
        parked = self.parked.of(inv)
        if parked and all(one.op and one.ticket and not one.ticket.done and fits(one.op, event) for one in parked):
            raise Stuck(self._where(inv))  # for anything else a timeout of its own may have taken it out of the queue
        awaited = self.awaits.get(inv)
        if isinstance(awaited, EffectFuture) and not awaited.done():
            raise Stuck(self._where(inv))

    def _insist(self, event: AnyEvent, waited: float) -> None:
        """Nothing came for a while."""
        if self.script.expected is not event or self.checker.over:
            return
        inv = self.known[self.script.actor]
        if isinstance(event, EffectEnded) and (effect := self.in_flight(inv, event)) is not None:
            self.take_result(inv, effect, event)  # the effect itself was cancelled
        elif pending := self.pending(inv):
            self.apply(max(pending, key=lambda parked: fits(parked.op, event)))  # type: ignore[arg-type]
        elif not self.open(inv):
            self.checker.stuck(f"{self._where(inv)}, for {waited:g} s now")

    def _where(self, inv: Invocation) -> str:
        """What an invocation waits for, in words."""
        for parked in self.parked.of(inv):
            if parked.ticket is not None and not parked.ticket.done:
                holder = next((one.executor for key, one, _ in inv.kernel.table() if key == parked.ticket.key), None)
                held = f", which {holder!r} holds" if holder else ""
                return f"{inv.executor!r} waits for key {parked.ticket.key!r}{held}"
        if effects := [repr(one.name) for one in self._effects.get(inv, ()) if not one.future.done()]:
            return f"{inv.executor!r} waits for the result of effect {', '.join(effects)}"
        return f"{inv.executor!r} awaits {awaited_in(self.coroutines.get(inv))}"
