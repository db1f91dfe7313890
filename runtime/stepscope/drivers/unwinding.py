"""How a controlled run ends a superstep that cannot commit: one invocation after another (BAR-3)."""

from __future__ import annotations

from abc import abstractmethod

from ..journal import Journal
from ..kernel import Invocation
from .options import RunOptions
from .parked import ParkingDriver
from .round import Round
from .turns import Turns


class UnwindingDriver(ParkingDriver):
    """Cancels and awaits the invocations of failing supersteps."""

    def __init__(self, journal: Journal, options: RunOptions, seed: int) -> None:
        """See `Driver`."""
        super().__init__(journal, options, seed)
        self.turns = Turns(self.loop)
        self.idle: set[Invocation] = set()
        """Invocations that wait for effects."""
        self.stopped: dict[Invocation, float] = {}
        """When those that are being cancelled have to have ended, by the event loop's clock."""

    @abstractmethod
    def resume(self, inv: Invocation) -> bool:
        """Perform the pending operation of `inv`; False if it has to wait instead of going on."""

    @abstractmethod
    def admit_within(self, this: Round) -> Invocation | None:
        """Admit the effect that a cancelled handler waits for, in its clean-up say, and that was asked for first, if it
        has its result; gives who goes on with it.
        """

    @abstractmethod
    def look_later(self, inv: Invocation) -> None:
        """Find out soon whether the one that has the turn waits for its effects."""

    async def unwind(self, this: Round) -> None:
        """Cancel and await the invocations of a failing superstep, one after another, each for a while."""
        for inv in sorted(this.running, key=lambda inv: inv.id):
            if inv.cancelling and self.parked.enabled(inv) is None:
                continue
            others = False
            if not inv.cancelling:
                if this.deadline is None:
                    this.deadline = self.loop.time() + self.options.cancel_grace
                elif self.loop.time() >= this.deadline:
                    self._stop_rest(this)
                    return
                self.turns.holder = inv
                self.idle.discard(inv)
                self.stopped[inv] = this.deadline
                self.stop(inv)
            elif not self._late(inv) and self.resume(inv):
                others = inv in self.parked  # another of its tasks is at a schedule point already
            if inv in this.running and (self.turns.holder is inv or self._late(inv)):
                await self._settle_in(inv, at_once=others)
            this.finished = not this.running
            return
        if this.running:
            await self._wait_for_one(this)
        this.finished = not this.running

    def _stop_rest(self, this: Round) -> None:
        """Some took the whole grace: the others are cancelled together and have one of their own together."""
        for inv in sorted(this.running, key=lambda inv: inv.id):
            if not inv.cancelling:
                self.idle.discard(inv)
                self.stopped[inv] = self.loop.time() + self.options.cancel_grace
                self.stop(inv)
        this.finished = not this.running

    def _late(self, inv: Invocation) -> bool:
        return self.loop.time() >= self.stopped[inv]

    async def _settle_in(self, inv: Invocation, *, at_once: bool) -> None:
        """Wait until it gives its turn back; abandon it when its grace is over."""
        if self.turns.holder is inv and not self._late(inv):
            timer = self.loop.call_at(self.stopped[inv], self.turns.changed, inv)
            if inv in self._effects:
                self.look_later(inv)
            await self.turns.over(inv, timer, at_once=at_once)
        if inv in inv.round.running and self._late(inv):
            self._give_up_one(inv.round, inv)

    async def _wait_for_one(self, this: Round) -> None:
        """All are cancelled and none can go on: wait for news until the first one's grace is over."""
        inv = self.admit_within(this)
        if inv is not None:
            await self._settle_in(inv, at_once=inv in self.parked)
            return
        first = min(this.running, key=lambda inv: (self.stopped[inv], inv.id))
        left = self.stopped[first] - self.loop.time()
        if left <= 0 or not await self.turns.wait_for_news(left):
            self._give_up_one(this, first)

    def give_up(self, this: Round) -> None:
        """See `Driver`."""
        for inv in sorted(this.running, key=lambda inv: inv.id):
            self._give_up_one(this, inv)
        this.failing = this.finished = True

    def _give_up_one(self, this: Round, inv: Invocation) -> None:
        self.abandon(inv)
        self.refuse_parked(inv)
        this.running.pop(inv, None)
