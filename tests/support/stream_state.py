"""What the stream's state and lock events must agree on: a small model that `stream_rules` feeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from stepscope import events as ev
from stepscope.values import Value


class ScopeState:
    """Committed, pending and live values of one scope (STA-1, STA-2, STA-4)."""

    def __init__(self, keys: Sequence[ev.KeyInfo]) -> None:
        self.committed: dict[str, Value] = {key.name: key.initial for key in keys if key.initial is not None}
        self.live: dict[str, Value | None] = {}
        self.pending: dict[str, dict[str, Value | None]] = {}
        self.added: dict[str, set[str]] = {}
        self.live_writers: dict[str, set[str]] = {}

    def _seen(self, key: str, executor: str, access: str) -> Value | None:
        if access == "live" and key in self.live:
            return self.live[key]
        if access == "snapshot" and executor in self.pending.get(key, {}):
            return self.pending[key][executor]
        return self.committed.get(key)

    def read(self, event: ev.StateRead) -> None:
        """A read sees the commit and its own executor's writes; a live one what is there."""
        if event.access == "reducer" and event.executor in self.added.get(event.key, ()):
            return  # merged with its contributions, by the program's own reducer
        seen = self._seen(event.key, event.executor, event.access)
        assert event.value == seen, f"read {event.value!r}, but it should see {seen!r}"

    def write(self, event: ev.StateWritten) -> None:
        """A write starts from what its executor sees."""
        if event.op == "add":
            assert event.access == "reducer"
            assert event.given is not None
            self.added.setdefault(event.key, set()).add(event.executor)
            return
        seen = self._seen(event.key, event.executor, event.access)
        assert event.old == seen, f"writes over {event.old!r}, but it should see {seen!r}"
        if event.access == "live":
            self.live[event.key] = event.new
            self.live_writers.setdefault(event.key, set()).add(event.executor)
        else:
            assert event.access == "snapshot"
            self.pending.setdefault(event.key, {})[event.executor] = event.new

    def commit(self, changes: Sequence[ev.Change], ranks: Mapping[str, int]) -> None:
        """A commit has the superstep's writes, all of them, and no other (BAR-1)."""
        names = [change.key for change in changes]
        assert names == sorted({*self.pending, *self.added, *self.live}), "the commit is not of the keys written"
        for change in changes:
            assert change.old == self.committed.get(change.key), f"{change.key!r}: commit over another value"
            writers = self.live_writers if change.access == "live" else self.pending
            if change.access == "reducer":
                assert set(change.writers) == self.added[change.key]
            else:
                assert set(change.writers) == set(writers[change.key])
            if change.access == "live":
                assert change.new == self.live[change.key]
            elif change.access == "snapshot":
                ((_, new),) = self.pending[change.key].items()  # two writers conflict (STA-3)
                assert change.new == new
            assert change.writers == sorted(change.writers, key=ranks.__getitem__)
            if change.new is None:
                self.committed.pop(change.key, None)
            else:
                self.committed[change.key] = change.new
        self._clear()

    def resume(self, changes: Sequence[ev.Change]) -> None:
        """A resumed run begins with the state of a barrier, told as what changed from the declared one."""
        assert [change.key for change in changes] == sorted({change.key for change in changes})
        for change in changes:
            assert change.old == self.committed.get(change.key) != change.new
            if change.new is None:
                del self.committed[change.key]
            else:
                self.committed[change.key] = change.new

    def revert(self, reverted: Sequence[ev.Change]) -> None:
        """A failed superstep takes every live write back (BAR-3)."""
        assert [change.key for change in reverted] == sorted(self.live)
        for change in reverted:
            assert change.old == self.live[change.key]
            assert change.new == self.committed.get(change.key)
        self._clear()

    def _clear(self) -> None:
        self.live, self.pending, self.added, self.live_writers = {}, {}, {}, {}


class Locks:
    """Who holds what in one scope (STA-5)."""

    def __init__(self) -> None:
        self.owners: dict[str, int] = {}
        self.waiting: Counter[tuple[int, str]] = Counter()
        """Holds that wait, by invocation and key; an invocation's tasks may wait for one key several times."""
        self.handed: dict[str, int] = {}
        """Whose turn it is at a key that was let go, until it takes it up."""

    def touches(self, event: ev.StateRead | ev.StateWritten) -> None:
        """Nobody but the owner gets at a held key; whoever did had its turn."""
        owner = self.owners.get(event.key)
        assert owner in (None, event.inv), f"{event.key!r} is held by invocation {owner}"
        if self.handed.get(event.key) == event.inv:
            del self.handed[event.key]

    def waits(self, event: ev.LockWaiting) -> None:
        """One waits only for what another holds, or has just been handed; or will be, if a task of one's own comes first."""
        holder = self.owners.get(event.key, self.handed.get(event.key))
        if holder == event.inv and event.key not in self.owners:
            holder = next(inv for inv in event.queue if inv != event.inv)
        assert holder == event.holder != event.inv
        if event.op == "hold":
            self.waiting[event.inv, event.key] += 1

    def acquires(self, event: ev.LockAcquired) -> None:
        """A key has one owner."""
        assert event.key not in self.owners, f"{event.key!r} already has an owner"
        if event.waited:
            assert self.waiting[event.inv, event.key], "it is said to have waited"
            self.waiting[event.inv, event.key] -= 1
        self.handed.pop(event.key, None)
        self.owners[event.key] = event.inv

    def releases(self, event: ev.LockReleased) -> None:
        """Only the owner lets go."""
        assert self.owners.get(event.key) == event.inv
        del self.owners[event.key]
        self.handed.pop(event.key, None)
        if event.next:
            self.handed[event.key] = event.next

    def ended(self, inv: int) -> None:
        """Whoever has ended holds nothing (STA-7)."""
        assert inv not in self.owners.values(), "ended with a lock"
        self.waiting = Counter({one: count for one, count in self.waiting.items() if one[0] != inv})
