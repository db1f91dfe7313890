"""Compares what happens now with the recording, event by event; the first difference ends the replay (DET-4)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..errors import WorkflowError
from ..events import (
    AnyEvent,
    EffectEnded,
    EffectStarted,
    GraphInfo,
    HandlerEnded,
    HandlerStarted,
    RunEnded,
    RunStarted,
    SuperstepStarted,
)
from ..observe import ALL
from .same import Comparison
from .script import Script, takes_part

_FROM_OUTSIDE = frozenset({"CancelledError", "KeyboardInterrupt", "SystemExit", "RecordingError", "CheckpointError"})
"""What may have ended a recorded run between two supersteps; its handlers did not make it."""

_AT_ONCE = (EffectStarted, EffectEnded, HandlerEnded)
"""What happens as soon as a handler comes to it, not when it is let: it is compared with what the handler does next, and
the first two, which touch nothing that others see, may come before their turn."""


class Mismatch(msgspec.Struct, frozen=True):
    """The first difference: what was recorded (None: nothing more), and what happened instead, an event or in words."""

    recorded: AnyEvent | None
    now: AnyEvent | None
    stuck: str = ""


class Checker:
    """A sink of the replayed run."""

    durable = ALL

    def __init__(self, script: Script) -> None:
        self.script = script
        self.comparison = Comparison()
        self.steps = 0
        """How many events were as recorded."""
        self.over = False
        """Whether there is nothing more to compare."""
        self.mismatch: Mismatch | None = None
        self.problem: WorkflowError | None = None
        """Why the replay cannot go on, though nothing has differed."""
        self.graphs: list[tuple[GraphInfo, GraphInfo]] = []
        """The graphs of the run and of its sub-workflows, as recorded and as they are."""
        self.moved: Callable[[], object] = lambda: None
        """Told whenever something else is expected, or nothing any more."""

    def append(self, event: AnyEvent) -> None:
        """Compare an event."""
        if self.over or not takes_part(event):
            return
        expected = self.script.expected
        if isinstance(expected, RunStarted) and isinstance(event, RunStarted):
            self.graphs.append((expected.graph, event.graph))
        if expected is not None and self.comparison.same(expected, event):
            self.steps += 1
            try:
                self.script.advance()
            except WorkflowError as problem:  # the recording cannot be read on
                self.fail(problem)
                return
            self.over = self.script.expected is None
            self.moved()
        elif isinstance(expected, RunEnded) and _came_from_outside(expected, event):
            self.steps += 1
            self._end()
        elif expected is not None and isinstance(event, _AT_ONCE):
            mine = self.script.next_of(event.inv)
            early = self.script.actor != event.inv and not isinstance(event, HandlerEnded)
            if mine is not None and early and self.comparison.same(mine, event):
                self.steps += 1
                self.script.advance_early(event.inv)
                self.moved()
            else:
                self._differs(mine or expected, event)
        else:
            self._differs(expected, event)

    def _differs(self, expected: AnyEvent | None, event: AnyEvent) -> None:
        self.mismatch = Mismatch(expected, event)
        self._end()

    def stuck(self, words: str) -> None:
        """What was recorded next cannot happen; `words` say what is in the way."""
        if not self.over:
            self.mismatch = Mismatch(self.script.expected, None, words)
            self._end()

    def fail(self, problem: WorkflowError) -> None:
        """The recording has not got what is needed to go on."""
        if not self.over:
            self.problem = problem
            self._end()

    def _end(self) -> None:
        self.over = True
        self.moved()

    def enter_handler(self, event: HandlerStarted) -> None:
        """Nothing to do."""

    def flush(self, *, barrier: bool) -> None:
        """Nothing to write."""

    def close(self) -> None:
        """Nothing to close."""


def _came_from_outside(expected: RunEnded, event: AnyEvent) -> bool:
    """The recorded run was ended at a barrier, by something that is not there now."""
    ended = expected.status == "cancelled" or (expected.error is not None and expected.error.type in _FROM_OUTSIDE)
    return ended and not expected.scope and isinstance(event, SuperstepStarted) and not event.scope
