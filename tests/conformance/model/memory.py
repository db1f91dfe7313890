"""Shared state as the clauses describe it (STA-1..4, STA-6, STA-8): plain dictionaries, and a copy at every door."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, TypeAlias

from stepscope.errors import StateConflictError, StateUsageError
from support.programs import ABSENT, KEYS

Change: TypeAlias = tuple[str, Any, Any, str, list[str]]
"""Key, value before, value after, access, writers in rank order; None stands for an absent key."""

ALLOWED = {
    "snapshot": {"get", "set", "delete", "update"},
    "live": {"get", "set", "delete", "update", "hold"},
    "reducer": {"get", "add"},
}


def access_of(key: str) -> str:
    """A declared key's access; an undeclared one is a snapshot key."""
    return KEYS[key][0] if key in KEYS else "snapshot"


def check(verb: str, key: str) -> str:
    """The key's access. Raises `StateUsageError` for what it does not allow."""
    access = access_of(key)
    if verb not in ALLOWED[access]:
        raise StateUsageError(f"{verb} on {access} key {key!r}")
    return access


class Memory:
    """`now` has what each superstep's writes make visible: to everybody for live keys, to their executor for others."""

    def __init__(self, rank: dict[str, int]) -> None:
        self.rank = rank
        self.committed: dict[str, Any] = {
            key: deepcopy(initial) for key, (_, initial, _) in KEYS.items() if initial is not ABSENT
        }
        self.forget()

    def forget(self) -> None:
        """Nothing of the superstep remains."""
        self.live: dict[str, Any] = {}
        self.live_writers: dict[str, set[str]] = {}
        self.written: dict[str, dict[str, Any]] = {}
        self.added: dict[str, dict[str, list[Any]]] = {}

    def get(self, executor: str, key: str) -> Any:
        """What the executor sees: a copy, None if absent (STA-1, STA-2, STA-4)."""
        match access_of(key):
            case "live":
                value = self.live[key] if key in self.live else self.committed.get(key)
            case "snapshot":
                mine = self.written.get(key, {})
                value = mine[executor] if executor in mine else self.committed.get(key)
            case _:
                value = self._merge(key, self.added.get(key, {}).get(executor, []))
        return deepcopy(value)

    def put(self, executor: str, key: str, value: Any) -> None:
        """Set, or delete with None."""
        if access_of(key) == "live":
            self.live[key] = deepcopy(value)
            self.live_writers.setdefault(key, set()).add(executor)
        else:
            self.written.setdefault(key, {})[executor] = deepcopy(value)

    def add(self, executor: str, key: str, item: Any) -> None:
        """Contribute."""
        self.added.setdefault(key, {}).setdefault(executor, []).append(deepcopy(item))

    def _merge(self, key: str, items: list[Any]) -> Any:
        """The commit merged with contributions; without an initial value the first one begins."""
        merged = deepcopy(self.committed.get(key))
        reducer = KEYS[key][2]
        assert reducer is not None
        for item in items:
            merged = deepcopy(item) if merged is None else reducer(merged, deepcopy(item))
        return merged

    def merge(self) -> list[Change]:
        """What the barrier will commit, in key order; raises for a conflict (STA-3) and what a reducer raises."""
        changes: list[Change] = []
        for key in sorted({*self.live, *self.written, *self.added}):
            by_executor: dict[str, Any] = self.written.get(key) or self.added.get(key) or dict.fromkeys(
                self.live_writers.get(key, ())
            )  # fmt: skip
            writers = sorted(by_executor, key=self.rank.__getitem__)
            if key in self.written:
                if len(writers) > 1:
                    raise _conflict(key, [(writer, self.written[key][writer]) for writer in writers])
                new = self.written[key][writers[0]]
            elif key in self.added:
                new = self._merge(key, [item for writer in writers for item in self.added[key][writer]])
            else:
                new = self.live[key]
            changes.append((key, self.committed.get(key), new, access_of(key), writers))
        return changes

    def commit(self, changes: list[Change]) -> None:
        """Make it so."""
        for key, _, new, _, _ in changes:
            self.committed.pop(key, None)
            if new is not None:
                self.committed[key] = new
        self.forget()

    def revert(self) -> list[Change]:
        """Forget the superstep; what that means for live keys, in key order (BAR-3)."""
        reverted = [
            (key, value, self.committed.get(key), "live", sorted(self.live_writers[key], key=self.rank.__getitem__))
            for key, value in sorted(self.live.items())
        ]
        self.forget()
        return reverted


def _conflict(key: str, writes: list[tuple[str, Any]]) -> StateConflictError:
    error = StateConflictError(f"{key!r} was written by {len(writes)} executors")
    error.key = key
    error.executors = tuple(executor for executor, _ in writes)
    error.values = tuple(value for _, value in writes)
    return error
