"""How much each executor handled in a group of supersteps: counted once, a little at a time, and kept."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stepscope_tracing import Run

_SUPERSTEPS_AT_ONCE = 8
_ENDED_BADLY = frozenset(("failed", "cancelled", "abandoned"))


@dataclass
class Handled:
    """Deliveries by executor, those that did not complete, and messages that came in after the first barrier."""

    handled: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    inside: int = 0
    done: int = 0


class GroupCounts:
    """Counts of groups, by their first and last event."""

    def __init__(self, run: Run) -> None:
        """Nothing counted yet."""
        self._run = run
        self._groups: dict[tuple[int, int], Handled] = {}

    def feed(
        self,
        group: tuple[int, int],
        indices: range,
        bounds: Callable[[int], tuple[int, int]],
        head: int,
        seconds: float,
    ) -> Handled | None:
        """Count the events `group` (first, last) for at most about `seconds`; None if that is not all.

        `indices` are its supersteps, `bounds` gives the first and last event of one; `head` is the last delivery of
        the first superstep: what came in by then came over the group's first barrier.
        """
        counts = self._groups.setdefault(group, Handled())
        until = time.monotonic() + seconds
        while counts.done < len(indices):
            if not self._run.index_ready:
                return None
            some = indices[counts.done : counts.done + _SUPERSTEPS_AT_ONCE]
            for one in self._run.invocations(bounds(some[0])[0], bounds(some[-1])[1]):
                counts.handled[one.executor] += 1
                counts.bad[one.executor] += one.outcome in _ENDED_BADLY
                counts.inside += len(one.messages) if one.delivered > head else 0
            counts.done += len(some)
            if counts.done < len(indices) and time.monotonic() >= until:
                return None
        return counts
