"""Opening SQLite files as recordings, for writing and for reading; every failure is one sentence.

A file is only ever looked at through SQLite: closing a descriptor of one's own would drop the locks that SQLite
holds on the same file in this process.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from . import schema
from .errors import RecordingError, because

_BUSY_S = 10.0


def _connect(target: str, *, uri: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(target, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, uri=uri)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


class Database:
    """A connection that threads share."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None, borrowed: Path | None = None) -> None:
        """`path` names the file in messages; `borrowed` is a folder to remove at the end."""
        self.connection = connection
        self.path = path
        self.lock = threading.RLock()
        self.identity = (0, 0)
        """Device and inode of a file that is written."""
        self._borrowed = borrowed

    def rows(self, sql: str, *parameters: Any, **named: Any) -> list[Any]:
        """All rows of a query. Raises `RecordingError`."""
        with self.lock, self.reading():
            return self.connection.execute(sql, named or parameters).fetchall()

    def row(self, sql: str, *parameters: Any) -> Any:
        """The first row of a query, or None. Raises `RecordingError`."""
        with self.lock, self.reading():
            return self.connection.execute(sql, parameters).fetchone()

    def many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute a statement for each row."""
        self.connection.executemany(sql, rows)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn SQLite's errors into sentences."""
        try:
            yield
        except sqlite3.ProgrammingError as error:
            if "closed" in str(error):
                raise RecordingError(f"{self.name} was closed; open it again to read on.") from None
            raise
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
            raise RecordingError(f"{self.name} is damaged: {because(error)}.") from None

    @property
    def name(self) -> str:
        """What messages call it."""
        return "this run" if self.path is None else f"recording {str(self.path)!r}"

    def close(self) -> None:
        """Close the connection; closing again does nothing."""
        with self.lock:
            self.connection.close()
            if self._borrowed is not None:
                shutil.rmtree(self._borrowed, ignore_errors=True)
                self._borrowed = None


def in_memory() -> Database:
    """An empty recording that no file holds."""
    database = Database(_connect(":memory:"), None)
    database.connection.execute("BEGIN")
    schema.create(database.connection)
    database.connection.execute("COMMIT")
    return database


# writing


def prepare(path: Path) -> None:
    """See to it that `path` is a recording that can be written: make one, or check the one that is there.

    Raises `RecordingError`, and leaves the file as it was.
    """
    existed = _look(path, verb="record to")
    fresh = not existed or path.stat().st_size == 0
    if not fresh:
        check(path)
    if not path.parent.is_dir():
        raise RecordingError(f"cannot record to {str(path)!r}: there is no folder {str(path.parent)!r}; make it first.")
    try:
        connection = _connect(str(path))
        try:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
                schema.create(connection)
            else:
                connection.execute(
                    f"PRAGMA user_version = {schema.SCHEMA}"
                )  # a write, so that what cannot be written fails
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.Error as error:
        if not existed and not _size(path):
            path.unlink(missing_ok=True)
        raise RecordingError(
            f"cannot record to {str(path)!r}: {because(error)}; choose a file that can be written."
        ) from None


def open_writing(path: Path) -> Database:
    """Open a prepared recording to write to it. Raises `RecordingError`."""
    try:
        connection = _connect(str(path))
        if connection.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
            connection.close()
            raise RecordingError(f"cannot record to {str(path)!r}: it is no longer a recording; choose another file.")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # a checkpoint syncs, which stalls the event loop: the file grows by this many pages between two
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
    except sqlite3.Error as error:
        raise RecordingError(
            f"cannot record to {str(path)!r}: {because(error)}; choose a file that can be written."
        ) from None
    database = Database(connection, path)
    database.identity = identity(path)
    return database


def identity(path: Path) -> tuple[int, int]:
    """Device and inode, zeros where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def finish_writing(database: Database) -> None:
    """Close, leaving one self-contained file unless somebody is reading it. Raises `RecordingError`."""
    connection, path = database.connection, database.path
    assert path is not None
    try:
        if identity(path) != database.identity:
            raise RecordingError(
                f"recording {str(path)!r} was removed or replaced while it was written: what was recorded is lost; "
                f"leave the file alone until the run is over."
            )
        connection.execute("PRAGMA busy_timeout = 100")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):  # a reader is at work: the last one to close tidies up
            raise RecordingError(
                f"cannot close recording {str(path)!r}: {because(error)}; keep the -wal file beside it, nothing is lost."
            ) from None
    finally:
        database.close()


# reading


def _look(path: Path, verb: str) -> bool:
    """Whether there is a file. Raises `RecordingError` for what cannot be a recording."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RecordingError(f"cannot {verb} {str(path)!r}: {reason}.") from None
    if stat.S_ISDIR(mode):
        raise RecordingError(f"cannot {verb} {str(path)!r}: it is a folder; name a file in it.")
    if not stat.S_ISREG(mode):
        raise RecordingError(f"cannot {verb} {str(path)!r}: it is not a regular file.")
    return True


def check(path: Path) -> None:
    """Refuse a file that is not a readable recording of this schema. Raises `RecordingError`."""
    open_reading(path).close()


def open_reading(path: Path) -> Database:
    """Open a recording to read it, while it is written too. Raises `RecordingError`."""
    if not _look(path, verb="open"):
        raise RecordingError(f"there is no file {str(path)!r}.")
    if path.stat().st_size == 0:
        raise RecordingError(f"{str(path)!r} is empty: nothing was recorded in it.")
    if not os.access(path, os.R_OK):
        raise RecordingError(f"cannot open {str(path)!r}: permission denied.")
    database = _reach(path)
    try:
        _verify(database, path)
        database.connection.execute("PRAGMA query_only = ON")
    except BaseException:
        database.close()
        raise
    return database


def _reach(path: Path) -> Database:
    """Connect so that the content can be read, also where nothing can be written beside the file."""
    uri = f"file://{quote_from_bytes(os.fsencode(path.absolute()))}"  # Path.as_uri imports when called: not at exit
    for attempt in (f"{uri}?mode=ro", f"{uri}?mode=ro&immutable=1"):
        connection = _connect(attempt, uri=True)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            if "unable to open" not in str(error) and "readonly" not in str(error):
                raise RecordingError(f"cannot open {str(path)!r}: {because(error)}.") from None
            if _size(_beside(path)):
                return _copy(path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            connection.close()
            if "malformed" in str(error) or isinstance(error, UnicodeDecodeError):
                raise RecordingError(f"recording {str(path)!r} is damaged or cut off: {because(error)}.") from None
            raise RecordingError(f"{str(path)!r} is not a Stepscope recording.") from None
        else:
            return Database(connection, path)
    raise RecordingError(f"cannot open {str(path)!r}: it cannot be read here.")


def _beside(path: Path) -> Path:
    """Where SQLite keeps what is not yet in the file itself."""
    return path.with_name(path.name + "-wal")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _copy(path: Path) -> Database:
    """A killed writer's file and what lies beside it, where SQLite may not work on them in place."""
    folder = Path(tempfile.mkdtemp(prefix="stepscope-"))
    try:
        copy = folder / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(_beside(path), _beside(copy))
        connection = _connect(str(copy))
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (OSError, sqlite3.Error) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise RecordingError(f"cannot open {str(path)!r}: {because(error)}.") from None
    return Database(connection, path, borrowed=folder)


def _verify(database: Database, path: Path) -> None:
    def pragma(name: str) -> int:
        return int(database.row(f"PRAGMA {name}")[0])

    if pragma("application_id") != schema.APPLICATION_ID:
        raise RecordingError(f"{str(path)!r} is not a Stepscope recording, but another program's SQLite file.")
    found = pragma("user_version")
    if found > schema.SCHEMA:
        raise RecordingError(
            f"recording {str(path)!r} was written by a newer Stepscope (schema {found}, this one reads {schema.SCHEMA}); "
            f"upgrade stepscope to open it."
        )
    if not _size(_beside(path)) and path.stat().st_size < pragma("page_count") * pragma("page_size"):
        raise RecordingError(f"recording {str(path)!r} is cut off: its end is missing.")
