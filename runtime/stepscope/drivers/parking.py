"""Who waits at a schedule point of a controlled run, and for what."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

from ..kernel import Invocation, Ticket
from ..kernel.model import HoldRecord
from ..kernel.ops import Op
from .round import Answer, Round


class Parked:
    """What an invocation waits for: an operation, a ticket, or (`joins`) a sub-workflow's superstep."""

    __slots__ = ("answer", "inv", "joins", "op", "ticket", "waiter")

    def __init__(self, inv: Invocation, op: Op | None, answer: Answer, joins: Round | None = None) -> None:
        self.inv = inv
        self.op = op
        self.answer = answer
        self.joins = joins
        self.ticket: Ticket | None = None
        self.waiter: asyncio.Future[Any] | None = None
        """What a task awaits; None for a thread."""

    @property
    def enabled(self) -> bool:
        """Whether it could go on now: nothing is given to a task that was cancelled and does not know it yet."""
        if self.waiter is not None and self.waiter.cancelled():
            return False
        if self.joins is not None:
            return self.joins.finished
        return self.ticket is None or self.ticket.done


class Parking:
    """All who wait; an invocation waits in several places when its handler started tasks."""

    def __init__(self) -> None:
        self._queues: dict[Invocation, deque[Parked]] = {}

    def add(self, parked: Parked) -> None:
        """One more."""
        self._queues.setdefault(parked.inv, deque()).append(parked)

    def remove(self, parked: Parked) -> None:
        """It goes on, or has gone."""
        queue = self._queues.get(parked.inv)
        if queue is not None and parked in queue:
            queue.remove(parked)
            if not queue:
                del self._queues[parked.inv]

    def take_all(self, inv: Invocation) -> list[Parked]:
        """The invocation has ended: what its tasks still wait for."""
        return list(self._queues.pop(inv, ()))

    def of(self, inv: Invocation) -> list[Parked]:
        """Where the invocation waits, longest wait first."""
        return list(self._queues.get(inv, ()))

    def enabled(self, inv: Invocation) -> Parked | None:
        """Its longest waiting that could go on now."""
        return next((parked for parked in self._queues.get(inv, ()) if parked.enabled), None)

    def __iter__(self) -> Iterator[Invocation]:
        """The invocations that wait somewhere."""
        return iter(self._queues)

    def __contains__(self, inv: Invocation) -> bool:
        """Whether an invocation waits anywhere."""
        return inv in self._queues


def given_hold(waiter: asyncio.Future[Any]) -> HoldRecord | None:
    """The hold that was granted to one who was cancelled before it woke (STA-5)."""
    if not waiter.done() or waiter.cancelled() or waiter.exception() is not None:
        return None
    result = waiter.result()
    return result if isinstance(result, HoldRecord) else None
