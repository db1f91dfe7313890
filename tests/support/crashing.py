"""Runs of `crash_programs` in processes that are killed at a chosen moment.

A moment is a position in what the process does, not a time: the n-th call or return in a part of the runtime, or the
n-th instruction of SQLite's machine. The process counts, and sends itself SIGKILL when the number is up: nothing of it
runs afterwards. Processes are forked from one that has imported everything, which takes orders line by line. A process
that runs `alone` can be killed from outside, at a system call.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

import stepscope
import stepscope_tracing
import stepscope_tracing.recorder
from stepscope import SQLiteCheckpointStorage
from stepscope.checkpoints import sqlitefile

from . import crash_programs
from .children import child, tell
from .crash_programs import FIRST, PROGRAMS, Tick

_RUNTIME = Path(stepscope.__file__).parent
_PARTS = (
    (Path(crash_programs.__file__), "handlers"),
    (Path(sqlitefile.__file__).parent, "checkpoints"),
    (_RUNTIME / "drivers" / "checkpointing.py", "checkpoints"),
    (_RUNTIME / "kernel", "kernel"),
    (_RUNTIME, "runtime"),
    (Path(stepscope_tracing.__file__).parent, "recorder"),
)
PARTS = ("handlers", "checkpoints", "kernel", "runtime", "sqlite")
"""Where moments are counted."""


class Order(msgspec.Struct):
    """What a process is to do, and when it dies."""

    program: str
    store: str
    resume: bool = False
    record: str | None = None
    sync: bool = False
    part: str = ""
    """One of `PARTS`, to die at its `at`-th moment; "time": `at` microseconds after the first handler started."""
    at: int = 0


class Report(msgspec.Struct):
    """How it ended."""

    killed: bool
    result: dict[str, Any] | None = None
    error: str = ""
    moments: dict[str, int] = {}
    """How many there were of each part, of a process that lived."""
    microseconds: int = 0
    """From the first handler on, in a resumed process from the beginning."""


class _Moments:
    """Counts in a child process from the first handler on, in a resumed one from the beginning."""

    def __init__(self, order: Order, started: int) -> None:
        self.counts: Counter[str] = Counter()
        self._order = order
        self._armed = order.resume
        self.since = time.perf_counter_ns()
        self._started = started
        self._parts: dict[str, str] = {}

    def hit(self, part: str) -> None:
        if not self._armed:
            return
        self.counts[part] += 1
        if part == self._order.part and self.counts[part] == self._order.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def profile(self, frame: Any, event: str, argument: Any) -> None:
        """A call or a return, of Python or of C."""
        file = frame.f_code.co_filename
        part = self._parts.get(file)
        if part is None:
            path = Path(file)
            part = next((name for place, name in _PARTS if path == place or place in path.parents), "")
            self._parts[file] = part
        if part:
            if not self._armed and part == "handlers" and frame.f_code.co_name in FIRST:
                self._armed = True
                self.since = time.perf_counter_ns()
                os.write(self._started, b"!")
            self.hit(part)

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        """Counts what a connection does."""
        connection: sqlite3.Connection = _connect(*arguments, **options)
        connection.set_progress_handler(lambda: self.hit("sqlite"), 1)
        connection.set_trace_callback(lambda statement: self.hit("sqlite"))
        return connection


_connect = sqlite3.connect


async def _run(order: Order) -> dict[str, Any]:
    make, options = PROGRAMS[order.program]
    workflow = make()
    with SQLiteCheckpointStorage(order.store, sync=order.sync) as storage:
        if order.resume:
            result = await workflow.resume(storage, record=order.record)
        else:
            result = await workflow.run(Tick(1), checkpoints=storage, record=order.record, **options)
    return {
        "outputs": result.outputs,
        "state": result.state,
        "supersteps": result.supersteps,
        "digest": result.digest,
    }


def _obey(order: Order, out: int, started: int) -> None:
    """In the forked process: run, and report."""
    moments = _Moments(order, started)
    sqlite3.connect = moments.connect  # type: ignore[assignment]
    threading.setprofile(moments.profile)
    sys.setprofile(moments.profile)
    report = Report(killed=False)
    try:
        report.result = asyncio.run(_run(order))
    except BaseException as error:
        report.error = f"{type(error).__name__}: {error}"
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    report.moments = dict(moments.counts)
    report.microseconds = (time.perf_counter_ns() - moments.since) // 1000
    with os.fdopen(out, "wb") as pipe:
        pipe.write(msgspec.json.encode(report))


def _forked(order: Order) -> Report:
    """Fork a process that obeys, and wait for its end."""
    (reading, writing), (waiting, started) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.close(waiting)
        try:
            _obey(order, writing, started)
        finally:
            os._exit(0)
    os.close(writing)
    os.close(started)
    if order.part == "time":
        if not order.resume:
            os.read(waiting, 1)
        select.select([reading], [], [], order.at / 1e6)
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.close(waiting)
    _, status = os.waitpid(pid, 0)
    if said and not os.WIFSIGNALED(status):
        return msgspec.json.decode(said, type=Report)
    return Report(killed=os.WIFSIGNALED(status))


def serve() -> None:
    """Obey orders from standard input, one a line; answer with reports."""
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        print(msgspec.json.encode(_forked(order)).decode(), flush=True)


def alone() -> None:
    """Do the order that is the only argument, with nothing that counts; print the result."""
    print(msgspec.json.encode(asyncio.run(_run(msgspec.json.decode(sys.argv[1], type=Order)))).decode())


class Processes:
    """Gives orders."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def run(self, order: Order) -> Report:
        """Have a process do it, and die as told."""
        return msgspec.json.decode(tell(self._server, json.dumps(msgspec.to_builtins(order))), type=Report)


@contextmanager
def processes() -> Iterator[Processes]:
    """A server of processes, which imports once for all of them."""
    with child("from support.crashing import serve\nserve()") as server:
        yield Processes(server)
