"""A fan-in's messages that have no partner yet (ORD-4)."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from .model import Message


class Pool:
    """One queue for each source, in declared order: the i-th messages of all sources make the i-th group."""

    __slots__ = ("empty", "queues")

    def __init__(self, sources: int) -> None:
        self.queues: list[deque[Message]] = [deque() for _ in range(sources)]
        self.empty = sources

    def copy(self) -> Pool:
        """For a barrier that may yet fail (BAR-3)."""
        copy = Pool(0)
        copy.queues = [queue.copy() for queue in self.queues]
        copy.empty = self.empty
        return copy

    def put(self, position: int, message: Message) -> list[Message] | None:
        """Take a message of the source at `position`; gives the group it completes."""
        queue = self.queues[position]
        if not queue:
            self.empty -= 1
        queue.append(message)
        if self.empty:
            return None
        group = []
        for queue in self.queues:
            group.append(queue.popleft())
            if not queue:
                self.empty += 1
        return group

    @property
    def filled(self) -> bool:
        """Whether any message is left."""
        return self.empty < len(self.queues)


Buffers: TypeAlias = dict[str, Pool]
"""By fan-in group id."""
