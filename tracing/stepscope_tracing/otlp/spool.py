"""A queue of events that never makes its writer wait: what does not fit in memory goes to a temporary file.

Blocking the writer would stop the event loop, and dropping is what this is here to avoid. A slow receiver costs disk.
"""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from typing import IO, Any

import msgspec

from stepscope.events import AnyEvent, Committed, SuperstepFailed
from stepscope.values import Value


class Block(msgspec.Struct, frozen=True):
    """Consecutive events of one run; `last`: there are no more."""

    run: int
    events: list[AnyEvent]
    last: bool = False


def _enc_hook(obj: Any) -> Any:
    if isinstance(obj, Value):
        return obj.data
    raise NotImplementedError(f"{type(obj).__name__} in an event")


def _dec_hook(kind: type, obj: Any) -> Any:
    if kind is Value and isinstance(obj, bytes):
        return Value(obj)
    raise NotImplementedError(f"{kind!r} in an event")


_encode = msgspec.msgpack.Encoder(enc_hook=_enc_hook).encode
_decode = msgspec.msgpack.Decoder(Block, dec_hook=_dec_hook).decode
_EVENT_BYTES = 400
_LENGTH = 8


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
        """The oldest block, waiting for one up to `timeout_s` seconds; None if there is none, or at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._memory or self._write_at > self._read_at or self._closed, timeout_s)
            if self._memory:
                block, weight = self._memory.popleft()
                self._weight -= weight
                return block
            return self._unspill() if self._write_at > self._read_at else None

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
            if self._file is not None:
                self._file.close()
                self._file = None
            self._read_at = self._write_at = 0
            self._memory.clear()

    def _spill(self, block: Block) -> None:
        data = _encode(block)
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="stepscope-otlp-")  # noqa: SIM115 (closed by `discard`)
        self._file.seek(self._write_at)
        self._file.write(len(data).to_bytes(_LENGTH, "big") + data)
        self._file.flush()
        self._write_at += _LENGTH + len(data)
        self.spilled_bytes += len(data)

    def _unspill(self) -> Block:
        assert self._file is not None
        self._file.seek(self._read_at)
        length = int.from_bytes(self._file.read(_LENGTH), "big")
        block = _decode(self._file.read(length))
        self._read_at += _LENGTH + length
        if self._read_at == self._write_at:
            self._file.truncate(0)
            self._read_at = self._write_at = 0
        return block
