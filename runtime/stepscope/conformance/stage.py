"""The stage of one run: gates that handlers wait at, a thread that opens them on schedule, and the trace.

Order comes from the schedule. The clock only bounds how long the schedule waits for something that does not come. The
schedule has a thread of its own, so that it goes on while a handler blocks the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .observation import Happening, Report
from .vector import Cue, Kind

PATIENCE = 3.0
"""Seconds the schedule waits for somebody to come to a gate."""
IMPATIENCE = 0.3
"""The same, once something has not come: such an engine runs on another plan, and waiting longer teaches nothing."""
SETTLE = 0.1
"""Seconds a released handler gets to reach its next gate or its end; one that waits for a lock reaches neither."""
JITTER = 0.004
"""Seconds a gate is shut at most, with jitter."""


@dataclass(eq=False)
class Invocation:
    """One run of a handler, as the stage sees it. `moves` counts the gates it came to, and its end."""

    executor: str
    moves: int = 0
    over: bool = False


@dataclass(eq=False)
class _Waiter:
    inv: Invocation
    open: Callable[[], None]


@dataclass
class Stage:
    """Shared by the handlers of a run, the adapter and the runner; everything on it may be called from any thread."""

    schedule: list[Cue] = field(default_factory=list)
    jitter: int | None = None
    trace: list[Happening] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    unsupported: str = ""
    stop: Callable[[], None] = lambda: None
    """Cancels the run; called from the schedule's thread."""
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each `raise` step (executor, message) was come to, over resumed runs too."""

    def __post_init__(self) -> None:
        """Nobody waits."""
        self._news = threading.Condition()
        self._waiting: dict[str, deque[_Waiter]] = {}
        self._ended: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._running = 0
        self._open = False
        self._over = False
        self._patience = PATIENCE
        self._random = random.Random(self.jitter)
        self.at_once = 0
        self.left: list[asyncio.Task[Any]] = []
        self.streamed: list[str] = []

    # -- what happens

    def say(self, what: Any, who: str = "", label: str = "", value: Any = None, superstep: int | None = None) -> None:
        """Put something into the trace."""
        with self._news:
            self.trace.append(Happening(what=what, who=who, label=label, value=value, superstep=superstep))
            self._news.notify_all()

    def report(self, kind: Kind, text: str) -> None:
        """The engine reports something, now."""
        with self._news:
            self.reports.append(Report(kind=kind, text=text))
            self._news.notify_all()

    def stream(self, line: str, *, provisional: bool = False) -> None:
        """A watcher of the run is told something, now: ``output v``, ``completed k`` or ``failed k``.

        `provisional`: the engine marks it as not yet final.
        """
        with self._news:
            self.streamed.append(line)
            self.say("streamed", line, value=provisional)

    def over(self) -> None:
        """The run has ended."""
        with self._news:
            self._over = True
            self._news.notify_all()

    def begin(self, executor: str, message: Any, superstep: int | None) -> Invocation:
        """A handler begins."""
        with self._news:
            self._running += 1
            self.at_once = max(self.at_once, self._running)
            self.say("begin", executor, value=message, superstep=superstep)
        return Invocation(executor)

    def finish(self, inv: Invocation, what: str) -> None:
        """A handler is over: "end", "fail" or "cancel"."""
        with self._news:
            self._running -= 1
            self._ended[inv.executor] += 1
            inv.moves += 1
            inv.over = True
            self.say(what, inv.executor)

    # -- gates

    def gate(self, name: str, inv: Invocation, *, blocking: bool) -> Any:
        """Come to a gate: an awaitable, or, `blocking`, return once it is released."""
        if blocking:
            opened = threading.Event()
            self._arrive(name, inv, opened.set)
            opened.wait()
            return None
        return self._wait(name, inv)

    async def store(self) -> None:
        """A slow storage is asked to keep a checkpoint: it waits at the gate ``storage``."""
        await self._wait("storage", Invocation("storage"))

    async def _wait(self, name: str, inv: Invocation) -> None:
        loop = asyncio.get_running_loop()
        opened = asyncio.Event()

        def open_() -> None:
            with contextlib.suppress(RuntimeError):  # the run was given up and its loop is closed
                loop.call_soon_threadsafe(opened.set)

        waiter = self._arrive(name, inv, open_)
        try:
            await opened.wait()
        finally:
            with self._news:
                if waiter in self._waiting.get(name, ()):
                    self._waiting[name].remove(waiter)

    def _arrive(self, name: str, inv: Invocation, open_: Callable[[], None]) -> _Waiter:
        waiter = _Waiter(inv, open_)
        with self._news:
            inv.moves += 1
            self.say("arrive", name)
            if self._open:
                self._let(name, waiter)
            elif self.jitter is not None:
                later = threading.Timer(self._random.random() * JITTER, self._let, (name, waiter))
                later.daemon = True
                later.start()
            else:
                self._waiting.setdefault(name, deque()).append(waiter)
            self._news.notify_all()
        return waiter

    def _let(self, name: str, waiter: _Waiter) -> None:
        self.say("release", name)
        waiter.open()

    # -- the schedule

    def play(self) -> None:
        """Do the cues, then open all gates. The body of the schedule's thread."""
        for cue in self.schedule:
            if self._open:
                break
            self._cue(cue)
        if self.jitter is None:
            self.open_all()

    def open_all(self) -> None:
        """From now on nobody waits."""
        with self._news:
            self._open = True
            for name, queue in self._waiting.items():
                while queue:
                    self._let(name, queue.popleft())
            self._news.notify_all()

    def _cue(self, cue: Cue) -> None:
        if cue.stop:
            self.say("stopped")
            self.stop()
        elif cue.arrived is not None:
            gate = cue.arrived
            self._until(lambda: bool(self._waiting.get(gate)), f"arrived {gate}")
        elif cue.ended is not None:
            executor = cue.ended
            self._asked[executor] += 1
            self._until(lambda: self._ended[executor] >= self._asked[executor], f"ended {executor}")
        elif cue.reported is not None:
            kind = cue.reported
            self._until(lambda: any(report.kind == kind for report in self.reports), f"reported {kind}")
        elif cue.streamed is not None:
            line = cue.streamed
            self._until(lambda: line in self.streamed, f"streamed {line}")
        elif cue.pause is not None:
            time.sleep(cue.pause)
        elif cue.over:
            self._until(lambda: self._over, "over")
        elif cue.release is not None:
            self._release(cue.release)

    def _release(self, gate: str) -> None:
        if not self._until(lambda: bool(self._waiting.get(gate)), f"arrived {gate}"):
            return
        with self._news:
            if not self._waiting.get(gate):
                return
            waiter = self._waiting[gate].popleft()
            moves = waiter.inv.moves
            self._let(gate, waiter)
            self._news.wait_for(lambda: waiter.inv.moves != moves or self._open, SETTLE)
        time.sleep(0)

    def _until(self, true: Callable[[], bool], what: str) -> bool:
        with self._news:
            came = self._news.wait_for(lambda: true() or self._open, self._patience) and true()
            if not came and not self._open:
                self._patience = IMPATIENCE
                self.say("missed", what)
        return came
