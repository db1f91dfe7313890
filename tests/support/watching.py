"""An observer for tests: keeps a run's events, says what is durable when told to, and notices what comes too late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from stepscope.events import AnyEvent, Checkpointed, Event, HandlerStarted, RunStarted
from stepscope.observe import ALL, RunSink


class Watcher:
    """Watches one run. `durable` is what a test sets it to, all of it by default."""

    def __init__(self, durable: int = ALL) -> None:
        self.durable = durable
        self.events: list[AnyEvent] = []
        self.late: list[AnyEvent] = []
        """Events that came after `close`: there must be none."""
        self.closed = 0
        self.entered: list[HandlerStarted] = []
        self.flushed: list[bool] = []

    def begin(self, started: RunStarted) -> RunSink:
        """The run begins."""
        return self

    def append(self, event: AnyEvent) -> None:
        """Keep it."""
        (self.late if self.closed else self.events).append(event)

    def enter_handler(self, event: HandlerStarted) -> None:
        """Keep it."""
        self.entered.append(event)

    def flush(self, *, barrier: bool) -> None:
        """Keep that it was offered."""
        self.flushed.append(barrier)

    def close(self) -> None:
        """The run is over."""
        self.closed += 1
        self.durable = ALL

    def of(self, *kinds: type[Event], executor: str | None = None) -> list[Any]:
        """The events of some kinds, of one executor if one is named."""
        return [e for e in self.events if isinstance(e, kinds) and executor in (None, getattr(e, "executor", None))]

    def ends(self) -> list[tuple[str, str]]:
        """Executor and outcome of each ended invocation, in order of invocation numbers."""
        ended = [e for e in self.events if e.kind == "handler-ended"]
        ended.sort(key=lambda e: e.inv)  # type: ignore[union-attr]
        return [(e.executor, e.outcome) for e in ended]  # type: ignore[union-attr]


class Trap(Watcher):
    """Cancels `task`, the run, when its n-th event comes."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.task: asyncio.Task[Any] | None = None
        self.sprung = False

    def append(self, event: AnyEvent) -> None:
        super().append(event)
        if len(self.events) == self.at and self.task is not None:
            self.sprung = self.task.cancel()


def comparable(events: Sequence[AnyEvent]) -> list[tuple[Any, ...]]:
    """What two repetitions of a run must have in common: everything but times and the run's own name (DET-1)."""
    rows = []
    for event in events:
        if isinstance(event, RunStarted):
            event = msgspec.structs.replace(event, run_id="", started_unix_ns=0)
        elif isinstance(event, Checkpointed):
            event = msgspec.structs.replace(event, checkpoint_id="", took=0)
        rows.append((event.kind, *msgspec.structs.astuple(msgspec.structs.replace(event, t=0))))
    return rows
