"""Runs whose whole event stream is checked: by the rules of the stream, and against the result they gave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from stepscope import Workflow
from stepscope.digest import digest_of_events
from stepscope.findings import of_event

from .stream_rules import check_stream
from .watching import Watcher
from .workflows import Context, Seen, ThreadContext

_GUARD = 60.0
"""Seconds after which a run that hangs is given up; graces of virtual time are shorter."""


async def ruled(workflow: Workflow, message: Any = None, *, watcher: Watcher | None = None, **options: Any) -> Seen:
    """Run like `workflows.watch`; the events must obey the rules and agree with the result."""
    watcher = watcher or Watcher()
    seen = Seen(watcher.events)
    async with asyncio.timeout(_GUARD):
        try:
            seen.outcome = await workflow.run(message, record=watcher, **options)
        except Exception as error:
            seen.error = error
    check_run(watcher, seen)
    return seen


def check_run(watcher: Watcher, seen: Seen) -> None:
    """What holds after any run that is over."""
    assert watcher.closed == 1
    assert not watcher.late, f"after the end came {[event.kind for event in watcher.late]}"
    check_stream(watcher.events)
    last = watcher.events[-1]
    assert last.kind == "run-ended"
    result = seen.outcome
    if result is not None:
        assert last.status == "completed"  # type: ignore[union-attr]
        assert digest_of_events(watcher.events) == result.digest
        found = [event for event in watcher.events if event.kind == "finding"]
        assert [of_event(event, result.run_id) for event in found] == result.findings  # type: ignore[arg-type]
    else:
        assert last.status in ("failed", "cancelled")  # type: ignore[union-attr]


async def until(is_so: Callable[[], object]) -> None:
    """Let the event loop go round until something is so, not for ever."""
    async with asyncio.timeout(_GUARD):
        while not is_so():  # noqa: ASYNC110 - it is not an event of ours
            await asyncio.sleep(0)


async def spin(ctx: Context) -> None:
    """One round of having something to do: a schedule point, and a chance for the event loop."""
    await ctx.state.get("nothing")
    await asyncio.sleep(0)


class Meeting:
    """Siblings wait for each other without a lock: each goes round until all are there, in either mode."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.here: list[str] = []

    def come(self, ctx: Context | ThreadContext) -> None:
        """Be here, without waiting for anybody."""
        if ctx.executor_id not in self.here:
            self.here.append(ctx.executor_id)

    async def __call__(self, ctx: Context) -> None:
        """Come, and wait for the others."""
        self.come(ctx)
        while len(self.here) < self.size:
            await spin(ctx)
