"""A superstep while it runs: who runs, who may start, what they began with (PAR-1, PAR-5)."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from ..kernel import Inboxes, Invocation, Kernel

Answer = Callable[[Any, BaseException | None], None]
"""How an operation's result, or what it raises, reaches the handler."""


class Round:
    """A superstep of one scope while it runs."""

    __slots__ = (
        "context",
        "deadline",
        "done",
        "failing",
        "finished",
        "host",
        "inboxes",
        "kernel",
        "position",
        "ready",
        "running",
    )

    def __init__(self, kernel: Kernel, inboxes: Inboxes, host: Invocation | None) -> None:
        self.kernel = kernel
        self.inboxes = inboxes
        self.host = host
        self.ready = list(range(len(inboxes)))
        """Indexes of inboxes whose next invocation may start: a heap, so in rank order (PAR-1)."""
        self.position = [0] * len(inboxes)
        self.running: dict[Invocation, int] = {}
        """Started and not ended, with the index of its inbox."""
        self.failing = False
        self.finished = False
        self.deadline: float | None = None
        """When the first that was cancelled has to have ended, by the event loop's clock (BAR-3)."""
        self.context = contextvars.copy_context()
        """What the run, or the host of a sub-workflow, set: each invocation begins with a copy (PAR-5)."""
        self.done: asyncio.Future[None] | None = None

    def holds(self, inv: Invocation) -> bool:
        """Whether an invocation runs in this superstep, or in a sub-workflow inside it."""
        around: Round | None = inv.round
        while around is not None and around is not self:
            around = None if around.host is None else around.host.round
        return around is self

    def take(self, index: int) -> Invocation:
        """The next invocation of an inbox, now running."""
        inv = self.inboxes[index][self.position[index]]
        self.position[index] += 1
        self.running[inv] = index
        inv.round = self
        return inv
