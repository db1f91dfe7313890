"""A queue of events that never makes its writer wait: what does not fit in memory goes to a temporary file.

Blocking the writer would stop the event loop, and dropping is what this is here to avoid. A slow receiver costs disk.
"""

from __future__ import annotations

import struct
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from typing import IO

import msgspec

from stepscope.events import AnyEvent, Committed, SuperstepFailed
from stepscope.values import Value
from stepscope_tracing.codec import Reference, decoder, encoder


class Block(msgspec.Struct, frozen=True):
    """Consecutive events of one run; `last`: there are no more."""

    run: int
    events: list[AnyEvent]
    last: bool = False


_encode = encoder(lambda value: value.data)


def _value(stored: Reference) -> Value:
    if isinstance(stored, int):
        raise TypeError("a waiting event refers to a recording's payload")
    return Value(stored)


_decode = decoder(_value)
_EVENT_BYTES = 400
_HEAD = struct.Struct(">QI?")
"""Before each block in the file: its length in bytes, its run, whether it is the last."""


def _weight(events: Sequence[AnyEvent]) -> int:
    """About how much memory events keep alive, in bytes."""
    total = _EVENT_BYTES * len(events)
    for event in events:
        for name in event.__struct_fields__:
            held = getattr(event, name)
            if isinstance(held, Value):
                total += len(held.data)
        changes = event.changes if isinstance(event, Committed) else ()
        changes = event.reverted if isinstance(event, SuperstepFailed) else changes
        for change in changes:
            total += sum(len(side.data) for side in (change.old, change.new) if side is not None)
    return total


class SpoolBroken(Exception):
    """The file could not be read; `events` are lost with it."""

    def __init__(self, events: int, reason: Exception) -> None:
        """`reason` is what reading it raised."""
        super().__init__(str(reason))
        self.events = events


class Spool:
    """First in, first out, for one writer of each run and one reader."""

    def __init__(self, *, memory_bytes: int) -> None:
        """Keep up to about `memory_bytes` of events in memory."""
        self._limit = memory_bytes
        self._changed = threading.Condition()
        self._memory: deque[tuple[Block, int]] = deque()
        self._weight = 0
        self._file: IO[bytes] | None = None
        self._read_at = 0
        self._write_at = 0
        self._on_disk = 0
        self._closed = False
        self.peak_bytes = 0
        """Most that was in memory at once, about."""

        self.spilled_bytes = 0
        """What went through the file, in all."""

    def put(self, block: Block) -> None:
        """Add a block. Raises `OSError` if it fits neither in memory nor on the disk."""
        weight = _weight(block.events)
        with self._changed:
            if self._write_at > self._read_at or (self._memory and self._weight + weight > self._limit):
                self._spill(block)
            else:
                self._memory.append((block, weight))
                self._weight += weight
                self.peak_bytes = max(self.peak_bytes, self._weight)
            self._changed.notify()

    def get(self, timeout_s: float | None) -> Block | None:
        """The oldest block, waiting for one up to `timeout_s` seconds; None if there is none, or at the end.

        Raises `SpoolBroken` if the file cannot be read; what comes after it can be got all the same.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._memory or self._write_at > self._read_at or self._closed, timeout_s)
            if self._memory:
                block, weight = self._memory.popleft()
                self._weight -= weight
                return block
            if self._write_at == self._read_at:
                return None
            try:
                return self._unspill()
            except Exception as error:
                lost = self._on_disk
                self._reset()
                raise SpoolBroken(lost, error) from error

    @property
    def ended(self) -> bool:
        """Closed, and everything has been taken out."""
        with self._changed:
            return self._closed and not self._memory and self._write_at == self._read_at

    def close(self) -> None:
        """Say that nothing more comes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def discard(self) -> None:
        """Remove the file."""
        with self._changed:
            self._reset()
            self._memory.clear()

    def _reset(self) -> None:
        file, self._file = self._file, None
        self._read_at = self._write_at = self._on_disk = 0
        if file is not None:
            file.close()

    def _spill(self, block: Block) -> None:
        events = _encode(block.events)
        data = _HEAD.pack(len(events), block.run, block.last) + events
        if self._file is None:
            # Unbuffered: a buffer that a full disk did not take would be tried again at every later write.
            self._file = tempfile.TemporaryFile(prefix="stepscope-otlp-", buffering=0)  # noqa: SIM115 (see `discard`)
        self._file.seek(self._write_at)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._write_at += len(data)
        self._on_disk += len(block.events)
        self.spilled_bytes += len(data)

    def _unspill(self) -> Block:
        assert self._file is not None
        self._file.seek(self._read_at)
        length, run, last = _HEAD.unpack(self._read(_HEAD.size))
        block = Block(run, _decode(self._read(length)), last)
        self._read_at += _HEAD.size + length
        self._on_disk -= len(block.events)
        if self._read_at == self._write_at:
            self._file.truncate(0)
            self._read_at = self._write_at = 0
        return block

    def _read(self, length: int) -> bytes:
        assert self._file is not None
        parts = []
        while length:
            part = self._file.read(length)
            if not part:
                raise OSError("the file of waiting events is shorter than what was written to it")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)
