"""Failure and cancellation in a replay: who is told, and when (BAR-3).

A failing superstep cancels all its handlers, which makes no event; what each then does, does. So each is cancelled when
its next event comes. That a run was cancelled from outside is seen from what its handlers did.
"""

from __future__ import annotations

import asyncio

from ..drivers.round import Round
from ..errors import WorkflowError
from ..events import AnyEvent, HandlerEnded
from ..kernel import Invocation
from .ending import ends_abandoned, is_unwinding
from .fits import fits
from .held import HeldDriver


class TellingDriver(HeldDriver):
    """Cancels what was cancelled."""

    cancelled = False
    """Whether the superstep was ended by what came from no handler."""

    def is_to_be_stopped(self, inv: Invocation, event: AnyEvent) -> bool:
        """See `HeldDriver`."""
        unknowing = any(one.round.failing and not one.cancelling for one in self.around(inv))
        return unknowing or self.to_be_cancelled(inv, event)

    def tell_of_failure(self, inv: Invocation, event: AnyEvent) -> float | None:
        """Cancel it if its superstep, or one around it, fails. Seconds to wait for that; 0: done; None: nothing to do."""
        chain = self.around(inv)
        for one, inner in zip(chain, [*chain[1:], None], strict=True):
            if one.round.failing and not one.cancelling:
                goes_on = not (self.stays or self.cancelled) and self._is_on_its_way(one)
                if goes_on and not ends_abandoned(self.script, inv.id, event):
                    return self.options.stall_timeout
                self.stop(one)
                return 0.0
            if one.cancelling and inner is not None and not inner.round.failing:
                return self.options.stall_timeout  # the host has not passed it on yet
        return None

    def _is_on_its_way(self, inv: Invocation) -> bool:
        """Whether it still goes on to where its deterministic original stood: a schedule point, or its effects."""
        if inv in self.parked or inv in self.gates or self.calls.get(inv):
            return False
        return not any(one.future.watched and not one.future.done() for one in self._effects.get(inv, ()))

    def to_be_cancelled(self, inv: Invocation, event: AnyEvent) -> bool:
        """Whether the run has been cancelled from outside by now, as far as can be told."""
        if self.cancelled or any(one.round.failing for one in self.around(inv)):
            return False
        if isinstance(event, HandlerEnded) and event.outcome in ("cancelled", "abandoned"):
            return True
        if not is_unwinding(self.script, inv.id, event):
            return False
        if not self.script.cancelled and any(self._fails_at(one) is not None for one in self.around(inv)):
            return False  # that will come, and has not come yet
        return not any(fits(parked.op, event) == 2 for parked in self.pending(inv))  # type: ignore[arg-type]

    def _fails_at(self, inv: Invocation) -> int | None:
        """The event at which its superstep fails, if one of its handlers does."""
        kernel = inv.round.kernel
        return self.script.failure(kernel.scope, kernel.superstep)

    def cancel_around(self, inv: Invocation) -> None:
        """What ended a superstep came from no handler: a cancellation of the run, or a stall that failed it."""
        rounds = [one.round for one in self.around(inv)]
        if self.script.cancelled:
            self.cancel(rounds[0])
            return
        for this in rounds:
            errors = self.script.errors_of(this.kernel.scope, this.kernel.superstep)
            if errors and self.script.failure(this.kernel.scope, this.kernel.superstep) is None:
                for error in errors:
                    this.kernel.fail(WorkflowError(error.message))
                self.cancel(this)
                return
        self.cancel(rounds[-1])

    def cancel(self, this: Round) -> None:
        """End a superstep that no handler failed."""
        self.cancelled = True
        self.fail(this)

    def _abandon(self, inv: Invocation) -> None:
        self.abandon(inv)
        self.ended(inv)

    def fail(self, this: Round) -> None:
        """See `Driver`. Each is told when its turn comes."""
        this.failing = True
        self.see_whether_finished(this)

    def give_up(self, this: Round) -> None:
        """See `Driver`."""
        for inv in sorted(this.running, key=lambda inv: inv.id):
            self._abandon(inv)
        this.failing = True
        self.see_whether_finished(this)

    async def shut(self, root: Round) -> None:
        """There is nothing more to compare: end what runs, for a while."""
        self.checker.over = True
        for this in list(self.rounds):
            this.failing = True
            self.stop_all(this)
            for inv in this.running:
                self.active.discard(inv)
                self.open(inv)
                if inv.handler.runs == "thread":
                    self.interrupt_waiting(inv)
            self.see_whether_finished(this)
        until = self.loop.time() + self.options.cancel_grace
        while not root.finished and (left := until - self.loop.time()) > 0:
            try:
                await self.turns.wait_for_news(left)
            except asyncio.CancelledError:
                break
        for this in reversed(list(self.rounds)):
            self.give_up(this)
