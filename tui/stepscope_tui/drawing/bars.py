"""Handlers as bars: what each executor was doing at every slot, from the events of a stretch and how it began."""

from __future__ import annotations

from dataclasses import dataclass, field

from stepscope.events import (
    AnyEvent,
    BarrierArrived,
    Delivered,
    Dropped,
    Found,
    HandlerEnded,
    HandlerStarted,
    LockAcquired,
    LockReleased,
    LockWaiting,
    Routed,
    StateRead,
    StateWritten,
)

from .canvas import Canvas
from .glyphs import Glyphs
from .slots import executor_of


@dataclass
class Beginning:
    """How things stood just before a stretch.

    `running`: open invocations and their executors; `inbox`: how many deliveries an executor has still to handle;
    `arrived`: executors done with this superstep; `holders`: key to invocation, per scope; `queues`: who waits for it;
    `executors`: of every invocation in `holders` and `queues`.
    """

    running: dict[int, str] = field(default_factory=dict)
    inbox: dict[str, int] = field(default_factory=dict)
    arrived: set[str] = field(default_factory=set)
    holders: dict[tuple[int, str], int] = field(default_factory=dict)
    queues: dict[tuple[int, str], set[int]] = field(default_factory=dict)
    executors: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Line:
    """One executor's bar while it is drawn: what it does since cell `x`, because of event `seq`."""

    mode: str = ""
    x: int = 0
    seq: int = 0


class Bars:
    """Draws the bars of a stretch while its events go by in order."""

    def __init__(self, canvas: Canvas, rows: dict[str, int], glyphs: Glyphs, begin: Beginning) -> None:
        """`rows`: the executors whose bars are drawn, and where."""
        self._canvas = canvas
        self._rows = rows
        self._holders = dict(begin.holders)
        self._queues = {key: set(queue) for key, queue in begin.queues.items()}
        self._executor_of = {**begin.executors, **begin.running}
        self._running: dict[str, int] = {executor: inv for inv, executor in begin.running.items()}
        self._lines: dict[str, _Line] = {}
        self._shapes = {
            "running": glyphs.running, "held": glyphs.held, "wanted": glyphs.wanted, "waiting": glyphs.waiting,
            "inbox": glyphs.inbox, "idle": glyphs.idle,
        }  # fmt: skip
        self._inbox = dict(begin.inbox)
        for executor in begin.inbox:
            self._lines[executor] = _Line("inbox")
        for executor in begin.arrived:
            self._lines[executor] = _Line("idle")
        for executor in begin.running.values():
            self._lines[executor] = _Line(self._doing(executor))

    def event(self, event: AnyEvent, x: int, seq: int) -> None:
        """Let one event happen at cell `x`."""
        executor = executor_of(event)
        touched = {executor}
        if not executor or isinstance(event, (Routed, Dropped, Found)):
            return
        if isinstance(event, Delivered):
            self._inbox[executor] = self._inbox.get(executor, 0) + 1
            self._become(executor, "inbox", x + 1, seq)
            return
        if isinstance(event, BarrierArrived):
            self._become(executor, "idle", x, seq)
            return
        if isinstance(event, HandlerStarted):
            self._running[executor] = event.inv
            self._inbox[executor] = self._inbox.get(executor, 0) - 1
            self._executor_of[event.inv] = executor
        elif isinstance(event, HandlerEnded):
            self._running.pop(executor, None)
            touched |= self._give_up(event.inv)
        elif isinstance(event, LockWaiting):
            self._queues.setdefault((event.scope, event.key), set()).add(event.inv)
            self._executor_of.setdefault(event.holder, event.holder_executor)
            self._holders.setdefault((event.scope, event.key), event.holder)
            touched.add(event.holder_executor)
        elif isinstance(event, LockAcquired):
            self._queues.get((event.scope, event.key), set()).discard(event.inv)
            self._holders[event.scope, event.key] = event.inv
        elif isinstance(event, LockReleased):
            self._holders.pop((event.scope, event.key), None)
            if event.reason != "exit":  # it unwinds, so it does not wait any more
                touched |= self._give_up(event.inv)
        elif isinstance(event, (StateRead, StateWritten)):
            waiting = self._queues.get((event.scope, event.key), set())
            if event.inv in waiting:
                waiting.discard(event.inv)
                touched.add(self._executor_of.get(self._holders.get((event.scope, event.key), 0), ""))
        for one in touched:
            if one in self._lines or one in self._running:
                self._become(one, self._doing(one), x, seq)

    def finish(self, x: int) -> None:
        """Draw what is still going on up to, not including, cell `x`."""
        for executor in self._lines:
            self._flush(executor, x)

    def rest(self, prefix: str, x: int, seq: int) -> None:
        """At a barrier before cell `x`, the executors whose id begins with `prefix` have nothing more to do."""
        for executor, line in self._lines.items():
            if executor.startswith(prefix) and executor not in self._running and line.mode:
                self._become(executor, "", x, seq)

    def _give_up(self, inv: int) -> set[str]:
        """An invocation waits for nothing any more; the executors that held what it wanted."""
        waiting = [key for key, queue in self._queues.items() if inv in queue]
        for key in waiting:
            self._queues[key].discard(inv)
        return {self._executor_of.get(self._holders.get(key, 0), "") for key in waiting}

    def _doing(self, executor: str) -> str:
        inv = self._running.get(executor, 0)
        if not inv:
            return "inbox" if self._inbox.get(executor, 0) > 0 else "idle"
        if any(inv in queue for queue in self._queues.values()):
            return "waiting"
        held = [key for key, holder in self._holders.items() if holder == inv]
        if any(self._queues.get(key) for key in held):
            return "wanted"
        return "held" if held else "running"

    def _become(self, executor: str, mode: str, x: int, seq: int) -> None:
        line = self._lines.setdefault(executor, _Line())
        if mode != line.mode or mode == "running":
            self._flush(executor, x)
            line.mode, line.x, line.seq = mode, x, seq

    def _flush(self, executor: str, x: int) -> None:
        line = self._lines[executor]
        row = self._rows.get(executor)
        if line.mode and row is not None:
            self._canvas.fill(row, line.x, x, self._shapes[line.mode], line.mode, line.seq)
        line.x = x
