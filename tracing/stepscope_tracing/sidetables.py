"""What a block says about supersteps, keys and writes, as rows of their own: no reader needs all blocks for them.

The rows are made as the block is written, in its transaction, from the few events that matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from stepscope.events import (
    AnyEvent,
    Change,
    Committed,
    Resumed,
    RunStarted,
    StateWritten,
    SuperstepCompleted,
    SuperstepFailed,
    SuperstepStarted,
)
from stepscope.values import Value

from .codec import CODES, UNDONE, Reference
from .database import Database

_TAKEN = (RunStarted, Resumed, SuperstepStarted, SuperstepCompleted, SuperstepFailed, Committed, StateWritten)
_interesting = re.compile(b"[%s]" % re.escape(bytes([*(CODES[kind] for kind in _TAKEN), UNDONE])))

_By = tuple[int, str, int]
"""Whose value it is: seq of the write, executor, superstep."""


class SideTables:
    """Follows one run; `take` what happened, then `write` the rows."""

    def __init__(self, run: int, reference: Callable[[Value], Reference]) -> None:
        self._run = run
        self._reference = reference
        self._open: dict[tuple[int, int], SuperstepStarted] = {}
        self._commits: dict[tuple[int, int], int] = {}
        self._supersteps: list[tuple[Any, ...]] = []
        self._writes: list[tuple[Any, ...]] = []
        self._applied: list[tuple[Any, ...]] = []
        self._keys: list[tuple[Any, ...]] = []
        self._executors: list[tuple[Any, ...]] = []
        self._known_keys: set[tuple[int, str]] = set()
        self._known_executors: set[str] = set()
        self._pending: dict[int, dict[str, dict[str, _By]]] = {}
        self._committed: dict[tuple[int, str], _By] = {}
        self._take: dict[type, Callable[[Any], None]] = {
            RunStarted: self._run_started,
            Resumed: self._resumed,
            SuperstepStarted: self._superstep_started,
            SuperstepCompleted: self._superstep_completed,
            SuperstepFailed: self._superstep_failed,
            Committed: self._commit,
            StateWritten: self._written,
        }

    def take(self, events: Sequence[AnyEvent], codes: bytes) -> None:
        """Follow a block."""
        for match in _interesting.finditer(codes):
            event = events[match.start()]
            self._take[type(event)](event)

    def write(self, database: Database) -> None:
        """Write what was taken, in the transaction that is open. Taken again if it is rolled back: see `undo`."""
        spans = [
            (self._run, *key, begin.seq, None, begin.t, None, self._commits.get(key, 0), "open", begin.deliveries)
            for key, begin in self._open.items()
        ]
        database.many("INSERT OR REPLACE INTO supersteps VALUES (?,?,?,?,?,?,?,?,?,?)", spans + self._supersteps)
        database.many("INSERT OR IGNORE INTO executors VALUES (?,?,?,?)", self._executors)
        database.many("INSERT OR IGNORE INTO keys VALUES (?,?,?,?)", self._keys)
        database.many("INSERT OR REPLACE INTO writes VALUES (?,?,?,?,?,?,?,?,?,?,?)", map(self._stored, self._writes))
        database.many("INSERT OR REPLACE INTO applied VALUES (?,?,?,?,?,?,?,?,?)", map(self._stored, self._applied))

    def _stored(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(self._reference(field) if type(field) is Value else field for field in row)

    def written(self) -> None:
        """The rows are safe: forget them."""
        for rows in (self._supersteps, self._writes, self._applied, self._keys, self._executors):
            rows.clear()

    def _run_started(self, event: RunStarted) -> None:
        for executor in event.graph.executors:
            self._executor(executor.id, executor.rank, event.seq)
        for key in event.graph.keys:
            self._key(event.scope, key.name, key.access)
            if key.initial is not None:
                self._apply(event.scope, key.name, event.seq, (0, "", 0), key.access, key.initial)
                self._committed[event.scope, key.name] = (0, "", 0)

    def _resumed(self, event: Resumed) -> None:
        """The state at the checkpoint; who wrote it is in another recording."""
        by = (0, "", event.superstep)
        for change in event.changes:
            self._key(event.scope, change.key, change.access)
            self._apply(event.scope, change.key, event.seq, by, change.access, change.new)
            self._committed[event.scope, change.key] = by

    def _executor(self, executor: str, rank: int | None, seq: int) -> None:
        if executor not in self._known_executors:
            self._known_executors.add(executor)
            self._executors.append((self._run, executor, rank, seq))

    def _key(self, scope: int, key: str, access: str) -> None:
        if (scope, key) not in self._known_keys:
            self._known_keys.add((scope, key))
            self._keys.append((self._run, scope, key, access))

    def _apply(self, scope: int, key: str, seq: int, by: _By, access: str, value: Value | None) -> None:
        self._applied.append((self._run, scope, key, seq, *by, access, value))

    def _superstep_started(self, event: SuperstepStarted) -> None:
        if not self._known_executors.issuperset(event.executors):
            for executor in event.executors:
                self._executor(executor, None, event.seq)
        self._open[event.scope, event.superstep] = event

    def _close(self, event: SuperstepCompleted | SuperstepFailed, outcome: str) -> None:
        key = (event.scope, event.superstep)
        begin = self._open.pop(key, None)
        first, t0, deliveries = (event.seq, event.t, 0) if begin is None else (begin.seq, begin.t, begin.deliveries)
        committed = self._commits.pop(key, 0)
        self._supersteps.append((self._run, *key, first, event.seq, t0, event.t, committed, outcome, deliveries))
        self._pending.pop(event.scope, None)

    def _superstep_completed(self, event: SuperstepCompleted) -> None:
        self._close(event, "completed")

    def _superstep_failed(self, event: SuperstepFailed) -> None:
        self._close(event, "failed")
        for change in event.reverted:
            by = self._committed.get((event.scope, change.key), (0, "", 0))
            self._apply(event.scope, change.key, event.seq, by, change.access, change.new)

    def _written(self, event: StateWritten) -> None:
        scope, key, access = event.scope, event.key, event.access
        self._key(scope, key, access)
        by = (event.seq, event.executor, event.superstep)
        self._pending.setdefault(scope, {}).setdefault(key, {})[event.executor] = by
        self._writes.append(
            (self._run, scope, key, event.seq, event.superstep, event.inv, event.executor, access, event.op,
             event.old, event.new)
        )  # fmt: skip
        if access == "live":
            self._apply(scope, key, event.seq, by, access, event.new)

    def _commit(self, event: Committed) -> None:
        self._commits[event.scope, event.superstep] = event.seq
        pending = self._pending.get(event.scope, {})
        for change in event.changes:
            self._key(event.scope, change.key, change.access)
            writes = pending.get(change.key, {})
            by = self._writer(event, change, writes)
            self._committed[event.scope, change.key] = by
            if change.access != "live" or not writes:
                self._apply(event.scope, change.key, event.seq, by, change.access, change.new)

    @staticmethod
    def _writer(event: Committed, change: Change, writes: dict[str, _By]) -> _By:
        """A live key is as its latest write left it; others are as the last writer in rank order did."""
        if change.access == "live" and writes:
            return max(writes.values())
        last = change.writers[-1] if change.writers else ""
        return writes.get(last, (event.seq, last, event.superstep))
