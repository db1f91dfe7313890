"""One open recording file, shared by all runs that this process records to it at the same time."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stepscope.values import Value

from . import database as db
from .codec import INLINE, Reference, encoder
from .errors import RecordingError, because

if TYPE_CHECKING:
    from .recorder import BlockSink

_MAX_SEEN = 1 << 16
_SHIFT = 40
_numbers = count(1)
_open: dict[tuple[int, str], Store] = {}
_open_lock = threading.Lock()


class Store:
    """Writes blocks and payloads. `Value.ref` remembers the store's number and the payload's, so that a value is
    hashed once however often it is written."""

    def __init__(self, database: db.Database) -> None:
        """Write to `database`, which the store closes."""
        self.database = database
        self.encode = encoder(self.reference)
        self._number = next(_numbers)
        self._seen: dict[bytes, int] = {}
        self._users = 0
        self.sinks: dict[tuple[str, tuple[object, ...]], BlockSink] = {}
        """Who writes which run, under which rules."""

    @classmethod
    def attach(cls, path: Path) -> Store:
        """The store of a prepared file, shared by who attaches. Raises `RecordingError`."""
        key = (os.getpid(), os.path.realpath(path))
        with _open_lock:
            store = _open.get(key)
            if store is None or store.database.identity != db.identity(path):  # removed since: a new file
                store = _open[key] = cls(db.open_writing(path))
            store._users += 1
            return store

    def detach(self) -> None:
        """The last one to leave closes the file. Raises `RecordingError`."""
        with _open_lock:
            self._users -= 1
            if self._users > 0:
                return
            for key in [key for key, store in _open.items() if store is self]:
                del _open[key]
            if self.database.path is not None:  # what is only in memory is still to be read
                db.finish_writing(self.database)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Raises `RecordingError` if it cannot be written; it may be tried again."""
        with self.database.lock:
            connection = self.database.connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    self._forget()
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except (sqlite3.Error, OverflowError, TypeError, ValueError) as error:
                raise RecordingError(
                    f"cannot write {self.database.name}: {because(error)}; make room or record to another file, and run again."
                ) from error

    def _forget(self) -> None:
        """Payloads of a transaction that was rolled back are not there."""
        self._seen.clear()
        self._number = next(_numbers)

    def reference(self, value: Value) -> Reference:
        """How a value is stored in a block or a row, inside a transaction."""
        data = value.data
        if len(data) <= INLINE:
            return data
        if value.ref >> _SHIFT == self._number:
            return value.ref & ((1 << _SHIFT) - 1)
        payload = self._payload(data)
        value.ref = self._number << _SHIFT | payload
        return payload

    def text(self, text: str) -> int:
        """The payload of a long text."""
        return self._payload(msgspec.msgpack.encode(text))

    def _payload(self, data: bytes) -> int:
        key = blake2b(data, digest_size=16).digest()
        payload = self._seen.get(key)
        if payload is None:
            execute = self.database.connection.execute
            done = execute("INSERT INTO payloads (hash, data) VALUES (?, ?) ON CONFLICT DO NOTHING", (key, data))
            if done.rowcount == 1:
                payload = done.lastrowid
            else:
                payload = execute("SELECT payload FROM payloads WHERE hash = ?", (key,)).fetchone()[0]
            assert payload is not None
            if len(self._seen) >= _MAX_SEEN:
                self._seen.clear()
            self._seen[key] = payload
        return payload
