"""A superstep of a concurrent run in which nothing happens any more, noticed by time (DLK-4).

Nothing is noted in the hot path. At each tick of a slow timer a wire is laid in the kernel's way, which the next
operation trips and takes away; what it does not see, starts and ends, shows in who runs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..errors import WorkflowError
from ..kernel import Invocation, Kernel
from ..kernel.ops import Op
from .round import Round
from .waiting import everybody, who_waits

if TYPE_CHECKING:
    from .base import Driver

_TICKS = 4
"""Ticks in a `stall_timeout`: a stall is told at most a quarter of it late."""


class _Still:
    """A superstep at its last sign of life."""

    def __init__(self, this: Round, since: float) -> None:
        self.since = since
        self.running = tuple(this.running)
        self.started = [inv.started for inv in self.running]
        self.reported = False
        self.tripped = False
        self._lay(this.kernel)

    def _lay(self, kernel: Kernel) -> None:
        through = kernel.apply

        def trip(inv: Invocation, op: Op) -> Any:
            self.tripped = True
            kernel.apply = through
            return through(inv, op)

        kernel.apply = trip


class StallWatch:
    """Looks at a driver's supersteps from time to time."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._seconds = driver.options.stall_timeout
        self._still: dict[Round, _Still] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look."""
        self._timer = self._driver.loop.call_later(self._seconds / _TICKS, self._tick)

    def stop(self) -> None:
        """The run is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        now = self._driver.loop.time()
        moved: set[Round] = set()
        still: dict[Round, _Still] = {}
        for this in reversed(self._driver.rounds):  # what happens inside a sub-workflow happens in its host's superstep
            before = self._still.get(this)
            if before is None or this in moved or self._moves(this, before):
                if this.host is not None:
                    moved.add(this.host.round)
                if before is None or before.tripped:
                    still[this] = _Still(this, now)
                    continue
                before.since, before.reported = now, False
                before.running = tuple(this.running)
                before.started = [inv.started for inv in before.running]
            still[this] = before
        self._still = still
        self.start()
        self._tell([this for this, one in still.items() if now - one.since > self._seconds * 0.999])

    def _moves(self, this: Round, before: _Still) -> bool:
        running = tuple(this.running)
        return (
            before.tripped
            or this.failing
            or running != before.running
            or [inv.started for inv in running] != before.started
            or any(not effect.over for inv in running for effect in self._driver.effects_of(inv))
        )

    def _tell(self, stalled: list[Round]) -> None:
        """Say each once: a sub-workflow's with its host's, where that has stalled too."""
        for this in stalled:
            if self._still[this].reported:
                continue
            self._still[this].reported = True
            if this.host is None or this.host.round not in stalled:
                self._report(this)

    def _report(self, this: Round) -> None:
        kernel = this.kernel
        involved = everybody(self._driver, this)
        table = who_waits(self._driver, involved)
        kernel.report.stalled_superstep(involved, self._seconds, table)
        if self._driver.options.on_stall == "fail":
            what = f"superstep {kernel.superstep} stalled: nothing happened in it for {self._seconds:g} s"
            kernel.fail(WorkflowError(f"{what}; {table}."))
            self._driver.fail(this)
