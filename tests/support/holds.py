"""What tests of held keys share: a superstep in which others wait for a held key, and who had it when."""

from __future__ import annotations

import asyncio
from typing import Any

from stepscope import StateKey
from stepscope.events import LockAcquired, LockReleased

from .workflows import Context, Seen

LIVE = [StateKey(name, initial=0, access="live") for name in ("key", "other", "third")]


def increment(value: int) -> int:
    """For `update`."""
    return value + 1


def lock_story(seen: Seen, key: str = "key") -> list[tuple[str, str]]:
    """Who acquired and released a key, in order."""
    return [
        (event.executor, "acquired" if isinstance(event, LockAcquired) else "released")
        for event in seen.events
        if isinstance(event, (LockAcquired, LockReleased)) and event.key == key
    ]


class Stage:
    """A concurrent superstep in which "owner" holds the key until the test's other handlers all wait for it."""

    def __init__(self, waiters: int) -> None:
        self.held = asyncio.Event()
        self._asked = [asyncio.Event() for _ in range(waiters + 1)]
        self._asked[0].set()
        self.all_asked = self._asked[waiters]

    async def owner(self, _: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            self.held.set()
            await self.all_asked.wait()
            await ctx.state.set("key", 5)

    async def ask(self, position: int) -> None:
        """Return when the key is held and the `position` before this one have asked."""
        await self.held.wait()
        await self._asked[position].wait()
        self._asked[position + 1].set()  # who waits for it runs only after this handler has asked and waits
