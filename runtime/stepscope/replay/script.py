"""The recorded events with a cursor: what has to happen next, and what each invocation does next (DET-4).

Events are held a superstep of the run at a time: what an invocation will do is known as far as its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from ..events import (
    AnyEvent,
    Checkpointed,
    Delivered,
    ErrorInfo,
    Event,
    Found,
    HandlerEnded,
    RunEnded,
    SuperstepFailed,
    SuperstepStarted,
    TimedOut,
)

UNCOMPARED = frozenset({
    "stalled", "blocked-loop", "straggler", "nondeterminism", "escaped-task", "checkpoint-failed",
})  # fmt: skip
"""Findings that hang on elapsed time, on tasks that nobody awaits, or on where checkpoints are kept."""


def takes_part(event: Event) -> bool:
    """Whether an event is compared at all."""
    return not (isinstance(event, Checkpointed) or (isinstance(event, Found) and event.finding in UNCOMPARED))


def owner(event: Event) -> int:
    """Which invocation makes an event happen: its own, or for a sub-workflow's barrier the host; 0 is the run itself."""
    if isinstance(event, Delivered):
        return event.scope
    inv: int = getattr(event, "inv", event.scope)
    return inv


def _is_cancelled(chapter: list[AnyEvent]) -> bool:
    if len(chapter) < 2:
        return False
    failed, ended = chapter[-2:]
    cancelled = isinstance(ended, RunEnded) and not ended.scope and ended.status == "cancelled"
    return cancelled and isinstance(failed, SuperstepFailed) and not failed.scope


class Script:
    """See the module."""

    def __init__(self, events: Iterable[AnyEvent]) -> None:
        """`events` are those of one run, in `seq` order, from its first on."""
        self._source = filter(takes_part, events)
        self._held: AnyEvent | None = next(self._source, None)
        self._chapter: list[AnyEvent] = []
        self._at = 0
        self._owners: list[int] = []
        self._by_owner: dict[int, deque[int]] = {}
        self._ended: dict[int, HandlerEnded] = {}
        self._failed: dict[tuple[int, int], int] = {}
        self._early: set[int] = set()
        self.cancelled = False
        """Whether the run was cancelled from outside in this superstep."""
        self.last: AnyEvent | None = None
        """The newest event that has happened again."""
        self._turn_page()

    def _turn_page(self) -> None:
        """Take the events up to the next superstep of the run."""
        chapter = self._chapter = []
        self._at = 0
        for one in (self._by_owner, self._ended, self._failed):
            one.clear()
        while self._held is not None:
            event = self._held
            chapter.append(event)
            self._held = next(self._source, None)
            if isinstance(self._held, SuperstepStarted) and not self._held.scope:
                break
        self.cancelled = _is_cancelled(chapter)
        self._owners = [owner(event) for event in chapter]
        for at in range(len(chapter) - 2, -1, -1):
            if isinstance(event := chapter[at], Found) and event.finding == "lock-not-released":
                self._owners[at] = self._owners[at + 1]  # said just before its handler ends
        for at, event in enumerate(chapter):
            self._by_owner.setdefault(self._owners[at], deque()).append(at)
            if isinstance(event, HandlerEnded):
                self._ended[event.inv] = event
            if isinstance(event, TimedOut) or (isinstance(event, HandlerEnded) and event.outcome == "failed"):
                self._failed.setdefault((event.scope, event.superstep), event.seq)

    @property
    def expected(self) -> AnyEvent | None:
        """What has to happen next; None at the recording's end."""
        return self._chapter[self._at] if self._at < len(self._chapter) else None

    @property
    def actor(self) -> int:
        """Which invocation makes what has to happen next; 0: the run itself."""
        return self._owners[self._at]

    def advance(self) -> None:
        """It has happened."""
        self.last = self._chapter[self._at]
        self._by_owner[self._owners[self._at]].popleft()
        self._at += 1
        while self._at in self._early:
            self._early.discard(self._at)
            self._at += 1
        if self._at == len(self._chapter):
            self._turn_page()

    def advance_early(self, inv: int) -> None:
        """What invocation `inv` does next has happened before its turn."""
        at = self._by_owner[inv].popleft()
        assert at > self._at
        self._early.add(at)

    def next_of(self, inv: int) -> AnyEvent | None:
        """What invocation `inv` does next, as far as the superstep goes."""
        mine = self._by_owner.get(inv)
        return self._chapter[mine[0]] if mine else None

    def rest_of(self, inv: int) -> list[AnyEvent]:
        """All that invocation `inv` still does in the superstep."""
        return [self._chapter[at] for at in self._by_owner.get(inv, ())]

    def after(self, count: int) -> list[AnyEvent]:
        """The expected event and those after it, at most `count`."""
        left = (self._chapter[at] for at in range(self._at, len(self._chapter)) if at not in self._early)
        return list(islice(left, count))

    def end_of(self, inv: int) -> HandlerEnded | None:
        """How invocation `inv` ends, if it does so in this superstep."""
        return self._ended.get(inv)

    def failure(self, scope: int, superstep: int) -> int | None:
        """The `seq` at which the first handler of a superstep fails, if one does."""
        return self._failed.get((scope, superstep))

    def errors_of(self, scope: int, superstep: int) -> list[ErrorInfo]:
        """What a superstep fails with."""
        for event in self._chapter:
            if isinstance(event, SuperstepFailed) and (event.scope, event.superstep) == (scope, superstep):
                return event.errors
        return []
