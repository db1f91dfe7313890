"""A run cut into parts for tiles, and what each tile is drawn from: the only drawing file that asks a run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stepscope.events import AnyEvent, Delivered, Routed

from .bars import Beginning
from .buffers import Buffers
from .lanes import LaneName
from .tile import Stretch
from .window import Part

if TYPE_CHECKING:
    from stepscope_tracing import Run
    from stepscope_tracing.model import SuperstepSpan

PIECE = 1024
"""Events in a part, at most: longer supersteps are cut."""
_PATIENCE_S = 0.005
"""How long drawing a tile may count buffers; what is missing then is counted while nobody presses a key."""


def lane_names(run: Run) -> list[LaneName]:
    """All lanes of a run, in order."""
    return [LaneName(lane.executor, lane.depth) for lane in run.lanes()]


class RunParts:
    """Each superstep is a part, or several; the run's start belongs to the first, its end to the last."""

    def __init__(self, run: Run) -> None:
        """Of a run as far as it is recorded now."""
        self._run = run
        self._spans: Sequence[SuperstepSpan] = run.supersteps()
        self._last = run.last

    def span(self, index: int) -> SuperstepSpan | None:
        """The superstep; None in a run without any."""
        return self._spans[index] if index < len(self._spans) else None

    def bounds(self, index: int) -> tuple[int, int]:
        """First and last `seq` of all pieces of a superstep."""
        first = 1 if index == 0 else self._spans[index].first
        last = self._spans[index + 1].first - 1 if index + 1 < len(self._spans) else self._last
        return first, last

    def window(self, part: Part) -> tuple[int, int]:
        """First and last `seq` of a part."""
        first, last = self.bounds(part.span)
        start = first + part.piece * PIECE
        return start, min(last, start + PIECE - 1)

    def last_of(self, part: Part) -> int:
        """Last `seq` of a part, which grows while the run does."""
        return self.window(part)[1]

    def at(self, seq: int) -> Part:
        """The part an event is in."""
        index = max(0, bisect_right(self._spans, seq, key=lambda span: span.first) - 1)
        return Part(index, (seq - self.bounds(index)[0]) // PIECE)

    def before(self, part: Part) -> Part | None:
        """The part before; None before the first."""
        if part.piece:
            return Part(part.span, part.piece - 1)
        if not part.span:
            return None
        first, last = self.bounds(part.span - 1)
        return Part(part.span - 1, (last - first) // PIECE)

    def after(self, part: Part) -> Part | None:
        """The part after; None after the last."""
        first, last = self.bounds(part.span)
        if part.piece < (last - first) // PIECE:
            return Part(part.span, part.piece + 1)
        return Part(part.span + 1, 0) if part.span + 1 < len(self._spans) else None


def load(run: Run, parts: RunParts, part: Part, buffers: Buffers) -> Stretch:
    """Ask the run for everything a tile of `part` shows.

    Before the run's index is ready, what only it knows is left out: buffers of fan-ins, and what was going on where
    a piece of a long superstep begins.
    """
    first, last = parts.window(part)
    events = run.events(first, last - first + 1)
    span = parts.span(part.span)
    stretch = Stretch(events, title=str(span.superstep) if span else "")
    if part.piece:
        stretch.title = f"{stretch.title}{'+' * min(part.piece, 3)}"
        if run.index_ready:
            _resume(run, stretch, span.first if span else 1, first)
    stretch.hosts = _hosts(run, events)
    if run.index_ready:
        _buffers(run, parts, part, stretch, buffers)
    return stretch


def _hosts(run: Run, events: Sequence[AnyEvent]) -> dict[int, str]:
    """The executor that hosts each sub-workflow: its start is in the stretch, except in pieces of a long superstep."""
    hosts = {event.inv: event.executor for event in events if isinstance(event, Delivered)}
    for scope in sorted({event.scope for event in events if event.scope} - set(hosts)):
        if run.index_ready:
            hosts[scope] = run.invocation(scope).executor
    return hosts


def _resume(run: Run, stretch: Stretch, start: int, first: int) -> None:
    """How things stand where a piece of a long superstep begins."""
    begin: Beginning = stretch.begin
    earlier = run.invocations(start, first - 1)
    for one in earlier:
        begin.executors[one.inv] = one.executor
        started, ended = 0 < one.started < first, 0 < one.ended < first
        if started and not ended:
            begin.running[one.inv] = one.executor
        elif not started and 0 < one.delivered < first:
            begin.inbox[one.executor] = begin.inbox.get(one.executor, 0) + 1
    busy = {*begin.running.values(), *begin.inbox}
    begin.arrived = {one.executor for one in earlier} - busy
    for scope in sorted({0, *(one.scope for one in earlier)}):
        for key, lock in run.locks_at(first - 1, scope).items():
            if lock.holder:
                begin.holders[scope, key] = lock.holder
            begin.queues[scope, key] = {waiter.inv for waiter in lock.queue}
    for executor in sorted({one.executor for one in earlier}):
        sent = run.previous(first, kinds=("sent",), executor=executor)
        if sent is not None and sent >= start:
            stretch.senders.add((run.event(sent).scope, executor))


def _buffers(run: Run, parts: RunParts, part: Part, stretch: Stretch, buffers: Buffers) -> None:
    """What fan-ins kept from earlier barriers, and what comes out of their buffers here."""
    span = parts.span(part.span)
    if span is None or part.piece:
        return
    head = span.first + span.deliveries
    if not buffers.feed(head, _PATIENCE_S):
        return
    stretch.keeps = buffers.at(head)
    before = parts.span(part.span - 1) if part.span else None
    if before is None:
        return
    routed = run.events(kinds=(Routed.kind,), superstep=before.superstep)
    stretch.buffered = [event for event in routed if isinstance(event, Routed)]
    for event in stretch.events:
        if isinstance(event, Delivered) and event.group and event.scope == 0:
            stretch.unbuffered.update(m for m in event.messages if 0 < run.message(m).sent < before.first)
