"""Reading a run's events: block by block, decoded once, and found by their codes without decoding.

Everything the bytes of a file could do wrong ends as a `RecordingError` here.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from stepscope.events import AnyEvent, RunStarted
from stepscope.values import Value

from .codec import Reference, codes_of, decode_without_values, decoder
from .database import Database
from .errors import RecordingError, because
from .trees import well_formed

_MAX_EVENTS = 20_000
_MAX_BYTES = 32_000_000
BATCH = 8
"""Blocks read at once where all are gone through."""


class Payloads:
    """The values of a recording, by reference; one for all its runs."""

    def __init__(self, database: Database) -> None:
        """Read from `database`."""
        self._database = database
        self._known: OrderedDict[int, Value] = OrderedDict()
        self._bytes = 0
        self._check = msgspec.msgpack.Decoder().decode

    def value(self, reference: Reference) -> Value:
        """The value. Raises `RecordingError` if it is not there or no MessagePack."""
        if isinstance(reference, bytes):
            return self._value(reference)
        with self._database.lock:
            known = self._known.get(reference)
            if known is None:
                row = self._database.row("SELECT data FROM payloads WHERE payload = ?", reference)
                if row is None or type(row[0]) is not bytes:
                    raise RecordingError(f"{self._database.name} is damaged: value {reference} is missing.")
                known = self._known[reference] = self._value(row[0])
                self._bytes += len(known.data)
                while self._bytes > _MAX_BYTES and len(self._known) > 1:
                    self._bytes -= len(self._known.popitem(last=False)[1].data)
            return known

    def optional(self, reference: object) -> Value | None:
        """The value in a row's field, None for NULL. Raises `RecordingError`."""
        if reference is None:
            return None
        if type(reference) is bytes or type(reference) is int:
            return self.value(reference)
        raise RecordingError(f"{self._database.name} is damaged: {reference!r} stands where a value belongs.")

    def _value(self, data: bytes) -> Value:
        try:
            if not well_formed(self._check(data)):
                raise ValueError("its tree is malformed")
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError, TypeError) as error:
            raise RecordingError(
                f"{self._database.name} is damaged: a value cannot be read: {because(error)}."
            ) from None
        return Value(data)


class Blocks:
    """The events of one run. `refresh` sees what was written since."""

    def __init__(self, database: Database, run: int, payloads: Payloads) -> None:
        """`run` is the row's number in the table of runs. Raises `RecordingError`."""
        self.database = database
        self.run = run
        self.codes = b""
        self.last = 0
        self.t = 0
        self._firsts = array("q")
        self._lasts = array("q")
        self._decode = decoder(payloads.value)
        self._decoded: OrderedDict[int, list[AnyEvent]] = OrderedDict()
        self._decoded_events = 0
        self.refresh()
        if not self._firsts:
            raise RecordingError(f"{database.name} holds no event of this run.")

    def refresh(self) -> bool:
        """Whether there are new events."""
        rows = self.database.rows(
            "SELECT first, last, t, codes FROM blocks WHERE run = ? AND first > ? ORDER BY first", self.run, self.last
        )
        if not rows:
            return False
        with self.database.lock:
            codes = [self.codes]
            for first, last, t, of_block in rows:
                well = type(last) is int and type(t) is int and type(of_block) is bytes
                if not well or first != self.last + 1 or len(of_block) != last - first + 1:
                    raise RecordingError(f"{self.database.name} is damaged: events after {self.last} are missing.")
                self._firsts.append(first)
                self._lasts.append(last)
                codes.append(of_block)
                self.last, self.t = last, t
            self.codes = b"".join(codes)
        return True

    def event(self, seq: int) -> AnyEvent:
        """One event. Raises `IndexError` if the run has no such event, `RecordingError` if it cannot be read."""
        if not 1 <= seq <= self.last:
            raise IndexError(f"there is no event {seq}: the run has events 1 to {self.last}")
        block = bisect_right(self._firsts, seq) - 1
        events = self._decoded.get(block)
        if events is None:
            events = self._block(block)
        return events[seq - self._firsts[block]]

    def started(self) -> RunStarted:
        """The run's first event. Raises `RecordingError` if it is something else."""
        event = self.event(1)
        if not isinstance(event, RunStarted):
            raise RecordingError(f"{self.database.name} is damaged: its run does not begin with a start.")
        return event

    def iterate(self, first: int, last: int) -> Iterator[AnyEvent]:
        """Events in order, decoded a few blocks at a time."""
        first, last = max(first, 1), min(last, self.last)
        while first <= last:
            block = bisect_right(self._firsts, first) - 1
            start = self._firsts[block]
            events = self._block(block)
            yield from events[first - start : last - start + 1]
            first = start + len(events)

    def matching(self, pattern: re.Pattern[bytes], first: int, last: int) -> Iterator[int]:
        """The `seq` of events with one of a pattern's codes, in order, without decoding."""
        for match in pattern.finditer(self.codes, max(first, 1) - 1, max(last, 0)):
            yield match.start() + 1

    def without_values(self, first: int) -> Iterator[list[AnyEvent]]:
        """Lists of events from `first`, which begins a block, on; every value in them is nil."""
        while first <= self.last:
            rows = self.database.rows(
                "SELECT first, last, events FROM blocks WHERE run = ? AND first >= ? AND last <= ? ORDER BY first LIMIT ?",
                self.run, first, self.last, BATCH,
            )  # fmt: skip
            if not rows:
                raise RecordingError(f"{self.database.name} is damaged: events from {first} on are missing.")
            for start, last, data in rows:
                yield self._decoded_by(decode_without_values, data, start, last)
                first = last + 1

    def _block(self, block: int) -> list[AnyEvent]:
        with self.database.lock:
            events = self._decoded.get(block)
            if events is not None:
                self._decoded.move_to_end(block)
                return events
            first = self._firsts[block]
            row = self.database.row("SELECT events FROM blocks WHERE run = ? AND first = ?", self.run, first)
            if row is None:
                raise RecordingError(f"{self.database.name} is damaged: events from {first} on are missing.")
            events = self._decoded_by(self._decode, row[0], first, self._lasts[block])
            self._decoded[block] = events
            self._decoded_events += len(events)
            while self._decoded_events > _MAX_EVENTS and len(self._decoded) > 1:
                self._decoded_events -= len(self._decoded.popitem(last=False)[1])
            return events

    def _decoded_by(
        self, decode: Callable[[bytes], list[AnyEvent]], data: Any, first: int, last: int
    ) -> list[AnyEvent]:
        try:
            events = decode(data)
        except RecordingError:
            raise
        except (msgspec.MsgspecError, RecursionError, ValueError, TypeError) as error:
            raise RecordingError(
                f"{self.database.name} is damaged: events {first} to {last}: {because(error)}."
            ) from None
        if any(e.seq != seq for seq, e in enumerate(events, first)) or codes_of(events) != self.codes[first - 1 : last]:
            raise RecordingError(
                f"{self.database.name} is damaged: events {first} to {last} are not what they should be."
            )
        return events
