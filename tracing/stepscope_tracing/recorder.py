"""The recorder: an observer that writes runs to a recording file.

Taking an event is appending to a list. Everything since the last write becomes one block, one row, one
transaction: at the first barrier 5 ms after the last one, at 1,000 events, and at the driver's ticks inside long supersteps.
A process that is killed therefore loses at most what `RunSink.durable` never covered.

When the file cannot be written (a full disk), what was not written is kept and tried again at the next occasion,
and the next barrier and `close` raise: the run fails with a `RecordingError` rather than go on unrecorded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from stepscope.events import AnyEvent, HandlerStarted, RunEnded, RunStarted
from stepscope.observe import Observer, RunSink

from . import database as db
from .codec import codes_for, codes_of, mended, pattern_of
from .errors import RecordingError
from .process import writer_id
from .redact import Redactor, Rule
from .sidetables import SideTables
from .sources import read_sources
from .store import Store

_BLOCK_EVENTS = 1_000
_BETWEEN_NS = 5_000_000

Redact: TypeAlias = Rule | Sequence[Rule] | None


def open_recorder(path: str | os.PathLike[str], redact: Redact = None) -> Observer:
    """An observer that records every run given to it into the file `path`; an existing recording gains a run.

    `redact` names what is left out: see `redact.Redactor`. Raises `RecordingError` if the path cannot be written
    or is something else than a recording, which is then left as it is.
    """
    rules: Sequence[Rule] = (
        () if redact is None else (redact,) if isinstance(redact, str) or callable(redact) else redact
    )
    try:
        Redactor(rules)
    except ValueError as error:
        raise RecordingError(f"cannot record to {str(path)!r}: {error}.") from None
    target = Path(path)
    db.prepare(target)
    return Recorder(target, tuple(rules))


class Recorder:
    """See `open_recorder`, which makes it."""

    def __init__(self, path: Path, rules: tuple[Rule, ...]) -> None:
        """`path` is a prepared recording."""
        self.path = path
        self._rules = rules

    def begin(self, started: RunStarted) -> RunSink:
        """Open the file for one more run. Raises `RecordingError`."""
        if not self.path.exists():  # somebody has removed it since
            db.prepare(self.path)
        store = Store.attach(self.path)
        twin = store.sinks.get((started.run_id, self._rules))
        if twin is not None:  # one run, asked twice to be recorded here
            store.detach()
            return Echo(twin)
        try:
            sink = BlockSink(store, started, Redactor(self._rules) if self._rules else None)
            store.sinks[started.run_id, self._rules] = sink
            return sink
        except BaseException:
            store.detach()
            raise


def write_run(path: Path, events: Sequence[AnyEvent]) -> None:
    """Write a whole run that happened elsewhere into a prepared recording. No file that it names is read.

    `events` begin with the run's `RunStarted`. Raises `RecordingError`.
    """
    started = events[0]
    assert isinstance(started, RunStarted)
    store = Store.attach(path)
    try:
        sink = BlockSink(store, started, foreign=True)
    except BaseException:
        store.detach()
        raise
    for event in events:
        sink.append(event)
    sink.close()


_starts = pattern_of(codes_for([RunStarted.kind]))


def _files(started: RunStarted) -> set[str]:
    return {handler.file for executor in started.graph.executors for handler in executor.handlers}


class _Due:
    """A block that has to be written."""

    __slots__ = ("codes", "events", "taken")

    def __init__(self, events: list[AnyEvent]) -> None:
        self.events = events
        self.codes = b""
        self.taken = False


class BlockSink:
    """Writes one run."""

    def __init__(
        self, store: Store, started: RunStarted, redactor: Redactor | None = None, *, foreign: bool = False
    ) -> None:
        """Enter the run in the table of runs. A `foreign` run's handlers are in no file of this machine.

        Raises `RecordingError`.
        """
        self._foreign = foreign
        self.durable = 0
        self._store = store
        self._redactor = redactor
        self._pending: list[AnyEvent] = []
        self._due: list[_Due] = []
        self._last_write = 0
        self._error: RecordingError | None = None
        self._status = "interrupted"
        self._closed = False
        started = mended(started)
        if started.seed is not None and not -(1 << 63) <= started.seed < 1 << 63:
            raise RecordingError(f"cannot record a run with seed {started.seed}; give a seed of at most 63 bits.")
        self._files = _files(started)
        self._files_kept: set[str] = set()
        with store.transaction() as connection:
            row = (
                started.run_id, started.workflow, started.engine, started.engine_version, started.mode, started.seed,
                started.started_unix_ns, "running", int(redactor is not None), writer_id(),
            )  # fmt: skip
            entered = connection.execute(f"INSERT INTO runs VALUES (NULL{', ?' * len(row)})", row).lastrowid
            assert entered is not None
            self.run = entered
            if redactor is None:
                self._store_sources()
        if redactor is None:
            self._files_kept |= self._files
        self._tables = SideTables(self.run, store.reference)
        if redactor is not None:
            self.append = self._append_redacted  # type: ignore[method-assign]

    def append(self, event: AnyEvent) -> None:
        """Take one event."""
        pending = self._pending
        pending.append(event)
        if len(pending) >= _BLOCK_EVENTS:
            self._try()

    def _append_redacted(self, event: AnyEvent) -> None:
        assert self._redactor is not None
        self._pending.append(self._redactor.redact(event))
        if len(self._pending) >= _BLOCK_EVENTS:
            self._try()

    def enter_handler(self, event: HandlerStarted) -> None:
        """A file needs nothing in a handler's context."""

    def flush(self, *, barrier: bool) -> None:
        """Write if it is time. Raises `RecordingError` at a barrier if the recording cannot be written."""
        if not barrier:
            self._try()
        elif self._error is not None or time.monotonic_ns() - self._last_write >= _BETWEEN_NS:
            self._write()

    def close(self) -> None:
        """Write the rest and how the run ended. Raises `RecordingError` if that cannot be written."""
        if self._closed:
            return
        self._closed = True
        try:
            self._write(closing=True)
        finally:
            for key in [key for key, sink in self._store.sinks.items() if sink is self]:
                del self._store.sinks[key]
            self._store.detach()

    def _try(self) -> None:
        """Write where raising helps nobody, in `append` and between barriers: the next barrier or `close` will."""
        if self._error is not None:
            return
        try:
            self._write()
        except RecordingError as error:
            self._error = error

    def _write(self, *, closing: bool = False) -> None:
        if self._pending:
            self._due.append(_Due(self._pending))
            self._pending = []
        if not self._due and not closing:
            return
        store = self._store
        with store.transaction() as connection:
            for due in self._due:
                self._insert(due)
            self._tables.write(store.database)
            if closing or self._redactor is None:
                self._store_sources()
            if closing or self._status != "interrupted":
                connection.execute("UPDATE runs SET status = ? WHERE run = ?", (self._status, self.run))
        if self._due:
            self.durable = self._due[-1].events[-1].seq
        self._due = []
        if self._redactor is None:
            self._files_kept |= self._files
        self._tables.written()
        self._error = None
        self._last_write = time.monotonic_ns()

    def _insert(self, due: _Due) -> None:
        """Write one block, in the transaction that is open."""
        store = self._store
        try:
            data = store.encode(due.events)
        except UnicodeEncodeError:
            due.events = mended(due.events)
            data = store.encode(due.events)
        events = due.events
        if not due.taken:
            due.taken = True
            due.codes = codes_of(events)
            self._tables.take(events, due.codes)
            for seq in _starts.finditer(due.codes):  # a sub-workflow's
                started = events[seq.start()]
                if isinstance(started, RunStarted):
                    self._files |= _files(started)
            if isinstance(events[-1], RunEnded) and events[-1].scope == 0:
                self._status = events[-1].status
        store.database.connection.execute(
            "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?)",
            (self.run, events[0].seq, events[-1].seq, events[-1].t, due.codes, data),
        )

    def _store_sources(self) -> None:
        """Keep the handlers' source files; with secrets only at the end, when it is known what they are."""
        if self._foreign:
            return
        for file, text in read_sources(sorted(self._files - self._files_kept)):
            kept = text if self._redactor is None else self._redactor.scrub(text)
            self._store.database.connection.execute(
                "INSERT OR IGNORE INTO sources VALUES (?, ?, ?)", (self.run, file, self._store.text(kept))
            )


class Echo:
    """Stands for a sink that already records the same run into the same file."""

    def __init__(self, sink: BlockSink) -> None:
        """Follow `sink`."""
        self._sink = sink

    @property
    def durable(self) -> int:
        """What the other has written."""
        return self._sink.durable

    def append(self, event: AnyEvent) -> None:
        """The other takes it."""

    def enter_handler(self, event: HandlerStarted) -> None:
        """A file needs nothing in a handler's context."""

    def flush(self, *, barrier: bool) -> None:
        """The other writes."""

    def close(self) -> None:
        """Leave it to the other, whichever is closed first."""
