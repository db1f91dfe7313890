"""What stands in the tables of a checkpoint store, and whether it is what was written.

SQLite does not notice most changes of a byte in its file, so each row carries a digest of itself (`guard`) and of its
body, and the row of `store` digests which rows there are. These find damage; they are no signatures.

Order is `position`, a counter: clocks go back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from .storage import CheckpointInfo

APPLICATION_ID = 0x53544350
"""In the file's header: the letters STCP."""
SCHEMA = 1
"""Version of the tables."""

TABLES = (
    ("store", "CREATE TABLE store (one INTEGER PRIMARY KEY, newest INTEGER NOT NULL, guards BLOB NOT NULL,"
     " guard BLOB NOT NULL)"),
    ("checkpoints", "CREATE TABLE checkpoints (position INTEGER PRIMARY KEY, checkpoint_id TEXT NOT NULL UNIQUE,"
     " workflow TEXT NOT NULL, run_id TEXT NOT NULL, superstep INTEGER NOT NULL, created_unix_ns INTEGER NOT NULL,"
     " body_digest BLOB NOT NULL, guard BLOB NOT NULL)"),
    ("bodies", "CREATE TABLE bodies (position INTEGER PRIMARY KEY, body BLOB NOT NULL)"),
)  # fmt: skip
_SELECT = (
    "SELECT position, checkpoint_id, workflow, run_id, superstep, created_unix_ns, body_digest, guard FROM checkpoints"
)
_DIGEST_BYTES = 32


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST_BYTES).digest()


def _guard(*fields: Any) -> bytes:
    """Digest of a row; MessagePack keeps types and lengths apart."""
    return _digest(msgspec.msgpack.encode(fields))


class Row(msgspec.Struct):
    """A row of `checkpoints`, whose guard is right."""

    position: int
    info: CheckpointInfo
    body_digest: bytes
    guard: bytes


class Damage(Exception):
    """What is wrong with the content, as the end of a sentence."""


def _checked(row: Sequence[Any]) -> Row:
    position, checkpoint_id, workflow, run_id, superstep, created, body_digest, guard = row
    if _guard(*row[:-1]) != guard:
        raise Damage(f"what it tells of the checkpoint at position {position!r} does not match its digest")
    return Row(position, CheckpointInfo(checkpoint_id, workflow, run_id, superstep, created), body_digest, guard)


class Totals(msgspec.Struct):
    """The row of `store`: which checkpoints there are."""

    newest: int
    """The last position given away."""
    guards: bytes
    """All their guards, combined by exclusive or: what is added and removed needs no look at the others."""

    def switch(self, guard: bytes) -> None:
        """Count a row that was not counted, or one that was no more."""
        self.guards = (int.from_bytes(self.guards) ^ int.from_bytes(guard)).to_bytes(_DIGEST_BYTES)


class Contents:
    """The tables behind a connection, inside a transaction of the caller's. Raises `Damage` and SQLite's errors."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Reads nothing yet."""
        self._connection = connection

    def create(self) -> None:
        """Make the tables."""
        for _, statement in TABLES:
            self._connection.execute(statement)
        self._put(Totals(0, bytes(_DIGEST_BYTES)))
        self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def add(self, info: CheckpointInfo, body: bytes) -> None:
        """Keep a checkpoint as the newest, instead of one of the same id."""
        replaced = self.find(info.checkpoint_id)
        if replaced is not None:
            self.remove([replaced])
        totals = self._totals()
        totals.newest += 1
        fields = (totals.newest, *msgspec.structs.astuple(info), _digest(body))
        guard = _guard(*fields)
        totals.switch(guard)
        self._connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*fields, guard))
        self._connection.execute("INSERT INTO bodies VALUES (?, ?)", (totals.newest, body))
        self._put(totals)

    def find(self, checkpoint_id: str) -> Row | None:
        """A checkpoint by its id."""
        found = self._connection.execute(f"{_SELECT} WHERE checkpoint_id = ?", (checkpoint_id,)).fetchone()
        return None if found is None else _checked(found)

    def body(self, row: Row) -> bytes:
        """What was saved."""
        found = self._connection.execute("SELECT body FROM bodies WHERE position = ?", (row.position,)).fetchone()
        if found is None or not isinstance(found[0], bytes) or _digest(found[0]) != row.body_digest:
            raise Damage(f"checkpoint {row.info.checkpoint_id!r} does not match its digest")
        return found[0]

    def rows(self) -> list[Row]:
        """Every checkpoint, oldest first, and not one more or less than were saved."""
        found = Totals(0, bytes(_DIGEST_BYTES))
        rows = []
        for row in map(_checked, self._connection.execute(f"{_SELECT} ORDER BY position")):
            found.switch(row.guard)
            rows.append(row)
        if found.guards != self._totals().guards:
            raise Damage("checkpoints are missing from it, or there are some that were not saved")
        return rows

    def remove(self, rows: Iterable[Row]) -> None:
        """Remove checkpoints."""
        totals = self._totals()
        for row in rows:
            self._connection.execute("DELETE FROM checkpoints WHERE position = ?", (row.position,))
            self._connection.execute("DELETE FROM bodies WHERE position = ?", (row.position,))
            totals.switch(row.guard)
        self._put(totals)

    def newest_whole(self) -> CheckpointInfo | None:
        """The newest checkpoint that can be read in a damaged store."""
        for found in self._connection.execute(f"{_SELECT} ORDER BY position DESC"):
            try:
                row = _checked(found)
                self.body(row)
            except Damage:
                continue
            return row.info
        return None

    def _totals(self) -> Totals:
        found = self._connection.execute("SELECT newest, guards, guard FROM store WHERE one = 1").fetchone()
        if found is None or _guard(*found[:-1]) != found[-1]:
            raise Damage("its table of contents does not match its digest")
        return Totals(*found[:-1])

    def _put(self, totals: Totals) -> None:
        fields = msgspec.structs.astuple(totals)
        self._connection.execute("INSERT OR REPLACE INTO store VALUES (1, ?, ?, ?)", (*fields, _guard(*fields)))
