"""Event streams of live keys by script: a small model of STA-4 to STA-6 that writes down what a run would record."""

from __future__ import annotations

from stepscope.events import (
    AnyEvent,
    GraphInfo,
    LockAcquired,
    LockReleased,
    RunEnded,
    RunStarted,
    StateRead,
    StateWritten,
    SuperstepCompleted,
    SuperstepStarted,
)
from stepscope.values import Value


class LiveScript:
    """Operations of invocations on live keys, one after the other, in one superstep at a time.

    Invocation `n` is of executor ``e<n>``. An operation on a key that another invocation holds is the script's
    mistake, as a real run would make it wait.
    """

    def __init__(self, scope: int = 0, engine: str = "stepscope") -> None:
        self.events: list[AnyEvent] = []
        self.scope = scope
        self.step = 0
        self.values: dict[str, Value | None] = {}
        self.holders: dict[str, tuple[int, list[Value | None]]] = {}
        graph = GraphInfo("scripted", "e1", [], [], [])
        for inside in (0, scope) if scope else (0,):
            head = self._seq(), 0, inside, 0, f"run-{inside}"
            nothing = Value.of(None, "")
            self.events.append(RunStarted(*head, "scripted", engine, "0", "concurrent", None, 0, graph, {}, nothing))
        self.superstep()

    def _seq(self) -> int:
        return len(self.events) + 1

    def _head(self) -> tuple[int, int, int, int]:
        return self._seq(), 1000 * self._seq(), self.scope, self.step

    def superstep(self) -> None:
        """Barrier, then the next superstep."""
        if self.step:
            self.events.append(SuperstepCompleted(*self._head()))
        self.step += 1
        self.events.append(SuperstepStarted(*self._head(), ["e1"], 1))

    def end(self) -> list[AnyEvent]:
        """The run completes; its events."""
        self.events.append(SuperstepCompleted(*self._head()))
        self.events.append(RunEnded(*self._head(), "completed", self.step, 0))
        return self.events

    def free(self, inv: int, key: str) -> bool:
        """Whether `inv` could operate on `key` now without waiting."""
        return key not in self.holders or self.holders[key][0] == inv

    def get(self, inv: int, key: str = "k") -> int:
        assert self.free(inv, key)
        self.events.append(StateRead(*self._head(), inv, f"e{inv}", key, "live", self.values.get(key), 10))
        return len(self.events)

    def set(self, inv: int, value: object, key: str = "k") -> int:
        return self._write(inv, key, "set", Value.of(value, ""))

    def update(self, inv: int, value: object, key: str = "k") -> int:
        return self._write(inv, key, "update", Value.of(value, ""))

    def delete(self, inv: int, key: str = "k") -> int:
        return self._write(inv, key, "delete", None)

    def hold(self, inv: int, key: str = "k") -> None:
        assert key not in self.holders
        self.holders[key] = inv, [self.values.get(key)]
        self.events.append(LockAcquired(*self._head(), inv, f"e{inv}", key, False, 11))

    def enter_again(self, inv: int, key: str = "k") -> None:
        """An inner block of the same owner: no event of its own (STA-5)."""
        assert self.holders[key][0] == inv
        self.holders[key][1].append(self.values.get(key))

    def leave(self, inv: int, key: str = "k", *, error: bool = False) -> None:
        """Leave the innermost block; with `error`, its writes are undone, innermost first (STA-6)."""
        owner, entries = self.holders[key]
        assert owner == inv
        entry = entries.pop()
        if error and entry != self.values.get(key):
            self._write(inv, key, "undo", entry)
        if not entries:
            del self.holders[key]
            reason = "error" if error else "exit"
            self.events.append(LockReleased(*self._head(), inv, f"e{inv}", key, reason, 0, [], 12))  # type: ignore[arg-type]

    def _write(self, inv: int, key: str, op: str, new: Value | None) -> int:
        assert self.free(inv, key)
        old = self.values.get(key)
        self.events.append(StateWritten(*self._head(), inv, f"e{inv}", key, "live", op, old, new, 10))  # type: ignore[arg-type]
        self.values[key] = new
        return len(self.events)
