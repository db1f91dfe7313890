"""The index of a run: which events belong to which executor, invocation, message and lock.

It is built from all blocks, the first time a query needs it or beforehand by whoever wants to show progress, and
grows with a run that is still being written. It holds numbers in arrays, not objects: everything else is in the
events themselves.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stepscope.events import (
    AnyEvent,
    Delivered,
    Dropped,
    HandlerEnded,
    HandlerStarted,
    LockAcquired,
    LockReleased,
    LockWaiting,
    Resumed,
    Routed,
    Sent,
    StateRead,
    StateWritten,
)


class Columns:
    """Rows of whole numbers, a column each."""

    def __init__(self, *names: str) -> None:
        """Every column begins empty."""
        self._names = names
        for name in names:
            setattr(self, name, array("q"))

    def __getattr__(self, name: str) -> array[int]:
        """For the type checker: columns are set in `__init__`."""
        raise AttributeError(name)

    def add(self, *values: int) -> int:
        """Add a row; gives its number."""
        for name, value in zip(self._names, values, strict=True):
            getattr(self, name).append(value)
        return len(getattr(self, self._names[0])) - 1

    def __len__(self) -> int:
        """How many rows."""
        return len(getattr(self, self._names[0]))


class Index:
    """Fed with all events in order. Seqs are 0 where something has not happened."""

    def __init__(self) -> None:
        """Of no event yet."""
        self.last = 0
        self.lanes: dict[str, array[int]] = {}
        """Executor to the seqs of its events."""
        self.invocations = Columns("inv", "delivered", "started", "ended")
        self.messages = Columns("id", "sent", "end", "entries")
        self.entries = Columns("seq", "next")
        """What happened to messages: chains that begin in `messages.entries`, newest first, and end with -1."""
        self.far: list[int] = []
        """Rows of messages that waited longer than for the next superstep, or were sent before a resumed run began."""
        self.locks = Columns("inv", "wait", "acquired", "released", "given_up", "key")
        self.lock_keys: list[tuple[int, str]] = []
        self.inv_row: dict[int, int] = {}
        self.message_row: dict[int, int] = {}
        self._key_number: dict[tuple[int, str], int] = {}
        self._waiting: dict[int, dict[int, int]] = {}
        self._holding: dict[tuple[int, int], int] = {}
        self._take: dict[type, Callable[[Any], None]] = {
            Resumed: self._resumed,
            Delivered: self._delivered,
            HandlerStarted: self._started,
            HandlerEnded: self._ended,
            Sent: self._sent,
            Routed: self._entry,
            Dropped: self._entry,
            LockWaiting: self._wait,
            LockAcquired: self._acquired,
            LockReleased: self._released,
            StateRead: self._operation,
            StateWritten: self._operation,
        }
        self._superstep_of: dict[int, int] = {}

    def feed(self, events: Sequence[AnyEvent]) -> None:
        """Take the next events."""
        take, lanes = self._take, self.lanes
        for event in events:
            executor = getattr(event, "executor", None)
            if executor is not None:
                lane = lanes.get(executor)
                if lane is None:
                    lane = lanes[executor] = array("q")
                lane.append(event.seq)
            act = take.get(type(event))
            if act is not None:
                act(event)
        if events:
            self.last = events[-1].seq

    # invocations and messages

    def _resumed(self, event: Resumed) -> None:
        for one in event.waiting:
            self.far += [self._message(message, event.seq) for message in one.messages]

    def _delivered(self, event: Delivered) -> None:
        self.inv_row[event.inv] = self.invocations.add(event.inv, event.seq, 0, 0)
        for message in event.messages:
            if message == 0 and event.scope:
                continue  # a sub-workflow's input has no number of its own
            row = self._message(message, event.seq)
            self.messages.end[row] = event.seq
            self._chain(row, event.seq)
            if message and self._superstep_of.pop(message, event.superstep - 1) != event.superstep - 1:
                self.far.append(row)

    def _started(self, event: HandlerStarted) -> None:
        row = self.inv_row.get(event.inv)
        if row is not None:
            self.invocations.started[row] = event.seq

    def _ended(self, event: HandlerEnded) -> None:
        row = self.inv_row.get(event.inv)
        if row is not None:
            self.invocations.ended[row] = event.seq
        for key in list(self._waiting):
            lost = self._unqueue(key, event.inv)
            if lost is not None:
                self.locks.given_up[lost] = event.seq

    def _message(self, message: int, sent: int) -> int:
        row = self.message_row.get(message)
        if row is None:
            row = self.message_row[message] = self.messages.add(message, sent, 0, -1)
        return row

    def _sent(self, event: Sent) -> None:
        self._message(event.message, event.seq)
        self._superstep_of[event.message] = event.superstep

    def _entry(self, event: Routed | Dropped) -> None:
        self._chain(self._message(event.message, event.seq), event.seq)

    def _chain(self, row: int, seq: int) -> None:
        self.messages.entries[row] = self.entries.add(seq, self.messages.entries[row])

    def chain(self, row: int) -> list[int]:
        """The seqs of what happened to a message after its sending, in order."""
        seqs = []
        at = self.messages.entries[row]
        while at >= 0:
            seqs.append(self.entries.seq[at])
            at = self.entries.next[at]
        return seqs[::-1]

    def invocations_between(self, low: int, first: int, last: int) -> Iterator[int]:
        """Rows of invocations alive in [first, last], of those delivered from `low` on."""
        columns = self.invocations
        for row in range(bisect_left(columns.delivered, low), bisect_right(columns.delivered, last)):
            if not columns.ended[row] or columns.ended[row] >= first:
                yield row

    def messages_between(self, low: int, first: int, last: int) -> Iterator[int]:
        """Rows of messages under way in [first, last], of those sent from `low` on and those that waited long."""
        columns = self.messages
        start = bisect_left(columns.sent, low)
        for row in sorted(row for row in self.far if row < start):
            if columns.end[row] >= first and columns.sent[row] <= last:
                yield row
        for row in range(start, bisect_right(columns.sent, last)):
            if max(columns.end[row], columns.sent[row]) >= first:
                yield row

    # locks

    def _key(self, scope: int, key: str) -> int:
        number = self._key_number.get((scope, key))
        if number is None:
            number = self._key_number[scope, key] = len(self.lock_keys)
            self.lock_keys.append((scope, key))
        return number

    def _wait(self, event: LockWaiting) -> None:
        key = self._key(event.scope, event.key)
        lost = self._unqueue(key, event.inv)
        if lost is not None:
            self.locks.given_up[lost] = event.seq
        self._waiting.setdefault(key, {})[event.inv] = self.locks.add(event.inv, event.seq, 0, 0, 0, key)

    def _unqueue(self, key: int, inv: int) -> int | None:
        waiting = self._waiting.get(key)
        if waiting is None:
            return None
        row = waiting.pop(inv, None)
        if not waiting:
            del self._waiting[key]
        return row

    def _acquired(self, event: LockAcquired) -> None:
        key = self._key(event.scope, event.key)
        row = self._unqueue(key, event.inv) if event.waited else None
        if row is None:
            row = self.locks.add(event.inv, 0, event.seq, 0, 0, key)
        self.locks.acquired[row] = event.seq
        self._holding[key, event.inv] = row

    def _released(self, event: LockReleased) -> None:
        key = self._key(event.scope, event.key)
        row = self._holding.pop((key, event.inv), None)
        if row is not None:
            self.locks.released[row] = event.seq
        for inv in [inv for inv in self._waiting.get(key, ()) if inv not in event.queue and inv != event.next]:
            lost = self._unqueue(key, inv)
            if lost is not None:
                self.locks.given_up[lost] = event.seq

    def _operation(self, event: StateRead | StateWritten) -> None:
        """A plain operation that had to wait has had its turn."""
        number = self._key_number.get((event.scope, event.key))
        if number is not None:
            row = self._unqueue(number, event.inv)
            if row is not None:
                self.locks.acquired[row] = self.locks.released[row] = event.seq
