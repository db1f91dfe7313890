"""The concurrent driver: asyncio as it comes. Order comes from the barrier, not from timing (DET-2, ORD-3, PAR-1)."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..kernel import Inboxes, Invocation, Kernel, Ticket
from ..kernel.ops import Op
from .base import Driver
from .effects import Effect
from .round import Answer, Round
from .stalls import StallWatch
from .timeouts import Countdown


class ConcurrentDriver(Driver):
    """Starts everything that may run, and lets the event loop decide the rest."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """See `Driver`. Supersteps in which nothing happens are noticed (DLK-4)."""
        watch = StallWatch(self)
        watch.start()
        try:
            with super().watched():
                yield
        finally:
            watch.stop()

    async def superstep(self, kernel: Kernel, inboxes: Inboxes, host: Invocation | None) -> None:
        """See `Driver`."""
        with self.round(kernel, inboxes, host) as this:
            this.done = self.loop.create_future()
            self._start(this)
            try:
                await this.done
            except asyncio.CancelledError:
                if this.done.cancelled():  # the future itself took the cancellation
                    this.done = self.loop.create_future()
                self.fail(this)
                if not this.running:
                    self._finish(this)
                while not this.done.done():
                    try:
                        await asyncio.wait((this.done,))
                    except asyncio.CancelledError:  # asked twice: wait no longer
                        self.give_up(this)
                raise

    def _start(self, this: Round) -> None:
        """Start what may start, in rank order, within `max_concurrency`."""
        limit = self.options.max_concurrency
        ready, running = this.ready, this.running
        while ready and (limit is None or len(running) < limit):
            inv = this.take(heapq.heappop(ready))
            inv.task = self.begin(inv)

    def ended(self, inv: Invocation) -> None:
        """Start the executor's next (ORD-5), or find the superstep finished (BAR-1)."""
        this: Round = inv.round
        index = this.running.pop(inv, None)
        if index is None:  # abandoned before
            return
        if this.kernel.failures and not this.failing:
            self.fail(this)
        if not this.failing:
            if this.position[index] < len(this.inboxes[index]):
                heapq.heappush(this.ready, index)
            if this.ready:
                self._start(this)
        if not this.running:
            self._finish(this)

    def _finish(self, this: Round) -> None:
        assert this.done is not None
        if not this.done.done():
            this.done.set_result(None)

    def countdown(self, inv: Invocation, timer: Countdown) -> None:
        """See `Driver`. Everything counts."""
        timer.run()

    def wants_turn(self, inv: Invocation) -> bool:
        """See `Driver`. There are no turns."""
        return False

    def fail(self, this: Round) -> None:
        """See `Driver`."""
        if this.failing:
            return
        this.failing = True
        self.stop_all(this)
        if this.running:
            self.loop.call_later(self.options.cancel_grace, self.give_up, this)
        else:
            self._finish(this)

    def give_up(self, this: Round) -> None:
        """See `Driver`."""
        for inv in list(this.running):
            self.abandon(inv)
        this.running.clear()
        self._finish(this)

    async def perform(self, inv: Invocation, op: Op) -> Any:
        """See `Driver`. An operation that need not wait does not yield to the event loop."""
        result = inv.kernel.apply(inv, op)
        if type(result) is not Ticket:
            return result
        woken: asyncio.Future[None] = self.loop.create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        result.wake = wake
        try:
            await woken
        except asyncio.CancelledError:
            inv.kernel.withdraw(result)
            raise
        if result.error is not None:
            raise result.error
        return result.result

    def submit(self, inv: Invocation, op: Op, answer: Answer) -> None:
        """See `Driver`."""
        result = inv.kernel.apply(inv, op)
        if type(result) is Ticket:
            result.wake = lambda: answer(result.result, result.error)
        else:
            answer(result, None)

    def interrupt_waiting(self, inv: Invocation) -> bool:
        """See `Driver`."""
        tickets = inv.tickets
        for ticket in tickets:
            inv.kernel.withdraw(ticket)
            ticket.error = asyncio.CancelledError()
            if ticket.wake is not None:
                ticket.wake()
        return bool(tickets)

    def asked(self, effect: Effect) -> None:
        """Nothing to do: it is admitted when it is ready."""

    def dropped(self, effect: Effect) -> None:
        """Nothing to do."""

    def ready(self, effect: Effect) -> None:
        """Admitted as it comes."""
        self.admit(effect)
