"""Shared state at any moment of a run, from the tables of writes and of what they made everybody see.

A live key changes with its write, other keys with their superstep's commit; a write that waits for one is *pending*
and only its own executor sees it (STA-1, STA-2, STA-4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from stepscope.events import AnyEvent, Change, Committed, Resumed, RunStarted, StateWritten, SuperstepFailed

from .blocks import Blocks, Payloads
from .errors import RecordingError
from .model import Cell, Contribution, StateChange, SuperstepSpan, Write

_APPLIED = """
SELECT k.key, a.value, a.written, a.executor, a.superstep, a.access FROM keys k
JOIN applied a ON a.run = k.run AND a.scope = k.scope AND a.key = k.key AND a.seq = (
    SELECT max(seq) FROM applied WHERE run = k.run AND scope = k.scope AND key = k.key AND seq <= ?)
WHERE k.run = ? AND k.scope = ? ORDER BY k.key
"""
_PENDING = """
SELECT k.key, w.new, w.seq, w.executor, w.superstep, w.access FROM keys k
JOIN writes w ON w.run = k.run AND w.scope = k.scope AND w.key = k.key AND w.seq = (
    SELECT max(seq) FROM writes
    WHERE run = k.run AND scope = k.scope AND key = k.key AND seq BETWEEN ? AND ? AND executor = ?)
WHERE k.run = ? AND k.scope = ? AND k.access <> 'live' AND NOT (w.op = 'add' AND w.new IS NULL) ORDER BY k.key
"""
_ADDED = """
SELECT key, seq FROM writes
WHERE run = ? AND scope = ? AND op = 'add' AND seq BETWEEN ? AND ? AND executor = ? ORDER BY seq
"""
_MERGED = """
SELECT w.seq FROM writes w LEFT JOIN executors e ON e.run = w.run AND e.executor = w.executor
WHERE w.run = ? AND w.scope = ? AND w.key = ? AND w.op = 'add' AND w.seq BETWEEN ? AND ? ORDER BY e.rank, w.seq
"""
_WRITES = """
SELECT w.seq, w.key, w.executor, w.inv, w.superstep, w.op, w.old, w.new, w.access,
    CASE WHEN w.access = 'live' THEN w.seq WHEN s.committed <= :newest THEN s.committed ELSE 0 END
FROM writes w LEFT JOIN supersteps s ON s.run = w.run AND s.scope = w.scope AND s.superstep = w.superstep
WHERE w.run = :run AND w.scope = :scope AND w.key = :key AND w.seq > :after AND w.seq < :before AND w.seq <= :newest
ORDER BY w.seq {} LIMIT :n
"""
_END = 1 << 62


class StateQueries:
    """The state of one run."""

    def __init__(self, blocks: Blocks, payloads: Payloads) -> None:
        """Of the run that `blocks` belongs to."""
        self._blocks = blocks
        self._database = blocks.database
        self._payloads = payloads

    def keys(self, scope: int) -> list[str]:
        """Every key that was declared or ever written, in order."""
        rows = self._database.rows(
            "SELECT key FROM keys WHERE run = ? AND scope = ? ORDER BY key", self._blocks.run, scope
        )
        return [key for (key,) in rows]

    def writes(self, key: str, scope: int, before: int | None, after: int | None, n: int | None) -> list[Write]:
        """See `Run.writes`."""
        latest = before is not None
        rows = self._database.rows(
            _WRITES.format("DESC" if latest else "ASC"),
            run=self._blocks.run,
            scope=scope,
            key=key,
            after=-1 if after is None else after,
            before=_END if before is None else before,
            newest=self._blocks.last,
            n=-1 if n is None else n,
        )
        value = self._payloads.optional
        found = [
            Write(seq, name, executor, inv, superstep, op, value(old), value(new), access, applied)
            for seq, name, executor, inv, superstep, op, old, new, access, applied in rows
        ]
        return found[::-1] if latest else found

    def at(self, seq: int, scope: int, executor: str | None, span: SuperstepSpan | None) -> dict[str, Cell]:
        """See `Run.state_at`; `span` is the scope's superstep at `seq`."""
        run = self._blocks.run
        state: dict[str, Cell] = {}
        for row in self._database.rows(_APPLIED, seq, run, scope):
            self._put(state, row, pending=False)
        settled = span is None or 0 < span.committed <= seq or (span.outcome == "failed" and span.last <= seq)
        if executor is not None and span is not None and not settled:
            for row in self._database.rows(_PENDING, span.first, seq, executor, run, scope):
                self._put(state, row, pending=True)
            self._contributions(state, self._database.rows(_ADDED, run, scope, span.first, seq, executor))
        return dict(sorted(state.items()))

    def changes(self, event: AnyEvent, first: int) -> list[StateChange]:
        """See `Run.changes_at`; `first` begins the superstep of the event."""
        found = changes(event)
        if isinstance(event, Committed):
            return [self._merged(one, event, first) if one.access == "reducer" else one for one in found]
        return found

    def _merged(self, change: StateChange, event: Committed, first: int) -> StateChange:
        rows = self._database.rows(_MERGED, self._blocks.run, event.scope, change.key, first, event.seq)
        writes = (self._blocks.event(seq) for (seq,) in rows)
        return msgspec.structs.replace(change, added=[one for write in writes for one in _given(write)])

    def _contributions(self, state: dict[str, Cell], rows: Iterable[Any]) -> None:
        """What the executor has added to reducer keys; the barrier will merge it (STA-2)."""
        for key, seq in rows:
            event = self._blocks.event(seq)
            cell = state.get(key)
            if cell is not None and isinstance(event, StateWritten) and event.given is not None:
                state[key] = msgspec.structs.replace(cell, pending=True, added=[*cell.added, event.given])

    def _put(self, state: dict[str, Cell], row: Any, *, pending: bool) -> None:
        key, stored, written, executor, superstep, access = row
        if access not in ("live", "snapshot", "reducer"):
            raise RecordingError(f"{self._database.name} is damaged: its tables of state make no sense.")
        value = self._payloads.optional(stored)
        if value is None:
            state.pop(key, None)
        else:
            state[key] = Cell(value, written, executor, superstep, access, pending)


def _given(event: AnyEvent) -> list[Contribution]:
    if isinstance(event, StateWritten) and event.given is not None:
        return [Contribution(event.executor, event.given)]
    return []


def changes(event: AnyEvent) -> list[StateChange]:
    """What an event says by itself that it did."""
    if isinstance(event, StateWritten):
        pending = event.access != "live"
        added = _given(event)
        return [StateChange(event.key, event.old, event.new, event.access, [event.executor], pending, added)]
    if isinstance(event, RunStarted):
        keys = [key for key in event.graph.keys if key.initial is not None]
        return [StateChange(key.name, None, key.initial, key.access, [], False) for key in keys]
    if isinstance(event, Committed):  # live keys changed before
        return [_seen(change) for change in event.changes if change.access != "live"]
    if isinstance(event, Resumed):
        return [_seen(change) for change in event.changes]
    if isinstance(event, SuperstepFailed):
        return [_seen(change) for change in event.reverted]
    return []


def _seen(change: Change) -> StateChange:
    return StateChange(change.key, change.old, change.new, change.access, change.writers, False)
