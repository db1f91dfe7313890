"""A hang becomes a failure that shows where everything stands: each task of the event loop, each thread."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Hang(BaseException):
    """Raised inside whatever does not come back; not an `Exception`, so that nothing under test handles it."""


def _stacks(frame: FrameType | None) -> str:
    out = io.StringIO()
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no event loop runs
        tasks = set()
    for task in sorted(tasks, key=lambda task: task.get_name()):
        task.print_stack(file=out)
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, top in sys._current_frames().items():
        where = frame if ident == threading.get_ident() else top
        print(f"Thread {names.get(ident, ident)}:", *traceback.format_stack(where), sep="\n", file=out)
    return out.getvalue()


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """Give the block so long; after that it is interrupted and fails with the stacks. In the main thread only."""
    told: list[str] = []

    def bite(_: int, frame: FrameType | None) -> None:
        told.append(_stacks(frame))
        signal.setitimer(signal.ITIMER_REAL, 1.0)  # whatever took the first one
        raise Hang

    before: Any = signal.signal(signal.SIGALRM, bite)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except BaseException as error:
        if not told:
            raise
        raise AssertionError(f"nothing came back for {seconds:g} s:\n{told[0]}") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not told, f"nothing came back for {seconds:g} s:\n{told[0]}"
