"""Handlers that block the event loop are reported while they do (PAR-3).

A thread of the process looks at the event loops in which workflows run, a few times in a threshold. What it finds it
says at once, to the logger ``stepscope`` with the stack; the finding follows as soon as the loop goes on, as events can
only be made there. Handlers pay nothing: nothing is noted when they run.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

from .describe import program_frames
from .ownership import Owner, owner_of
from .pulse import Pulse

if TYPE_CHECKING:
    from .base import Driver

Task: TypeAlias = asyncio.Task[Any]

LOGGER = logging.getLogger("stepscope")
_LOOKS = 5
"""Looks in a threshold: a block is noticed at most a fifth of it late."""
_LINGER = 5.0
"""Seconds after which a thread that has nothing to look at ends."""
_DEBUGGERS = frozenset({"bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy", "ipdb", "pudb"})
"""Modules in whose frames a program is stopped on purpose."""


class _Blocked:
    """A step that was found to block: who is told when it is over. A place is told once a run."""

    def __init__(self, task: Task, driver: Driver, owner: Owner, stack: list[traceback.FrameSummary]) -> None:
        self.task = task
        self.lasted = 0.0
        self.owner = owner
        self.stack = stack
        place = (owner.inv.executor, owner.part, stack[0].filename, stack[0].lineno or 0)
        self.known = place in driver.blocking_places
        driver.blocking_places.add(place)


class _Watched:
    """An event loop with workflows in it."""

    def __init__(self, dog: Watchdog, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.drivers: dict[Driver, float] = {}
        """With their thresholds."""
        self.found: list[_Blocked] = []
        """Since the last answer: several steps may block, one after another, before the loop gets to the ping."""
        self._dog = dog
        self._clock = _clock_of_this_thread()
        self.pulse: Pulse[Task] = Pulse(0.0, dog.now(), self._worked())

    def _worked(self) -> float:
        try:
            return 0.0 if self._clock is None else time.clock_gettime(self._clock)
        except OSError:  # the thread is gone
            return 0.0

    def look(self, interval: float) -> None:
        """Look once; `interval` is the time to the next look."""
        task = asyncio.current_task(self.loop)
        found: _Blocked | None = None
        with self._dog.lock:  # the ping is not answered before it is known what it ends
            self.pulse.interval = interval
            ping = self.pulse.look(task, self._dog.now(), self._worked())
            lasted = self.pulse.lasted
            known = self.found[-1] if self.found and self.found[-1].task is task else None
            if known is not None:
                known.lasted = lasted
            elif task is not None:
                found = self._blame(task, lasted)
            if ping:
                try:
                    self.loop.call_soon_threadsafe(self._answer)
                except RuntimeError:  # the loop is closed
                    self.drivers.clear()
        if found is not None and not found.known:
            text = "".join(traceback.format_list(found.stack))
            LOGGER.warning("%s has blocked the event loop for %.2f s and still does:\n%s", found.owner, lasted, text)

    def _blame(self, task: Task, lasted: float) -> _Blocked | None:
        for driver, threshold in list(self.drivers.items()):
            owner = owner_of(driver, task) if lasted >= threshold else None
            frame = None if owner is None else self._dog.frames().get(self.thread)
            if owner is None or frame is None or _in_debugger(frame):
                continue
            stack = program_frames(frame, None if owner.part else owner.inv.handler.code)
            if stack:
                self.found.append(_Blocked(task, driver, owner, stack))
                self.found[-1].lasted = lasted
                return self.found[-1]
        return None

    def _answer(self) -> None:
        """In the loop: it goes on."""
        with self._dog.lock:
            last = self.pulse.task
            lasted = self.pulse.answer(self._dog.now())
            told, self.found = self.found, []
        for found in told:
            if found.known:
                continue
            if found.task is last:
                found.lasted = lasted
            chain = " > ".join(f"{frame.name} ({Path(frame.filename).name}:{frame.lineno})" for frame in found.stack)
            inv = found.owner.inv
            inv.kernel.report.blocked(inv, str(found.owner), found.lasted, chain)


class Watchdog:
    """Looks after every event loop of the process in which workflows run."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        frames: Callable[[], dict[int, FrameType]] = sys._current_frames,
        *,
        threaded: bool = True,
    ) -> None:
        """Without a thread, somebody else has to call `look`."""
        self.now = now
        self.frames = frames
        self.lock = threading.Lock()
        self._threaded = threaded
        self._loops: dict[asyncio.AbstractEventLoop, _Watched] = {}
        self._thread: threading.Thread | None = None
        self._interval = _LINGER
        self._sooner = threading.Event()

    @contextmanager
    def watching(self, driver: Driver, threshold: float) -> Iterator[None]:
        """While the block lasts: handlers of this run that block the loop for `threshold` seconds are reported."""
        watched = self._loops.get(driver.loop)
        if watched is None:
            watched = self._loops[driver.loop] = _Watched(self, driver.loop)
        watched.drivers[driver] = threshold
        if self._threaded:
            self._look_every(threshold / _LOOKS)
        try:
            yield
        finally:
            watched.drivers.pop(driver, None)
            if not watched.drivers and self._loops.get(driver.loop) is watched:
                del self._loops[driver.loop]

    def look(self) -> None:
        """Look at every loop, once."""
        for watched in list(self._loops.values()):
            thresholds = list(watched.drivers.values())
            if thresholds:
                watched.look(min(thresholds) / _LOOKS)

    def _look_every(self, seconds: float) -> None:
        with self.lock:
            if self._thread is None or not self._thread.is_alive():
                self._interval = seconds
                self._thread = threading.Thread(target=self._run, name="blocked loops (stepscope)", daemon=True)
                self._thread.start()
            elif seconds < self._interval:
                self._interval = seconds
                self._sooner.set()

    def _run(self) -> None:
        idle = 0.0
        while True:
            self._sooner.wait(self._interval)
            self._sooner.clear()
            try:
                self.look()
            except Exception:  # whatever a program's frames and tasks look like: the next look comes
                LOGGER.exception("looking for handlers that block the event loop went wrong")
            with self.lock:
                thresholds = [t for watched in list(self._loops.values()) for t in list(watched.drivers.values())]
                if thresholds:
                    idle, self._interval = 0.0, min(thresholds) / _LOOKS
                    continue
                idle += self._interval
                if idle >= _LINGER:
                    self._thread = None
                    return

    def forget(self) -> None:
        """In a forked child: the thread is not there, and the loops are the parent's."""
        self.lock = threading.Lock()
        self._sooner = threading.Event()
        self._loops.clear()
        self._thread = None


def _clock_of_this_thread() -> int | None:
    if hasattr(time, "pthread_getcpuclockid"):
        return time.pthread_getcpuclockid(threading.get_ident())
    return None


def _in_debugger(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False


WATCHDOG = Watchdog()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WATCHDOG.forget)
