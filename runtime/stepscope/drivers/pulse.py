"""How long the event loop has been in one step of one task, worked out from outside by looking at it (PAR-3).

A look sees which task the loop is in. Between a ping, a callback queued from outside, and its answer a task takes at
most one step: its next would be queued behind the ping. So looks that see the same task, with the same ping unanswered,
see the same step. What lies between two looks counts only as far as the looks themselves came in time: a process that
was stopped, or a machine that slept, did not block.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

_LATE = 2.0
"""A look that comes later than so many intervals came late: no more than that is counted."""
_STARVED = 1.0
"""Seconds without a look that are counted after all, if the loop's own thread worked all the time: C code that does
not let other threads in."""


class Pulse(Generic[T]):
    """One event loop's; `T` is its task type."""

    def __init__(self, interval: float, now: float, worked: float) -> None:
        """`interval` is the time from look to look, `worked` the processor time of the loop's thread: seconds."""
        self.interval = interval
        self.task: T | None = None
        """What the loop was in at the last look; None if it was in no task."""
        self.lasted = 0.0
        """How long that step is known to have lasted, in seconds."""
        self.pinged = False
        """Whether a ping is under way."""
        self._now = now
        self._worked = worked

    def look(self, task: T | None, now: float, worked: float) -> bool:
        """The loop is in `task`. True if a ping is to be sent."""
        passed, own = now - self._now, worked - self._worked
        self._now, self._worked = now, worked
        alone = min(passed, own) - self.interval
        alone = alone if alone >= _STARVED else 0.0
        if task is None or task is not self.task or not self.pinged:
            self.task = task
            self.lasted = 0.0 if task is None else alone
        else:
            self.lasted += max(min(passed, _LATE * self.interval), alone)
        ping = task is not None and not self.pinged
        self.pinged = self.pinged or ping
        return ping

    def answer(self, now: float) -> float:
        """The ping is answered: the loop goes on. How long the step had lasted, if it was still the same."""
        lasted = self.lasted + min(now - self._now, _LATE * self.interval)
        self.task, self.lasted, self.pinged = None, 0.0, False
        return lasted
