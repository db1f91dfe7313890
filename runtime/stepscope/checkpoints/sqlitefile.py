"""The file behind `SQLiteCheckpointStorage`: opening it, its durability, and what failures are called.

Durability. The journal is SQLite's rollback journal, truncated at each commit, with synchronous=EXTRA: a commit ends
with a sync of the truncated journal. DELETE with FULL would not sync the removal of the journal, so that a power cut
could take a commit back. WAL with FULL is as durable with one sync for a commit instead of five; but a byte that
changes in a WAL silently takes back what was committed after it, the file alone is not the store, and reading makes
files. Between two commits everything is in the one file here. A process that is killed loses nothing without syncs.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_from_bytes

from ..errors import CheckpointError
from .sqlitetables import APPLICATION_ID, SCHEMA, TABLES, Contents, Damage
from .storage import CheckpointInfo, of, superfluous, unknown


def _text(data: bytes) -> str:
    """What is no text is damage, which the digests find."""
    return data.decode("utf-8", "replace")


def _because(error: Exception) -> str:
    """SQLite's reason, which may quote what a damaged file holds."""
    return "".join(one if one.isprintable() else "?" for one in str(error))


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
        self._made = False
        self._wrote = False

    # what the storage asks

    def save(self, info: CheckpointInfo, body: bytes) -> None:
        """Keep a checkpoint durably, as the newest. Raises `CheckpointError`."""
        with self._speaking("save a checkpoint in"):
            connection = self._reach(create=True)
            assert connection is not None
            with self._transaction(connection, write=True) as contents:
                if not connection.execute("PRAGMA user_version").fetchone()[0]:
                    contents.create()  # in the same transaction: of several processes, one does
                contents.add(info, body)
            self._made = True

    def load(self, checkpoint_id: str) -> tuple[CheckpointInfo, bytes]:
        """Exactly what was saved. Raises `CheckpointError`."""
        with self._speaking("read"):
            connection = self._reach()
            if connection is None:
                raise CheckpointError(
                    f"there is no checkpoint {checkpoint_id!r}: nothing was ever saved in {self._name}."
                )
            with self._transaction(connection) as contents:
                row = contents.find(checkpoint_id)
                if row is None:
                    if any(one.info.checkpoint_id == checkpoint_id for one in contents.rows()):
                        raise Damage(f"its index has lost checkpoint {checkpoint_id!r}")
                    raise unknown(checkpoint_id, self._name)
                return row.info, contents.body(row)

    def infos(self) -> list[CheckpointInfo]:
        """All that is kept, oldest first. Raises `CheckpointError`."""
        with self._speaking("read"):
            connection = self._reach()
            if connection is None:
                return []
            with self._transaction(connection) as contents:
                return [row.info for row in contents.rows()]

    def delete(self, checkpoint_id: str) -> bool:
        """Remove a checkpoint; whether there was one. Raises `CheckpointError`."""
        with self._speaking("delete from"):
            connection = self._reach()
            if connection is None:
                return False
            with self._transaction(connection, write=True) as contents:
                row = contents.find(checkpoint_id)
                if row is not None:
                    contents.remove([row])
            return row is not None

    def prune(self, keep: int, workflow: str | None, run_id: str | None) -> int:
        """Keep the newest `keep` of each run named; how many were removed. Raises `CheckpointError`."""
        superfluous((), keep)
        with self._speaking("prune"):
            connection = self._reach()
            if connection is None:
                return 0
            with self._transaction(connection, write=True) as contents:
                rows = {row.info.checkpoint_id: row for row in contents.rows()}
                gone = superfluous(of((row.info for row in rows.values()), workflow, run_id), keep)
                contents.remove(rows[one] for one in gone)
            return len(gone)

    def close(self) -> None:
        """Close the connection; a later use opens another."""
        connection, self._connection = self._connection, None
        wrote, self._wrote, self._made = self._wrote, False, False
        if connection is not None:
            try:
                if wrote:  # takes away the empty journal beside the file
                    connection.execute("PRAGMA busy_timeout = 0")
                    connection.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.Error:
                pass  # another process is writing: the journal is in use, and the last one to close takes it away
            finally:
                connection.close()

    # the file

    def _reach(self, create: bool = False) -> sqlite3.Connection | None:
        """A connection to the store, or None where nothing has been saved yet."""
        identity = self._look(create)
        if self._connection is not None and identity != self._identity:
            wrote = self._wrote
            self.close()
            if wrote and create:
                raise CheckpointError(
                    f"{self._name} was removed or replaced while it was used: what was saved in it is gone; leave the "
                    f"file alone until the run is over."
                )
        if identity is None and not create:
            return None
        if self._connection is None:
            self._connection = self._open(create)
            self._identity = self._look(create) or (0, 0)
        if not self._made:
            try:
                self._made = self._verify(self._connection)
            except BaseException:
                self.close()
                raise
        return self._connection if self._made or create else None

    def _open(self, create: bool) -> sqlite3.Connection:
        target = f"file://{quote_from_bytes(os.fsencode(self._path))}?mode={'rwc' if create else 'rw'}"
        connection = sqlite3.connect(
            target, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False, uri=True
        )
        connection.text_factory = _text
        try:
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute("PRAGMA fullfsync = ON")  # macOS: a sync that reaches the disk
        except BaseException:
            connection.close()
            raise
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
        if version != SCHEMA or len(tables) != len(TABLES) or set(tables) != set(TABLES):
            raise Damage("its tables are not those of a checkpoint store")
        return True

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection, write: bool = False) -> Iterator[Contents]:
        if write and not self._wrote:
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            self._wrote = True
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        try:
            yield Contents(connection)
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
        except Damage as damage:
            raise self._damaged(str(damage)) from None
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise  # not the file's fault
        except sqlite3.Error as error:
            raise self._sentence(error, doing) from None
        except UnicodeDecodeError as error:
            raise self._damaged(_because(error)) from None
        except (OverflowError, UnicodeEncodeError) as error:
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
            why = _because(error)
        else:
            return self._damaged(_because(error))
        return CheckpointError(f"cannot {doing} {self._name}: {why}.")

    def _damaged(self, how: str) -> CheckpointError:
        whole = None
        if self._connection is not None:
            try:
                with self._transaction(self._connection) as contents:
                    whole = contents.newest_whole()
            except (sqlite3.Error, UnicodeDecodeError):
                pass
        if whole is None:
            way_out = "use a copy of it, or another store"
        else:
            way_out = (
                f"the newest checkpoint in it that can be read is {whole.checkpoint_id!r} of workflow "
                f"{whole.workflow!r}: name it as checkpoint_id= to go on from there"
            )
        return CheckpointError(f"{self._name} is damaged: {how}; {way_out}.")
