"""The file behind `SQLiteCheckpointStorage`: its tables, its durability, and what it believes.

Durability. The journal is SQLite's rollback journal, truncated at each commit, with synchronous=EXTRA: a commit ends
with a sync of the truncated journal. DELETE with FULL would not sync the removal of the journal, so that a power cut
could take a commit back. WAL with FULL is as durable with one sync for a commit instead of five; but a byte that
changes in a WAL silently takes back what was committed after it, the file alone is not the store, and reading makes
files. Between two commits everything is in the one file here. A process that is killed loses nothing without syncs.

Belief. SQLite does not notice most changes of a byte in its file, so each row carries a digest of itself (`guard`) and
of its body, and the row of `store` digests which rows there are. These find damage; they are no signatures.

Order is `position`, a counter: clocks go back.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import msgspec

from ..errors import CheckpointError
from .storage import CheckpointInfo, of, superfluous, unknown

APPLICATION_ID = 0x53544350
"""In the file's header: the letters STCP."""
SCHEMA = 1
"""Version of the tables."""

_TABLES = (
    ("store", "CREATE TABLE store (one INTEGER PRIMARY KEY, newest INTEGER NOT NULL, kept INTEGER NOT NULL,"
     " guards BLOB NOT NULL, guard BLOB NOT NULL)"),
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


def _xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a) ^ int.from_bytes(b)).to_bytes(_DIGEST_BYTES)


class _Row(msgspec.Struct):
    """A row of `checkpoints`, whose guard is right."""

    position: int
    info: CheckpointInfo
    body_digest: bytes
    guard: bytes


class _Damage(Exception):
    """What is wrong with the content, as the end of a sentence."""


def _checked(row: Sequence[Any]) -> _Row:
    position, checkpoint_id, workflow, run_id, superstep, created, body_digest, guard = row
    if _guard(*row[:-1]) != guard:
        raise _Damage(f"what it tells of the checkpoint at position {position!r} does not match its digest")
    return _Row(position, CheckpointInfo(checkpoint_id, workflow, run_id, superstep, created), body_digest, guard)


class _Totals(msgspec.Struct):
    """The row of `store`: which checkpoints there are."""

    newest: int
    """The last position given away."""
    kept: int
    guards: bytes
    """All their guards, combined by exclusive or: what is added and removed needs no look at the others."""

    def add(self, guard: bytes) -> None:
        self.kept += 1
        self.guards = _xor(self.guards, guard)

    def remove(self, guard: bytes) -> None:
        self.kept -= 1
        self.guards = _xor(self.guards, guard)


class StoreFile:
    """One file and at most one connection to it. For one thread at a time."""

    def __init__(self, name: str, path: Path, *, busy_timeout: float, sync: bool) -> None:
        """`name` is what messages call the file at `path`, which is absolute; `busy_timeout` in seconds."""
        self._name = f"checkpoint store {name!r}"
        self._path = path
        self._busy_timeout = busy_timeout
        self._synchronous = "EXTRA" if sync else "OFF"
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._wrote = False

    # what the storage asks

    def save(self, info: CheckpointInfo, body: bytes) -> None:
        """Keep a checkpoint durably, as the newest. Raises `CheckpointError`."""
        with self._speaking("save a checkpoint in"):
            connection = self._reach(create=True)
            assert connection is not None
            with self._transaction(connection, "IMMEDIATE"):
                self._create(connection)
                totals = self._totals(connection)
                self._remove(connection, totals, self._find(connection, info.checkpoint_id))
                totals.newest += 1
                fields = (totals.newest, *msgspec.structs.astuple(info), _digest(body))
                guard = _guard(*fields)
                totals.add(guard)
                connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*fields, guard))
                connection.execute("INSERT INTO bodies VALUES (?, ?)", (totals.newest, body))
                self._put_totals(connection, totals)

    def load(self, checkpoint_id: str) -> tuple[CheckpointInfo, bytes]:
        """Exactly what was saved. Raises `CheckpointError`."""
        with self._speaking("read"):
            connection = self._reach()
            if connection is None:
                raise CheckpointError(
                    f"there is no checkpoint {checkpoint_id!r}: nothing was ever saved in {self._name}."
                )
            with self._transaction(connection):
                row = self._find(connection, checkpoint_id)
                if row is None:
                    if any(one.info.checkpoint_id == checkpoint_id for one in self._rows(connection)):
                        raise _Damage(f"its index has lost checkpoint {checkpoint_id!r}")
                    raise unknown(checkpoint_id, self._name)
                return row.info, self._body(connection, row)

    def infos(self) -> list[CheckpointInfo]:
        """All that is kept, oldest first. Raises `CheckpointError`."""
        with self._speaking("read"):
            connection = self._reach()
            if connection is None:
                return []
            with self._transaction(connection):
                return [row.info for row in self._rows(connection)]

    def delete(self, checkpoint_id: str) -> bool:
        """Remove a checkpoint; whether there was one. Raises `CheckpointError`."""
        with self._speaking("delete from"):
            connection = self._reach()
            if connection is None:
                return False
            with self._transaction(connection, "IMMEDIATE"):
                row = self._find(connection, checkpoint_id)
                if row is not None:
                    totals = self._totals(connection)
                    self._remove(connection, totals, row)
                    self._put_totals(connection, totals)
            return row is not None

    def prune(self, keep: int, workflow: str | None, run_id: str | None) -> int:
        """Keep the newest `keep` of each run named; how many were removed. Raises `CheckpointError`."""
        superfluous((), keep)
        with self._speaking("prune"):
            connection = self._reach()
            if connection is None:
                return 0
            with self._transaction(connection, "IMMEDIATE"):
                rows = {row.info.checkpoint_id: row for row in self._rows(connection)}
                gone = superfluous(of((row.info for row in rows.values()), workflow, run_id), keep)
                totals = self._totals(connection)
                for one in gone:
                    self._remove(connection, totals, rows[one])
                if gone:
                    self._put_totals(connection, totals)
            return len(gone)

    def close(self) -> None:
        """Close the connection; a later use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                if self._wrote:  # takes away the empty journal beside the file
                    connection.execute("PRAGMA busy_timeout = 0")
                    connection.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.Error:
                pass  # another process is writing: the journal is in use, and the last one to close takes it away
            finally:
                connection.close()

    # rows

    def _find(self, connection: sqlite3.Connection, checkpoint_id: str) -> _Row | None:
        found = connection.execute(f"{_SELECT} WHERE checkpoint_id = ?", (checkpoint_id,)).fetchone()
        if found is None:
            return None
        row = _checked(found)
        if row.info.checkpoint_id != checkpoint_id:
            raise _Damage(f"its index gives checkpoint {row.info.checkpoint_id!r} for {checkpoint_id!r}")
        return row

    def _body(self, connection: sqlite3.Connection, row: _Row) -> bytes:
        found = connection.execute("SELECT body FROM bodies WHERE position = ?", (row.position,)).fetchone()
        if found is None or not isinstance(found[0], bytes) or _digest(found[0]) != row.body_digest:
            raise _Damage(f"checkpoint {row.info.checkpoint_id!r} does not match its digest")
        return found[0]

    def _rows(self, connection: sqlite3.Connection) -> list[_Row]:
        """Every row, in order, and not one more or less than were saved."""
        totals = self._totals(connection)
        found = _Totals(0, 0, bytes(_DIGEST_BYTES))
        rows = []
        for row in map(_checked, connection.execute(f"{_SELECT} NOT INDEXED ORDER BY position")):
            if row.position <= found.newest:
                raise _Damage("its checkpoints are out of order")
            found.newest = row.position
            found.add(row.guard)
            rows.append(row)
        if found.kept != totals.kept or found.guards != totals.guards or found.newest > totals.newest:
            raise _Damage(f"it holds {found.kept} of the {totals.kept} checkpoints it should hold")
        return rows

    def _remove(self, connection: sqlite3.Connection, totals: _Totals, row: _Row | None) -> None:
        if row is not None:
            connection.execute("DELETE FROM checkpoints WHERE position = ?", (row.position,))
            connection.execute("DELETE FROM bodies WHERE position = ?", (row.position,))
            totals.remove(row.guard)

    def _totals(self, connection: sqlite3.Connection) -> _Totals:
        found = connection.execute("SELECT newest, kept, guards, guard FROM store WHERE one = 1").fetchone()
        if found is None or _guard(*found[:-1]) != found[-1]:
            raise _Damage("its table of contents does not match its digest")
        return _Totals(*found[:-1])

    def _put_totals(self, connection: sqlite3.Connection, totals: _Totals) -> None:
        fields = msgspec.structs.astuple(totals)
        connection.execute("INSERT OR REPLACE INTO store VALUES (1, ?, ?, ?, ?)", (*fields, _guard(*fields)))

    # the file

    def _reach(self, create: bool = False) -> sqlite3.Connection | None:
        """A connection to the store, or None where nothing has been saved yet."""
        identity = self._look(create)
        if self._connection is not None and identity != self._identity:
            wrote, self._wrote = self._wrote, False
            self.close()
            if wrote and create:
                raise CheckpointError(
                    f"{self._name} was removed or replaced while it was used: what was saved in it is gone; leave the "
                    f"file alone until the run is over."
                )
        if self._connection is None and (identity is not None or create):
            connection = self._open(create)
            try:
                made = self._verify(connection)
            except BaseException:
                connection.close()
                raise
            if not made and not create:
                connection.close()
                return None
            self._connection = connection
            self._identity = self._look(create) or (0, 0)
        return self._connection

    def _open(self, create: bool) -> sqlite3.Connection:
        target = f"file://{quote_from_bytes(os.fsencode(self._path))}?mode={'rwc' if create else 'rw'}"
        connection = sqlite3.connect(
            target, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False, uri=True
        )
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: a sync that reaches the disk
        return connection

    def _look(self, create: bool) -> tuple[int, int] | None:
        """Device and inode, or None where there is no file. Raises `CheckpointError` for what cannot be a store."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            folder = self._path.parent
            if create and not folder.is_dir():
                raise CheckpointError(
                    f"cannot make {self._name}: there is no folder {str(folder)!r}; make it first."
                ) from None
            return None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise CheckpointError(f"cannot open {self._name}: {reason}.") from None
        if stat.S_ISDIR(found.st_mode):
            raise CheckpointError(f"cannot open {self._name}: it is a folder; name a file in it.")
        if not stat.S_ISREG(found.st_mode):
            raise CheckpointError(f"cannot open {self._name}: it is not a regular file.")
        return found.st_dev, found.st_ino

    def _verify(self, connection: sqlite3.Connection) -> bool:
        """Whether the tables are there; False for an empty file. Raises `CheckpointError` for any other content."""
        with self._transaction(connection):
            application, version = (
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
            tables = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_stat%'"
            ).fetchall()
        if not application and not version and not tables:
            return False
        if application != APPLICATION_ID:
            raise CheckpointError(
                f"cannot open {self._name}: it is another program's SQLite file, or one of Stepscope's recordings; name "
                f"another file."
            )
        if version > SCHEMA:
            raise CheckpointError(
                f"{self._name} was written by a newer Stepscope (schema {version}, this one reads {SCHEMA}); upgrade "
                f"stepscope to use it."
            )
        if version != SCHEMA or sorted(tables) != sorted(_TABLES):
            raise _Damage("its tables are not those of a checkpoint store")
        return True

    def _create(self, connection: sqlite3.Connection) -> None:
        """Make the tables of an empty file, in the transaction that is open: of several processes, one does."""
        if connection.execute("PRAGMA user_version").fetchone()[0]:
            return
        for _, statement in _TABLES:
            connection.execute(statement)
        self._put_totals(connection, _Totals(0, 0, bytes(_DIGEST_BYTES)))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection, kind: str = "DEFERRED") -> Iterator[None]:
        if kind == "IMMEDIATE" and not self._wrote:
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            self._wrote = True
        connection.execute(f"BEGIN {kind}")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _speaking(self, doing: str) -> Iterator[None]:
        """Turn every failure into one sentence."""
        try:
            yield
        except _Damage as damage:
            raise CheckpointError(f"{self._name} is damaged: {damage}{self._what_is_left()}.") from None
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise  # not the file's fault
        except sqlite3.Error as error:
            raise self._sentence(error, doing) from None
        except (OverflowError, UnicodeError) as error:
            raise CheckpointError(f"cannot {doing} {self._name}: {error}.") from None

    def _sentence(self, error: sqlite3.Error, doing: str) -> CheckpointError:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            why = f"another program has kept it locked for {self._busy_timeout:g} s; end that program, or use another file"
        elif code.startswith("SQLITE_READONLY"):
            why = "it or its folder cannot be written; allow that, or use another file"
        elif code == "SQLITE_NOTADB":
            why = "it is not an SQLite file; name another file"
        elif code == "SQLITE_FULL":
            why = "the disk is full; make room"
        elif code.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
            why = "it cannot be opened here; look at the permissions of the file and of its folder"
        elif code.startswith(("SQLITE_IOERR", "SQLITE_TOOBIG", "SQLITE_NOMEM")):
            why = str(error)
        else:
            return CheckpointError(f"{self._name} is damaged: {error}{self._what_is_left()}.")
        return CheckpointError(f"cannot {doing} {self._name}: {why}.")

    def _what_is_left(self) -> str:
        """The way out of a damaged store, as the end of a sentence."""
        connection = self._connection
        if connection is not None:
            try:
                with self._transaction(connection):
                    for found in connection.execute(f"{_SELECT} NOT INDEXED ORDER BY position DESC"):
                        try:
                            row = _checked(found)
                            self._body(connection, row)
                        except _Damage:
                            continue
                        return (
                            f"; the newest checkpoint in it that is whole is {row.info.checkpoint_id!r} of workflow "
                            f"{row.info.workflow!r}, which can be named as checkpoint_id="
                        )
            except sqlite3.Error:
                pass
        return "; use a copy of it, or another store"
