"""Lost updates that happened (STA-9): from the events of one run, no guessing about other schedules.

An invocation A reads a live key, another invocation B writes it, and A then writes it with a plain `set` or
`delete` without having read it again: what A wrote could not depend on B's write, so that write is lost. It is
reported once, with the first write that lost it.

What this follows, per key, is which earlier writes a value could still contain. A `set` contains what its
invocation had last read or written, an `update` whatever was there, a `set` by an invocation that never read
the key (a blind one) nothing. So a write that a blind `set` replaced on purpose is not lost a second time, and
three increments from the same 0 are two lost writes. A hold needs no rule: no other invocation can write a held
key, hence none can lie between. What an exception undid (STA-6) neither loses nor is lost.

A superstep that failed is taken back whole (BAR-3), but what was lost in it is reported all the same: it is
often why it failed.

What this cannot see: a value that travelled in a message or in an object of the program; two child tasks of
one invocation; and whether a `set` meant to overwrite whatever it would find. Values are not compared: two
increments of one number write equal ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from stepscope.events import (
    AnyEvent,
    LockAcquired,
    LockReleased,
    RunEnded,
    RunStarted,
    StateRead,
    StateWritten,
    SuperstepStarted,
)
from stepscope.findings import Finding
from stepscope.values import Value, text


def lost_updates(events: Iterable[AnyEvent]) -> list[Finding]:
    """Every lost update of one run, its sub-workflows' included, in the order of the writes that lost them.

    `events` are one run's, in `seq` order; kinds other than reads, writes, locks and the starts of supersteps
    and runs may be left out. `Finding.seqs` are [A's read, B's lost write, A's write], `executors` are [A's, B's].
    """
    run_id, engine = "", "stepscope"
    scopes: dict[int, _Scope] = {}
    for event in events:
        kind = type(event)
        if kind is StateRead or kind is StateWritten or kind is LockAcquired or kind is LockReleased:
            scope = scopes.get(event.scope)
            if scope is None:
                scope = scopes[event.scope] = _Scope()
            scope.take(event)  # type: ignore[arg-type]
        elif isinstance(event, RunStarted) and event.scope == 0:
            run_id, engine = event.run_id, event.engine
        elif isinstance(event, (SuperstepStarted, RunEnded)) and event.scope in scopes:
            scopes[event.scope].forget()
    losses = sorted((loss for scope in scopes.values() for loss in scope.losses.values()), key=_Loss.order)
    return [loss.finding(run_id, engine) for loss in losses]


@dataclass(slots=True)
class _Version:
    """A value of a key: the write that made it (None: there before), and the version it could contain."""

    write: StateWritten | None
    parent: _Version | None


@dataclass(slots=True)
class _Knowledge:
    """What one invocation knows of one key: its last read, and its last read or write."""

    read: StateRead | None = None
    read_version: _Version | None = None
    last: int = 0
    version: _Version | None = None


@dataclass(slots=True, frozen=True)
class _Held:
    """A key one invocation holds: the version found on entry and then its own, and what it knew on entry."""

    versions: list[_Version]
    last: int
    version: _Version | None


@dataclass(slots=True, frozen=True)
class _Loss:
    read: StateRead
    lost: StateWritten
    by: StateWritten

    def order(self) -> tuple[int, int]:
        return self.by.seq, self.lost.seq

    def finding(self, run_id: str, engine: str) -> Finding:
        key, a, b = self.by.key, self.by.executor, self.lost.executor
        wrote = {"set": f"set it to {_text(self.by.new)}", "delete": "deleted it"}[self.by.op]
        other = "deleted it" if self.lost.op == "delete" else f"wrote {_text(self.lost.new)}"
        return Finding(
            kind="lost-update",
            message=(
                f"the write of {key!r} by {b!r} is lost: {a!r} read {_text(self.read.value)} (#{self.read.seq}), "
                f"{b!r} {other} (#{self.lost.seq}), then {a!r} {wrote} (#{self.by.seq}) without having seen that."
            ),
            remedy=_remedy(key, engine),
            clause="STA-9",
            superstep=self.by.superstep,
            executors=list(dict.fromkeys((a, b))),
            keys=[key],
            seqs=[self.read.seq, self.lost.seq, self.by.seq],
            run_id=run_id,
        )


@dataclass(slots=True)
class _Scope:
    """One scope's keys. No invocation outlives its superstep, so only `losses`, by lost write, stays (`forget`)."""

    current: dict[str, _Version] = field(default_factory=dict)
    known: dict[tuple[int, str], _Knowledge] = field(default_factory=dict)
    held: dict[tuple[int, str], _Held] = field(default_factory=dict)
    undone: set[int] = field(default_factory=set)
    losses: dict[int, _Loss] = field(default_factory=dict)

    def forget(self) -> None:
        self.current.clear()
        self.known.clear()
        self.held.clear()
        self.undone.clear()

    def take(self, event: StateRead | StateWritten | LockAcquired | LockReleased) -> None:
        place = event.inv, event.key
        if isinstance(event, LockReleased):
            self.held.pop(place, None)
            return
        current = self.current.get(event.key)
        if current is None:
            current = self.current[event.key] = _Version(None, None)
        known = self.known.setdefault(place, _Knowledge())
        if isinstance(event, LockAcquired):
            self.held[place] = _Held([current], known.last, known.version)
        elif event.access == "live":
            if isinstance(event, StateRead):
                known.read, known.read_version = event, current
                known.last, known.version = event.seq, current
            elif event.op == "undo":
                self._undo(event, known)
            else:
                self._write(event, known, current)

    def _write(self, event: StateWritten, known: _Knowledge, current: _Version) -> None:
        if event.op == "update":
            made = _Version(event, current)
        else:
            made = _Version(event, known.version)
            if known.read is not None:
                self._lose(event, known.read, known.last, current)
        self.current[event.key] = known.version = made
        known.last = event.seq
        if (held := self.held.get((event.inv, event.key))) is not None:
            held.versions.append(made)

    def _lose(self, by: StateWritten, read: StateRead, since: int, version: _Version | None) -> None:
        while version is not None and version.write is not None and version.write.seq > since:
            lost = version.write
            if lost.inv != by.inv and lost.seq not in self.undone:
                self.losses.setdefault(lost.seq, _Loss(read, lost, by))
            version = version.parent

    def _undo(self, event: StateWritten, known: _Knowledge) -> None:
        held = self.held.get((event.inv, event.key))
        if held is None:
            return  # a failed superstep takes back everybody's writes, and nothing comes after it
        versions = held.versions
        kept = _restored(versions, event.new)
        undone = {version.write.seq for version in versions[kept + 1 :] if version.write is not None}
        del versions[kept + 1 :]
        self.undone |= undone
        for lost in [lost for lost, loss in self.losses.items() if loss.by.seq in undone]:
            del self.losses[lost]
        back = self.current[event.key] = versions[-1]
        known.last, known.version = held.last, held.version
        if kept and back.write is not None:
            known.last, known.version = back.write.seq, back
        if known.read is not None and known.read.seq > known.last:
            known.last, known.version = known.read.seq, known.read_version


def _restored(versions: list[_Version], value: Value | None) -> int:
    """Which version an undo gave back: the one found on entry, unless an inner block's undo gave a later one."""
    own = [version.write for version in versions[1:] if version.write is not None]
    if own and own[0].old != value:
        for i in range(len(own), 0, -1):
            if own[i - 1].new == value:
                return i
    return 0


def _text(value: Value | None) -> str:
    return "nothing" if value is None else text(value.tree(), 40)


def _remedy(key: str, engine: str) -> str:
    if engine == "stepscope":
        return (
            f"Use `await ctx.state.update({key!r}, fn)`, or read and write inside `async with "
            f"ctx.state.hold({key!r}):`, or give the key a reducer and `add` to it."
        )
    return (
        f"Let only one executor of a superstep write {key!r}: have the others send it their contributions as "
        f"messages, or give each its own key, and merge them in the next superstep."
    )
