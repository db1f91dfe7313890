"""Holds of live keys: exclusion, hand-over, the wait-for graph (STA-5, STA-7, DLK-2).

A key's queue is FIFO. The wait-for graph has invocations as nodes; an invocation that waits for a key points at
the key's owner. A cycle is looked for whenever an edge is added, so it is found at the moment it forms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..errors import DeadlockError
from ..events import LockAcquired, LockReleased, LockWaiting
from ..journal import Journal
from .model import HoldRecord, Invocation, Ticket
from .ops import Acquire, Get, Set, Update

DEADLOCK_REMEDY = "Take the keys in one hold(...), or everywhere in the same order."

Perform = Callable[[Ticket], None]


class _Lock:
    __slots__ = ("depth", "owner", "queue")

    def __init__(self) -> None:
        self.owner: Invocation | None = None
        self.depth = 0
        self.queue: deque[Ticket] = deque()


def _op_name(ticket: Ticket) -> str:
    op = ticket.op
    if isinstance(op, Acquire):
        return "hold"
    if isinstance(op, Get):
        return "get"
    if isinstance(op, Update):
        return "update"
    assert isinstance(op, Set)
    return "set" if op.value is not None else "delete"


class Locks:
    """The held keys of one scope."""

    def __init__(self, journal: Journal, scope: int, perform: Perform, report: Callable[[DeadlockError], None]):
        """`perform` executes a plain operation whose turn has come; `report` makes a finding of a deadlock."""
        self._locks: dict[str, _Lock] = {}
        self._journal = journal
        self._scope = scope
        self._perform = perform
        self._report = report
        self._freed: deque[tuple[str, _Lock]] = deque()
        self._serving = False
        self.superstep = 0

    def blocks(self, inv: Invocation, key: str) -> bool:
        """Whether an operation of `inv` on `key` has to wait."""
        lock = self._locks.get(key)
        return lock is not None and lock.owner is not None and lock.owner is not inv

    def wait(self, ticket: Ticket) -> None:
        """Queue a plain operation. Raises `DeadlockError` if that closes a cycle (DLK-2)."""
        self._enqueue(ticket)

    def acquire(self, inv: Invocation, op: Acquire) -> HoldRecord | Ticket:
        """Enter a hold block, or wait to. Raises `DeadlockError` if waiting closes a cycle (DLK-2)."""
        ticket = Ticket(inv, op, "")
        ticket.record = HoldRecord(op.keys, op.line)
        ticket.remaining = op.keys
        if self._take(ticket):
            return ticket.record
        return ticket

    def release(self, inv: Invocation, record: HoldRecord, reason: str, line: int) -> None:
        """Leave a hold block and hand its keys on. A record that is not open is left alone."""
        if not record.open:
            return
        record.open = False
        inv.holds = tuple(one for one in inv.holds if one is not record)
        self._give_up(inv, record.keys, reason, line)

    def withdraw(self, ticket: Ticket) -> None:
        """The waiter is gone. What was already handed to it goes on to the next (STA-5)."""
        inv = ticket.inv
        if ticket in inv.tickets:
            self._forget(ticket)
            self._locks[ticket.key].queue.remove(ticket)
            self._give_up(inv, self._taken(ticket), "ended", 0)
        elif ticket.done and ticket.error is None and ticket.record is not None:
            self.release(inv, ticket.record, "ended", 0)

    def table(self) -> list[tuple[str, Invocation, list[Invocation]]]:
        """Held keys in key order: key, owner, who waits."""
        return [
            (key, lock.owner, [ticket.inv for ticket in lock.queue])
            for key, lock in sorted(self._locks.items())
            if lock.owner is not None
        ]

    @staticmethod
    def _forget(ticket: Ticket) -> None:
        ticket.inv.tickets = tuple(one for one in ticket.inv.tickets if one is not ticket)

    @staticmethod
    def _taken(ticket: Ticket) -> tuple[str, ...]:
        if ticket.record is None:
            return ()
        return ticket.record.keys[: len(ticket.record.keys) - len(ticket.remaining)]

    def _take(self, ticket: Ticket, granted: _Lock | None = None) -> bool:
        """Take as many of the remaining keys as are free; queue for the first that is not.

        `granted` is the one whose turn has come; another that has just been let go is for those who wait for it.
        """
        inv = ticket.inv
        record = ticket.record
        assert record is not None
        while ticket.remaining:
            key = ticket.remaining[0]
            lock = self._locks.get(key)
            if lock is None:
                lock = self._locks[key] = _Lock()
            if self._others_first(lock, inv, granted) or (lock.owner is not None and lock.owner is not inv):
                ticket.key = key
                try:
                    self._enqueue(ticket)
                except DeadlockError:
                    self._give_up(inv, self._taken(ticket), "ended", record.line)
                    raise
                return False
            ticket.remaining = ticket.remaining[1:]
            self._own(lock, ticket, key, waited=ticket.key == key)
        inv.holds += (record,)
        return True

    @staticmethod
    def _others_first(lock: _Lock, inv: Invocation, granted: _Lock | None) -> bool:
        """Whether the key was let go a moment ago and others were waiting for it."""
        return lock.owner is None and lock is not granted and any(waiter.inv is not inv for waiter in lock.queue)

    def _own(self, lock: _Lock, ticket: Ticket, key: str, waited: bool) -> None:
        inv = ticket.inv
        lock.depth += 1
        if lock.owner is inv:
            return
        lock.owner = inv
        journal = self._journal
        if journal.on:
            journal.append(
                LockAcquired(
                    journal.seq(), journal.clock(), self._scope, self.superstep, inv.id, inv.executor, key, waited,
                    ticket.op.line,  # type: ignore[union-attr]
                )
            )  # fmt: skip

    def _enqueue(self, ticket: Ticket) -> None:
        lock = self._locks[ticket.key]
        owner = lock.owner or next(waiter.inv for waiter in lock.queue if waiter.inv is not ticket.inv)
        journal = self._journal
        if journal.on:
            journal.append(
                LockWaiting(
                    journal.seq(), journal.clock(), self._scope, self.superstep, ticket.inv.id, ticket.inv.executor,
                    ticket.key, _op_name(ticket), owner.id, owner.executor,  # type: ignore[arg-type]
                    [waiter.inv.id for waiter in lock.queue], ticket.op.line,  # type: ignore[union-attr]
                )
            )  # fmt: skip
        path = None if lock.owner is None else self._path(owner, ticket.inv, [])
        if path is not None:
            error = self._deadlock(ticket, path)
            self._report(error)
            raise error
        ticket.inv.tickets += (ticket,)
        lock.queue.append(ticket)

    def _path(self, at: Invocation, goal: Invocation, seen: list[Invocation]) -> list[Ticket] | None:
        """The tickets that lead from `at` to `goal` in the wait-for graph, or None."""
        if at is goal:
            return []
        if at in seen:
            return None
        seen.append(at)
        for ticket in at.tickets:
            owner = self._locks[ticket.key].owner
            rest = None if owner is None else self._path(owner, goal, seen)
            if rest is not None:
                return [ticket, *rest]
        return None

    def _check_waiters(self, ticket: Ticket, lock: _Lock, entered: bool) -> None:
        """The new owner may wait elsewhere with another of its tasks: those behind it may have closed a cycle (DLK-2).

        Raises `DeadlockError` for the newcomer, which then has nothing.
        """
        inv, record = ticket.inv, ticket.record
        assert record is not None
        if not any(other is not ticket for other in inv.tickets):
            return
        for waiter in lock.queue:
            path = self._path(inv, waiter.inv, [])
            if path:
                error = self._deadlock(waiter, path)
                self._report(error)
                if entered:
                    self.release(inv, record, "ended", 0)
                else:
                    self.withdraw(ticket)
                raise error

    def _deadlock(self, ticket: Ticket, path: list[Ticket]) -> DeadlockError:
        """Name each invocation on the cycle, what it holds there and what it wants."""
        waits = [ticket, *path]
        rows = []
        for i, wait in enumerate(waits):
            held = waits[i - 1].key  # the one before on the cycle waits for what this one holds
            rows.append((wait.inv, held, wait.key))
        story = "; ".join(
            f"{inv.executor!r} (invocation {inv.id}) holds {held!r} and wants {want!r}" for inv, held, want in rows
        )
        error = DeadlockError(f"deadlock: {story}. {DEADLOCK_REMEDY}")
        error.cycle = tuple((inv.executor, held, want) for inv, held, want in rows)
        return error

    def _give_up(self, inv: Invocation, keys: tuple[str, ...], reason: str, line: int) -> None:
        """Let keys go all at once, then serve who waits for them, one key after another."""
        freed = []
        for key in keys:
            lock = self._locks[key]
            lock.depth -= 1
            if lock.depth == 0:
                lock.owner = None
                freed.append((key, lock))
        for key, lock in freed:
            self._released(inv, key, lock, reason, line)
        self._freed.extend(freed)
        if self._serving:  # giving up what was just handed over: whoever is serving comes to it
            return
        self._serving = True
        woken: list[Ticket] = []
        try:
            while self._freed:
                self._hand_over(*self._freed.popleft(), woken)
        finally:
            self._serving = False
        for ticket in woken:
            if ticket.wake is not None:
                ticket.wake()

    def _released(self, inv: Invocation, key: str, lock: _Lock, reason: str, line: int) -> None:
        journal = self._journal
        if journal.on:
            first = lock.queue[0].inv.id if lock.queue else 0
            journal.append(
                LockReleased(
                    journal.seq(), journal.clock(), self._scope, self.superstep, inv.id, inv.executor, key,
                    reason, first, [ticket.inv.id for ticket in lock.queue], line,  # type: ignore[arg-type]
                )
            )  # fmt: skip

    def _hand_over(self, key: str, lock: _Lock, woken: list[Ticket]) -> None:
        """Serve the queue: plain operations run at once, the first hold becomes the owner."""
        queue = lock.queue
        while queue and lock.owner is None:
            self._serve(queue.popleft(), lock, woken)
        owner = lock.owner
        for ticket in [ticket for ticket in queue if ticket.inv is owner]:  # the new owner's other tasks enter with it
            queue.remove(ticket)
            self._serve(ticket, lock, woken)
        if lock.owner is None and not queue and self._locks.get(key) is lock:
            del self._locks[key]

    def _serve(self, ticket: Ticket, lock: _Lock, woken: list[Ticket]) -> None:
        """The key is free for this ticket: perform the operation, or make its invocation the owner."""
        self._forget(ticket)
        if ticket.record is None:
            self._perform(ticket)
            woken.append(ticket)
            return
        try:
            entered = self._take(ticket, lock)
            ticket.result = ticket.record
            self._check_waiters(ticket, lock, entered)
        except DeadlockError as error:
            ticket.error, entered = error, True
        if entered:
            ticket.done = True
            woken.append(ticket)
