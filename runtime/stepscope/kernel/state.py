"""Shared state inside one scope: what each executor sees, and what a barrier makes of it (STA-1..4, STA-6, STA-8, STA-9).

A snapshot key's writes wait with their executor; a reducer key's contributions wait in canonical order; a live key
changes at once. Only `prepare` and `adopt` change what is committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import StateConflictError, StateUsageError
from ..events import Access, Change
from ..statekey import ABSENT, StateKey
from ..values import Value, text
from .model import HoldRecord, Invocation

CONFLICT_REMEDY = "Give the key a reducer, make it live and use update or hold, or let one executor write it."


class State:
    """The keys of one scope. A value of None means absent throughout."""

    def __init__(self, keys: Mapping[str, StateKey]) -> None:
        """Put every declared initial value in place."""
        self._keys = keys
        self.committed: dict[str, Value | None] = {
            name: key.initial for name, key in keys.items() if key.initial is not None
        }
        self._live: dict[str, Value | None] = {}
        self._live_writers: dict[str, dict[int, str]] = {}
        self._pending: dict[str, dict[int, tuple[Invocation, Value | None]]] = {}
        self._given: dict[str, dict[int, list[tuple[Invocation, Value]]]] = {}
        self._merged: dict[tuple[str, int], tuple[int, Any]] = {}

    def access(self, key: str) -> Access:
        """How a key is used; an undeclared one is a snapshot key."""
        declared = self._keys.get(key)
        return "snapshot" if declared is None else declared.access

    def check(self, inv: Invocation, verb: str, key: str) -> Access:
        """Refuse what a key's access does not allow, naming the remedy. Raises `StateUsageError`."""
        access = self.access(key)
        if verb in _ALLOWED[access]:
            return access
        raise StateUsageError(f"executor {inv.executor!r}: {verb} on {access} key {key!r}: {_REMEDY[verb, access]}.")

    def read(self, inv: Invocation, key: str, access: Access) -> Value | None:
        """What `inv` sees (STA-1, STA-2, STA-4)."""
        if access == "live":
            return self._live[key] if key in self._live else self.committed.get(key)
        if access == "snapshot":
            mine = self._pending.get(key)
            if mine is not None and inv.rank in mine:
                return mine[inv.rank][1]
            return self.committed.get(key)
        given = self._given.get(key, {}).get(inv.rank)
        return self._fold(key, inv.rank, given) if given else self.committed.get(key)

    def write(self, inv: Invocation, key: str, access: Access, new: Value | None) -> Value | None:
        """Write a snapshot or live key; gives what was there before, as `inv` sees it."""
        old = self.read(inv, key, access)
        if access == "live":
            for record in reversed(inv.holds):
                if key in record.keys:
                    record.undo.setdefault(key, old)
                    break
            self._put_live(inv, key, new)
        else:
            self._pending.setdefault(key, {})[inv.rank] = (inv, new)
        return old

    def _put_live(self, inv: Invocation, key: str, new: Value | None) -> None:
        self._live[key] = new
        self._live_writers.setdefault(key, {})[inv.rank] = inv.executor

    def contribute(self, inv: Invocation, key: str, value: Value) -> None:
        """Keep a contribution for the barrier (STA-2)."""
        self._given.setdefault(key, {}).setdefault(inv.rank, []).append((inv, value))

    def undo(self, inv: Invocation, record: HoldRecord) -> list[tuple[str, Value | None, Value | None]]:
        """Take back a hold block's writes (STA-6): key, value it had, value restored; in key order."""
        undone = []
        for key, before in sorted(record.undo.items()):
            undone.append((key, self.read(inv, key, "live"), before))
            self._put_live(inv, key, before)
        record.undo = {}
        return undone

    @staticmethod
    def keep(inv: Invocation, record: HoldRecord) -> None:
        """A hold block ended well: an enclosing block that holds the same key answers for its writes now (STA-6)."""
        for outer in reversed(inv.holds):
            for key in outer.keys:
                if outer is not record and key in record.undo:
                    outer.undo.setdefault(key, record.undo.pop(key))

    def _fold(self, key: str, rank: int, given: list[tuple[Invocation, Value]]) -> Value:
        """The commit merged with one executor's contributions; remembers how far it got."""
        done, merged = self._merged.get((key, rank), (0, ABSENT))
        if merged is ABSENT:
            merged = self._start(key)
        merged = self._reduce(key, merged, given[done:])
        value = Value.of(merged, "executor {!r}: reducer of state key {!r}", given[0][0].executor, key)
        self._merged[key, rank] = (len(given), value.fresh())
        return value

    def _start(self, key: str) -> Any:
        committed = self.committed.get(key)
        return ABSENT if committed is None else committed.fresh()

    def _reduce(self, key: str, merged: Any, given: list[tuple[Invocation, Value]]) -> Any:
        reducer = self._keys[key].reducer
        assert reducer is not None
        for inv, value in given:
            item = value.fresh()
            if merged is ABSENT:
                merged = item
                continue
            try:
                merged = reducer(merged, item)
            except Exception as error:
                error.add_note(
                    f"in the reducer of state key {key!r}, merging {text(value.tree(), 60)} from {inv.executor!r}"
                )
                raise
        return merged

    def prepare(self) -> list[Change]:
        """What this superstep makes of the committed state, in key order; changes nothing yet (BAR-1).

        Raises `StateConflictError` (STA-3), or whatever a reducer raises.
        """
        changes = []
        for key in sorted({*self._pending, *self._given, *self._live}):
            writers: list[str]
            new: Value | None
            if key in self._pending:
                by_rank = self._pending[key]
                if len(by_rank) > 1:
                    raise self._conflict(key, [by_rank[rank] for rank in sorted(by_rank)])
                ((inv, new),) = by_rank.values()
                writers = [inv.executor]
            elif key in self._given:
                ordered = [item for _, items in sorted(self._given[key].items()) for item in items]
                merged = self._reduce(key, self._start(key), ordered)
                writers = list(dict.fromkeys(inv.executor for inv, _ in ordered))
                new = Value.of(merged, "state key {!r}: its reducer", key)
            else:
                new = self._live[key]
                writers = [executor for _, executor in sorted(self._live_writers[key].items())]
            changes.append(Change(key, self.committed.get(key), new, self.access(key), writers))
        return changes

    def adopt(self, changes: list[Change]) -> None:
        """Commit what `prepare` computed."""
        for change in changes:
            if change.new is None:
                self.committed.pop(change.key, None)
            else:
                self.committed[change.key] = change.new
        self._clear()

    def abandon(self) -> list[Change]:
        """Forget the superstep (BAR-3); gives the live keys that fall back, `new` being what they are again."""
        reverted = [
            Change(key, value, self.committed.get(key), "live", [w for _, w in sorted(self._live_writers[key].items())])
            for key, value in sorted(self._live.items())
        ]
        self._clear()
        return reverted

    def _clear(self) -> None:
        for part in (self._live, self._live_writers, self._pending, self._given, self._merged):
            part.clear()

    @staticmethod
    def _conflict(key: str, writes: list[tuple[Invocation, Value | None]]) -> StateConflictError:
        shown = ", ".join(
            f"{inv.executor!r} wrote {'a deletion' if value is None else text(value.tree(), 60)}"
            for inv, value in writes
        )
        error = StateConflictError(
            f"state key {key!r} was written by {len(writes)} executors in one superstep: {shown}. {CONFLICT_REMEDY}"
        )
        error.key = key
        error.executors = tuple(inv.executor for inv, _ in writes)
        error.values = tuple(None if value is None else value.fresh() for _, value in writes)
        return error


_ALLOWED: dict[Access, frozenset[str]] = {
    "snapshot": frozenset({"get", "set", "delete", "update"}),
    "live": frozenset({"get", "set", "delete", "update", "hold"}),
    "reducer": frozenset({"get", "add"}),
}
_ADD = "use add(key, contribution); its reducer merges at the barrier"
_DECLARE_LIVE = 'declare it StateKey(name, access="live") to hold it; a snapshot key needs no lock'
_REMEDY: dict[tuple[str, str], str] = {
    ("set", "reducer"): _ADD,
    ("delete", "reducer"): _ADD,
    ("update", "reducer"): _ADD,
    ("hold", "reducer"): "it cannot be held and needs no lock; " + _ADD,
    ("hold", "snapshot"): _DECLARE_LIVE,
    ("add", "snapshot"): "declare it StateKey(name, reducer=...) to add to it, or use set or update",
    ("add", "live"): "a live key has no reducer; use update(key, function)",
}
