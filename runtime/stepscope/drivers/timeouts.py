"""A handler's time, which may stand still (PAR-4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Countdown:
    """Calls `fire` once it has run for `seconds`, by the event loop's clock. Begins stopped."""

    __slots__ = ("_fire", "_handle", "_left", "_loop", "_since")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, fire: Callable[[], object]) -> None:
        self._loop = loop
        self._left = seconds
        self._fire = fire
        self._since = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def run(self, going: bool = True) -> None:
        """Let it run, or stand still."""
        if not going:
            self.stop()
        elif self._handle is None:
            self._since = self._loop.time()
            self._handle = self._loop.call_later(self._left, self._fire)

    def stop(self) -> None:
        """Stand still until it is let run again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self._left -= self._loop.time() - self._since
