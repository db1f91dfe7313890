"""Runs that are recorded and replayed at once, and what every replay of the same code must come to."""

from __future__ import annotations

import asyncio
from typing import Any

from stepscope import ReplayReport, Workflow
from stepscope.events import AnyEvent
from stepscope.replay.script import takes_part

from .watching import Watcher

GUARD = 60.0
"""Seconds after which a run or a replay that hangs is given up."""


async def recorded(workflow: Workflow, message: Any, **options: Any) -> list[AnyEvent]:
    """The events of a run, however it ends."""
    watcher = Watcher()
    async with asyncio.timeout(GUARD):
        try:
            await workflow.run(message, record=watcher, **options)
        except (Exception, asyncio.CancelledError):
            assert watcher.events, "it did not even begin"
    return watcher.events


async def replayed(workflow: Workflow, events: list[AnyEvent], **options: Any) -> ReplayReport:
    """A replay, which must not hang."""
    async with asyncio.timeout(GUARD):
        return await workflow.replay(iter(events), **{"stall_timeout": 5.0, **options})


def check_identical(report: ReplayReport, events: list[AnyEvent]) -> None:
    """Every event that takes part happened again, to the run's end."""
    report.verify()
    assert report.outcome == "identical"
    assert report.steps == sum(map(takes_part, events))
    assert report.complete
    assert not report.unknown
