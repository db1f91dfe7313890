"""Which invocation a task works for: its own, an effect's, or one that its handler started and awaits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..kernel import Invocation

if TYPE_CHECKING:
    from .base import Driver


@dataclass(frozen=True, slots=True)
class Owner:
    """An invocation, and what of it the task is: "" for its handler, or an effect's name, or "a task"."""

    inv: Invocation
    part: str

    def __str__(self) -> str:
        """For messages."""
        handler = f"handler {self.inv.handler} of {self.inv.executor!r}"
        return f"{self.part} of {handler}" if self.part else handler


def owner_of(driver: Driver, task: asyncio.Task[Any]) -> Owner | None:
    """Whose task this is; None for one that has nothing to do with this run. May be asked from another thread."""
    running = [inv for this in list(driver.rounds) for inv in list(this.running)]
    for inv in running:
        if inv.task is task:
            return Owner(inv, "")
    for inv in running:
        for effect in driver.effects_of(inv):
            if effect.task is task:
                return Owner(inv, f"effect {effect.name}")
    for inv in running:
        if inv.task is not None and _awaits(inv.task, task):
            return Owner(inv, "a task")
    return None


def _awaits(parent: asyncio.Task[Any], child: asyncio.Task[Any]) -> bool:
    """Whether a suspended task waits for another: directly, by `gather`, or at the end of a `TaskGroup`."""
    future = getattr(parent, "_fut_waiter", None)
    if future is child or child in (getattr(future, "_children", None) or ()):
        return True
    awaiting: Any = parent.get_coro()
    while awaiting is not None:
        frame = getattr(awaiting, "cr_frame", None)
        group = None if frame is None else frame.f_locals.get("self")
        if isinstance(group, asyncio.TaskGroup) and child in getattr(group, "_tasks", ()):
            return True
        awaiting = getattr(awaiting, "cr_await", None)
    return False
