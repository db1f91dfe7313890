"""What our runtime says of a run: its events, errors and findings in the words of the suite."""

from __future__ import annotations

import logging
from typing import Any, get_args

from stepscope import errors
from stepscope.conformance.observation import Report
from stepscope.conformance.operations import ProgramError
from stepscope.conformance.stage import Stage
from stepscope.conformance.vector import Kind
from stepscope.events import (
    AnyEvent,
    Committed,
    Dropped,
    Found,
    HandlerEnded,
    HandlerStarted,
    OutputYielded,
    Resumed,
    RunStarted,
    StateWritten,
    SuperstepCompleted,
    SuperstepFailed,
)
from stepscope.values import Value

KINDS: dict[type[BaseException], Kind] = {
    errors.StateConflictError: "state-conflict",
    errors.StateUsageError: "state-usage",
    errors.SuperstepOverError: "superstep-over",
    errors.DeadlockError: "deadlock",
    errors.ConvergenceError: "non-convergence",
    errors.StarvedFanInError: "starved-fan-in",
    errors.DroppedMessageError: "dropped-message",
    errors.HandlerTimeoutError: "timeout",
    errors.CheckpointError: "checkpoint-failed",
    ProgramError: "handler-failed",
}


def described(error: BaseException) -> Report:
    """What an error of ours is about; of a failed superstep, what its first failure is."""
    if isinstance(error, ExceptionGroup):
        inside = [described(one) for one in error.exceptions]
        return Report(kind=inside[0].kind, text=f"{error} " + " ".join(one.text for one in inside))
    kind: Kind = next((kind for type_, kind in KINDS.items() if isinstance(error, type_)), "other")
    return Report(kind=kind, text=str(error))


def kind_of_finding(kind: str) -> Kind:
    """A finding's kind in the suite's words."""
    known: dict[str, Kind] = {one: one for one in get_args(Kind)}
    return "state-conflict" if kind == "write-conflict" else known.get(kind, "other")


class Heard(logging.Handler):
    """What the runtime's logger says from WARNING up, as it says it: a blocked loop, while it is blocked (PAR-3)."""

    def __init__(self, stage: Stage) -> None:
        """Speaks to the stage."""
        super().__init__(logging.WARNING)
        self._stage = stage

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record, in whichever thread."""
        text = record.getMessage()
        self._stage.report("blocked-loop" if "blocked the event loop" in text else "other", text)


class Watcher:
    """An observer of one run: committed state and outputs, outcomes, and reports as they come. Keeps the events."""

    durable = 1 << 62

    def __init__(self, stage: Stage) -> None:
        """It sees one run after the other."""
        self._stage = stage
        self._pending: list[tuple[int, int, Any]] = []
        self._ranks: dict[str, int] = {}
        self.events: list[AnyEvent] = []
        self.outputs: list[Any] = []
        self.state: dict[str, Any] = {}
        self.terminals: list[tuple[str, str]] = []
        self.reports: list[Report] = []
        self.supersteps = 0

    def begin(self, started: RunStarted) -> Watcher:
        """See `Observer`."""
        return self

    def append(self, event: AnyEvent) -> None:
        """Take an event."""
        self.events.append(event)
        match event:
            case RunStarted(scope=0):
                self._ranks = {one.id: one.rank for one in event.graph.executors}
                self.state = {key.name: key.initial.fresh() for key in event.graph.keys if key.initial is not None}
            case OutputYielded(scope=0):
                self._pending.append((self._ranks[event.executor], event.number, event.value.fresh()))
            case Committed(scope=0):
                self._commit(event)
            case StateWritten(scope=0, access="live"):
                self._write(event.key, event.new)
            case SuperstepFailed(scope=0):
                for change in event.reverted:
                    self._write(change.key, change.new)
            case SuperstepCompleted(scope=0):
                self.supersteps = event.superstep
                self._stage.say("barrier", str(event.superstep))
            case HandlerEnded():
                self.terminals.append((event.executor, event.outcome))
            case Found():
                self._report(kind_of_finding(event.finding), event.message)
            case Dropped(why="conditions"):
                self._report("not-taken", f"{event.source}: {event.reason}")
            case Resumed():
                for change in event.changes:
                    self._write(change.key, change.new)
            case _:
                pass

    def _report(self, kind: Kind, text: str) -> None:
        self.reports.append(Report(kind=kind, text=text))
        self._stage.report(kind, text)

    def _commit(self, event: Committed) -> None:
        self.outputs += [value for _, _, value in sorted(self._pending, key=lambda one: one[:2])]
        self._pending.clear()
        for change in event.changes:
            self._write(change.key, change.new)

    def _write(self, key: str, value: Value | None) -> None:
        if value is None:
            self.state.pop(key, None)
        else:
            self.state[key] = value.fresh()

    def enter_handler(self, event: HandlerStarted) -> None:
        """Nothing to set."""

    def flush(self, *, barrier: bool) -> None:
        """Nothing is written."""

    def close(self) -> None:
        """Nothing to close."""
