"""Runs that are resumed from each of their barriers, and compared with the one that was never interrupted (BAR-5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from stepscope import CheckpointInfo, InMemoryCheckpointStorage, Workflow, WorkflowResult
from stepscope.digest import digest_of_events
from stepscope.events import AnyEvent, Checkpointed, Resumed

from .ruled import check_run, ruled
from .watching import Watcher, comparable
from .workflows import GUARD, Seen

Make = Callable[[], Workflow]
"""Builds the workflow anew, as another process would."""


async def resumed(
    workflow: Workflow, storage: InMemoryCheckpointStorage, checkpoint_id: str | None = None
) -> tuple[Seen, Watcher]:
    """Resume, and check the events; what it raises is kept."""
    watcher = Watcher()
    seen = Seen(watcher.events)
    async with asyncio.timeout(GUARD):
        try:
            seen.outcome = await workflow.resume(storage, checkpoint_id, record=watcher)
        except Exception as error:
            seen.error = error
    check_run(watcher, seen)
    return seen, watcher


def committed(seen: Seen) -> Any:
    """What a run came to, whatever the timing was."""
    result = seen.outcome
    if isinstance(result, WorkflowResult):
        return result.outputs, result.state, result.supersteps, result.digest
    return type(seen.error), str(seen.error), digest_of_events(seen.events)


def tail(events: Sequence[AnyEvent], superstep: int) -> list[Any]:
    """What happened after a barrier, without numbers that count from the run's beginning."""
    ended = next(at for at in range(len(events), 0, -1) if at == 1 or _closes(events[at - 1], superstep))
    return [(kind, *fields[2:]) for kind, *(fields) in comparable(events[ended:])]


def _closes(event: AnyEvent, superstep: int) -> bool:
    """Whether it is the last event of a barrier."""
    if event.scope or event.superstep != superstep:
        return False
    return isinstance(event, Resumed) or event.kind == ("superstep-completed" if superstep else "checkpointed")


async def resumes_everywhere(make: Make, message: Any, *, same_events: bool, **options: Any) -> list[CheckpointInfo]:
    """Run with checkpoints; resume from each; every end must be the same. Gives the checkpoints of the first run."""
    storage = InMemoryCheckpointStorage()
    whole = await ruled(make(), message, checkpoints=storage, **options)
    kept = await storage.list_checkpoints()
    assert [one.superstep for one in kept] == list(range(len(kept)))
    assert [one.checkpoint_id for one in kept] == [one.checkpoint_id for one in whole.of(Checkpointed)]
    for one in kept:
        again, _ = await resumed(make(), storage, one.checkpoint_id)
        assert committed(again) == committed(whole), one
        if same_events:
            expected, repeated = tail(whole.events, one.superstep), tail(again.events, one.superstep)
            differs = [pair for pair in zip(expected, repeated, strict=False) if pair[0] != pair[1]]
            assert not differs, differs[0]
            assert len(expected) == len(repeated)
    return kept
