"""One stretch of the diagram, drawn once: a superstep, or a part of a very long one. It knows nothing of the cursor."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.segment import Segment

from stepscope.events import (
    AnyEvent,
    Delivered,
    Dropped,
    Found,
    Routed,
    RunEnded,
    RunStarted,
    Sent,
    SuperstepCompleted,
    SuperstepFailed,
    SuperstepStarted,
)

from . import arcs as wires
from .arcs import Arc, Plan
from .bars import Bars, Beginning
from .canvas import Canvas
from .glyphs import RIGHT, UP, Glyphs
from .lanes import LaneGrid
from .marks import Marks
from .slots import Slot, executor_of, slots_of

_MIN_BODY = 6
"""Cells between entry and rule where several events share one: room for any count."""


@dataclass(frozen=True)
class Zoom:
    """`step` cells an event, or `per` events a cell; one of them is 1."""

    step: int = 1
    per: int = 1


@dataclass
class Stretch:
    """What a tile is drawn from.

    `title` stands over it. `begin`: how things stood before. `senders`: executors, with their scope, that sent in
    this superstep before the stretch. `unbuffered`: message ids handled here that a fan-in had kept for more than
    one barrier. `keeps`: messages in the buffers of each executor, once what is delivered is taken out. `buffered`: what the barrier
    before it put in buffers. `hosts`: the executor that hosts each sub-workflow's scope.
    """

    events: list[AnyEvent]
    title: str = ""
    begin: Beginning = field(default_factory=Beginning)
    senders: set[tuple[int, str]] = field(default_factory=set)
    unbuffered: set[int] = field(default_factory=set)
    keeps: dict[str, int] = field(default_factory=dict)
    buffered: list[Routed] = field(default_factory=list)
    hosts: dict[int, str] = field(default_factory=dict)


@dataclass
class Tile:
    """A drawn stretch. `canvas` has its cells; `slots` say where each `seq` is."""

    first: int
    last: int
    canvas: Canvas
    slots: list[Slot]
    starts: list[int]
    arcs: list[Arc]
    title: str = ""
    painted: dict[tuple[int, str, frozenset[int]], list[Segment]] = field(default_factory=dict)
    """Finished rows by row, shade and lit cells, kept with the tile and dropped with it."""

    @property
    def width(self) -> int:
        """Cells."""
        return self.canvas.width

    def slot(self, seq: int) -> Slot:
        """The slot an event is in."""
        return self.slots[max(0, bisect_right(self.starts, seq) - 1)]

    def x_of(self, seq: int, executor: str = "") -> int:
        """The cell of an event; a delivery's is its arrow."""
        slot = self.slot(seq)
        return slot.end - 1 if slot.kind == "entry" else slot.x

    def seq_at(self, x: int, executor: str = "") -> int:
        """The event nearest to the cell `x` at or before it, one of `executor` if the slot has one."""
        at = max(0, bisect_right([slot.x for slot in self.slots], x) - 1)
        slot = self.slots[at]
        return next((e.seq for e in slot.events if executor and executor_of(e) == executor), slot.first)


def build(stretch: Stretch, grid: LaneGrid, zoom: Zoom, glyphs: Glyphs) -> Tile:
    """Draw a stretch; it has at least one event."""
    return _Builder(stretch, grid, zoom, glyphs).build()


class _Builder:
    def __init__(self, stretch: Stretch, grid: LaneGrid, zoom: Zoom, glyphs: Glyphs) -> None:
        self.stretch = stretch
        self.grid = grid
        self.zoom = zoom
        self.glyphs = glyphs
        self.slots = slots_of(stretch.events, zoom.per)
        self.plans: dict[int, Plan] = {}
        self.arcs: list[Arc] = []
        self.shown = {lane.executor: grid.rows[lane.executor] for lane in grid.shown}

    @property
    def _entered(self) -> int:
        """The cell after the entry of the run's own superstep."""
        return next((slot.end for slot in self.slots if slot.kind == "entry" and slot.scope == 0), 0)

    def build(self) -> Tile:
        width = self._place()
        self.canvas = Canvas(self.grid.height, width, self.glyphs)
        self._guides()
        self._bars()
        marks = Marks(self.canvas, self.grid, self.glyphs, self.slots)
        marks.draw()
        self._wires()
        self._left_over()
        self._rules()
        self._titles()
        marks.count()
        self.canvas.finish()
        events = self.stretch.events
        starts = [slot.first for slot in self.slots]
        title = self.stretch.title
        return Tile(events[0].seq, events[-1].seq, self.canvas, self.slots, starts, self.arcs, title)

    # where things are

    def _place(self) -> int:
        x = 0
        buffered = list(self.stretch.buffered)
        body: int | None = None
        for i, slot in enumerate(self.slots):
            if slot.kind == "entry":
                plan = wires.plan(self._arcs_of(slot, buffered), self.grid, self.glyphs)
                self.plans[i] = plan
                self.arcs.extend(plan.arcs)
                slot.width = plan.width
                body = None if isinstance(slot.events[0], RunEnded) else x + slot.width
            elif slot.kind == "event":
                slot.width = self.zoom.step
            else:
                kept = [self._kept(executor) for executor in self.stretch.keeps] if slot.scope == 0 else []
                pad = 1 + max(map(len, (*self._drops(slot).values(), *kept)), default=0)
                if body is not None and self.zoom.per > 1:
                    x = max(x, body + _MIN_BODY)
                    body = None
                x += pad if i and self.slots[i - 1].kind != "rule" else 0
                buffered = [e for e in slot.events if isinstance(e, Routed)]
            slot.x = x
            x += slot.width
        if body is not None and self.zoom.per > 1:
            x = max(x, body + _MIN_BODY)
        return max(x, len(self.stretch.title) + 2)

    def _arcs_of(self, slot: Slot, routed: Sequence[Routed]) -> list[Arc]:
        seq = slot.first
        found: list[Arc] = []
        handled: set[tuple[int, str]] = set()
        for event in slot.events:
            if isinstance(event, Delivered):
                for message, source in zip(event.messages, event.sources, strict=False):
                    kept = message in self.stretch.unbuffered
                    handled.add((message, event.executor))
                    found.append(Arc(message, source, event.executor, "unbuffered" if kept else "delivered", event.seq))
        for event in routed:
            kept_now = event.decision == "buffered" and event.scope == slot.scope
            if kept_now and (event.message, event.target) not in handled:
                found.append(Arc(event.message, event.source, event.target, "buffered", seq))
        return found

    def _drops(self, slot: Slot) -> dict[str, str]:
        counts = Counter(event.source for event in slot.events if isinstance(event, Dropped))
        glyph = self.glyphs.looks.glyph("dropped")
        return {source: glyph if n == 1 else f"{n}{glyph}" for source, n in counts.items()}

    # drawing

    def _guides(self) -> None:
        for row in self.shown.values():
            for x in range(1, self.canvas.width, 4):
                self.canvas.put(row, x, self.glyphs.guide, "guide", 0)
        self._buffers()

    def _buffers(self) -> None:
        """A line along the lane of a fan-in while it keeps messages; those from before come in with their number."""
        new = Counter(arc.target for arc in self.arcs if arc.kind == "buffered")
        for executor, number in self.stretch.keeps.items():
            if executor not in self.shown:
                continue
            row, old = self.shown[executor], number - new[executor]
            self.canvas.fill(row, 0 if old else self._entered, self.canvas.width, self.glyphs.idle, "buffer", 0)
            if old and executor not in self._receivers():
                self.canvas.put(row, 0, self._kept(executor), "buffer", 0)

    def _receivers(self) -> set[str]:
        return {arc.target for arc in self.arcs if arc.kind != "buffered"}

    def _kept(self, executor: str) -> str:
        number = self.stretch.keeps.get(executor, 0)
        return f"{number if number > 1 else ''}{self.glyphs.buffer}"

    def _left_over(self) -> None:
        """What a fan-in keeps while it handles a group stands at the end: its lane begins with the group's arrow."""
        rule = next((slot.x for slot in reversed(self.slots) if slot.kind == "rule" and slot.scope == 0), None)
        for executor in self._receivers() & self.stretch.keeps.keys() & self.shown.keys():
            if rule is not None:
                text = self._kept(executor)
                self.canvas.put(self.shown[executor], rule - len(text), text, "buffer", 0)

    def _bars(self) -> None:
        bars = Bars(self.canvas, self.shown, self.glyphs, self.stretch.begin)
        for slot in self.slots:
            if slot.kind == "rule":
                bars.rest(self._prefix(slot.scope), slot.x, slot.first)
            for event in slot.events:
                bars.event(event, slot.end - 1 if isinstance(event, Delivered) else slot.x, event.seq)
        bars.finish(self.canvas.width)

    def _prefix(self, scope: int) -> str:
        return self.stretch.hosts.get(scope, "?") + "/" if scope else ""

    def _wires(self) -> None:
        began: dict[tuple[int, str], int] = dict.fromkeys(self.stretch.senders, -1)
        rule_end: dict[int, int] = {}
        for i, slot in enumerate(self.slots):
            if slot.kind == "event":
                for event in slot.events:
                    if isinstance(event, Sent):
                        self._leave(event, slot.x)
                        began.setdefault((event.scope, event.executor), slot.x)
            elif slot.kind == "rule":
                self._exits(slot, began)
                rule_end[slot.scope] = slot.end
            elif i in self.plans:
                wires.draw(self.canvas, self.grid, self.plans[i], slot.x, rule_end.get(slot.scope, slot.x), slot.first)
        for (_, executor), x in began.items():  # the rule is further right, in another tile
            row = self.grid.exit_row(executor)
            if row is not None and x < self.canvas.width - 1:
                self.canvas.run(row, max(x, 0), self.canvas.width - 1, self.stretch.events[-1].seq, [("out", executor)])

    def _leave(self, event: Sent, x: int) -> None:
        row = self.grid.exit_row(event.executor)
        if row is not None and self.grid.joined and event.executor in self.shown:
            self.canvas.wire(row, x, UP | RIGHT, event.seq, [("out", event.executor)])

    def _exits(self, slot: Slot, began: dict[tuple[int, str], int]) -> None:
        routed = [event for event in slot.events if isinstance(event, Routed)]
        drops = self._drops(slot)
        failed = any(isinstance(event, SuperstepFailed) for event in slot.events)
        over = {event.source for event in routed if event.decision in ("delivered", "buffered")}
        if not routed and not drops and not failed:  # an engine that does not tell how it routes
            over = {executor for scope, executor in began if scope == slot.scope}
        for scope, executor in [key for key in began if key[0] == slot.scope]:
            x = began.pop((scope, executor))
            row = self.grid.exit_row(executor)
            if row is None:
                continue
            label = self.glyphs.looks.glyph("dropped") if failed else drops.get(executor, "")
            end = slot.x if executor in over else slot.x - 1 - len(label)
            if end > x:
                self.canvas.run(row, max(x, 0), end, slot.first, [("out", executor)])
            if x < 0:
                self.canvas.wire(row, 0, RIGHT, slot.first, [("out", executor)])
            if label:
                self.canvas.put(row, slot.x - len(label), label, "lost" if failed else "dropped", slot.first)

    def _rules(self) -> None:
        for slot in self.slots:
            if slot.kind != "rule":
                continue
            failed = any(
                isinstance(e, SuperstepFailed) or (isinstance(e, RunEnded) and e.status == "failed")
                for e in slot.events
            )
            done = (
                failed
                or slot.events[0].superstep == 0
                or any(isinstance(e, (SuperstepCompleted, RunEnded)) for e in slot.events)
            )
            if slot.scope:
                span = self.grid.span(self._prefix(slot.scope))
                rows = range(span[0], span[1] + 1) if span else range(0)
                char, role = self.glyphs.inner_rule, "inner"
            else:
                rows = range(self.grid.end)
                char, role = self.glyphs.rule, "rule"
            if failed:
                char, role = self.glyphs.rule_failed, "rule.failed"
            elif not done:
                char, role = self.glyphs.rule_open, "rule.open"
            for row in rows:
                self.canvas.put(row, slot.x, char, role, slot.events[-1].seq)

    def _titles(self) -> None:
        events = self.stretch.events
        failed = any(isinstance(e, SuperstepFailed) and e.scope == 0 for e in events)
        title = self.stretch.title
        if title:
            started = next((e.seq for e in events if isinstance(e, SuperstepStarted)), events[0].seq)
            x = next((slot.x for slot in self.slots if slot.kind == "entry" and slot.scope == 0), 0)
            self.canvas.put(0, x, title, "header.failed" if failed else "header", started)
        for slot in self.slots:
            if slot.scope == 0 and isinstance(slot.events[0], (RunStarted, RunEnded)):
                self.canvas.put(0, slot.x, self.glyphs.looks.glyph("run"), "run", slot.first)
            found = [e for e in slot.events if isinstance(e, Found) and executor_of(e) not in self.shown]
            if found:
                glyph = self.glyphs.looks.glyph("finding")
                text = glyph if len(found) == 1 else f"{len(found)}{glyph}"
                self.canvas.put(0, slot.x + 1 - len(text), text, "finding", found[-1].seq)
