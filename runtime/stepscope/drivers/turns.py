"""Whose turn it is in a controlled run, and waiting until it is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..kernel import Invocation


class Turns:
    """The turn: at most one invocation has it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.holder: Invocation | None = None
        self.watch: Callable[[Invocation], object] | None = None
        """Told whose turn begins, or may have ended."""
        self._settled: asyncio.Future[None] | None = None
        self._news: asyncio.Future[None] | None = None

    def give(self, inv: Invocation) -> None:
        """It is the turn of `inv` now."""
        self.holder = inv
        if self.watch is not None:
            self.watch(inv)

    def changed(self, inv: Invocation) -> None:
        """The invocation parked, waits for effects, or ended: it has no turn any more."""
        if self.holder is inv:
            self.holder = None
            _wake(self._settled)
        _wake(self._news)
        if self.watch is not None:
            self.watch(inv)

    def news(self) -> None:
        """Something else happened that may let somebody go on."""
        _wake(self._news)

    async def over(self, inv: Invocation, timer: asyncio.TimerHandle, *, at_once: bool) -> None:
        """Wait until `inv` has given its turn back, which it does `at_once` if it need not go on; `timer` may end it."""
        self._settled = self._loop.create_future()
        if at_once:
            self.changed(inv)
        try:
            await self._settled
        finally:
            timer.cancel()
            self._settled = None

    async def wait_for_news(self, seconds: float | None) -> bool:
        """Wait until anything changes; False if nothing did in time."""
        self._news = self._loop.create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._news
        except TimeoutError:
            return False
        finally:
            self._news = None
        return True


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
