"""The handlers' side of every driver that decides who goes next: an operation waits until its turn is given."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Any

from ..errors import WorkflowError
from ..journal import Journal
from ..kernel import Invocation
from ..kernel.ops import Op, Release
from .base import Driver
from .options import RunOptions
from .parking import Parked, Parking, given_hold
from .round import Answer, Round


class ParkingDriver(Driver):
    """A driver under which nothing happens by itself: operations, and hosts of sub-workflows, are parked."""

    def __init__(self, journal: Journal, options: RunOptions, seed: int) -> None:
        """See `Driver`."""
        super().__init__(journal, options, seed)
        self.parked = Parking()

    @abstractmethod
    def arrived(self, parked: Parked) -> None:
        """Somebody waits here now."""

    def from_child_task(self, inv: Invocation) -> None:
        """An operation comes from a task that the handler started."""

    async def perform(self, inv: Invocation, op: Op) -> Any:
        """See `Driver`. Every operation is a schedule point."""
        if inv.outcome is not None:
            return inv.kernel.apply(inv, op)  # refused by the fence
        if asyncio.current_task() is not inv.task:
            self.from_child_task(inv)
        return await self._park(inv, op, None)

    async def _park(self, inv: Invocation, op: Op | None, joins: Round | None) -> Any:
        waiter = self.loop.create_future()

        def answer(result: Any, error: BaseException | None) -> None:
            if waiter.done():
                return
            if error is None:
                waiter.set_result(result)
            else:
                refused = isinstance(error, StopIteration)  # by a future, as by a coroutine
                waiter.set_exception(RuntimeError("an operation raised StopIteration") if refused else error)

        parked = self._add(inv, op, answer, joins, waiter)
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
            self._add(inv, op, answer, None, None)

    def _add(
        self, inv: Invocation, op: Op | None, answer: Answer, joins: Round | None, waiter: asyncio.Future[Any] | None
    ) -> Parked:
        parked = Parked(inv, op, answer, joins)
        parked.waiter = waiter
        self.parked.add(parked)
        self.arrived(parked)
        return parked

    def _drop(self, parked: Parked) -> None:
        self.parked.remove(parked)
        if parked.ticket is not None:
            parked.inv.kernel.withdraw(parked.ticket)

    def interrupt_waiting(self, inv: Invocation) -> bool:
        """See `Driver`."""
        waiting = self.parked.of(inv)
        for parked in waiting:
            self._drop(parked)
            parked.answer(None, asyncio.CancelledError())
        return bool(waiting)

    def refuse_parked(self, inv: Invocation) -> None:
        """The invocation has ended: what tasks it left behind wait for is refused by the fence (BAR-2)."""
        for parked in self.parked.take_all(inv):
            if parked.op is not None and parked.ticket is None:
                try:
                    inv.kernel.apply(inv, parked.op)
                except WorkflowError as over:
                    parked.answer(None, over)
            elif parked.ticket is not None:
                parked.answer(parked.ticket.result, parked.ticket.error)

    async def join(self, this: Round, host: Invocation) -> None:
        """Wait until the superstep of the sub-workflow that `host` runs has ended (SUB-1)."""
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
