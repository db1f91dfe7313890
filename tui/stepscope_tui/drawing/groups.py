"""Far out: several supersteps share a column. Lanes then carry their number of deliveries, columns that of messages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stepscope.events import Delivered, Sent

from . import arcs as wires
from .arcs import Arc
from .canvas import Canvas
from .counts import GroupCounts, Handled
from .glyphs import Glyphs
from .lanes import LaneGrid
from .slots import Slot
from .stretch import RunParts
from .tile import Tile
from .window import Part

if TYPE_CHECKING:
    from stepscope_tracing import Run

_NARROWEST = 7
_PLACES = 16
"""Places within a column that the cursor can be at."""


class GroupParts(RunParts):
    """A run cut into groups of `size` supersteps."""

    def __init__(self, run: Run, size: int) -> None:
        """`size` >= 2."""
        super().__init__(run)
        self.size = size

    def indices(self, part: Part) -> range:
        """The supersteps of a group, as indices of `supersteps()`."""
        return range(part.span * self.size, min((part.span + 1) * self.size, len(self._spans)))

    def window(self, part: Part) -> tuple[int, int]:
        """First and last `seq` of a group."""
        indices = self.indices(part)
        return self.bounds(indices[0])[0], self.bounds(indices[-1])[1]

    def at(self, seq: int) -> Part:
        """The group an event is in."""
        return Part(super().at(seq).span // self.size, 0)

    def before(self, part: Part) -> Part | None:
        """The group before; None before the first."""
        return Part(part.span - 1, 0) if part.span else None

    def after(self, part: Part) -> Part | None:
        """The group after; None after the last."""
        return Part(part.span + 1, 0) if (part.span + 1) * self.size < len(self._spans) else None


@dataclass
class Group:
    """What a column of several supersteps shows.

    `starts` are the first `seq` of the group and of some of its supersteps, evenly spread; `arcs` what comes in over
    its first barrier; `counts` what was handled within, None while that is not counted; `senders` sent in its last
    superstep, over the group's last barrier.
    """

    first: int
    last: int
    title: str
    starts: list[int]
    arcs: list[Arc]
    counts: Handled | None
    senders: list[str] = field(default_factory=list)
    outcome: str = "completed"


def count_group(parts: GroupParts, part: Part, counts: GroupCounts, seconds: float) -> Handled | None:
    """Count what was handled in a group for at most about `seconds`; None if there is more to count."""
    indices = parts.indices(part)
    begin = parts.span(indices[0])
    assert begin is not None
    return counts.feed(parts.window(part), indices, parts.bounds, begin.first + begin.deliveries, seconds)


def load_group(run: Run, parts: GroupParts, part: Part, counts: Handled | None) -> Group:
    """Ask the run for everything a column of several supersteps shows, but for its counts."""
    first, last = parts.window(part)
    indices = parts.indices(part)
    begin, end = parts.span(indices[0]), parts.span(indices[-1])
    assert begin is not None
    assert end is not None
    arcs = [
        Arc(message, source, event.executor, "delivered", event.seq)
        for event in run.events(begin.first, begin.deliveries + 1)
        if isinstance(event, Delivered)
        for message, source in zip(event.messages, event.sources, strict=False)
    ]
    sent = run.events(kinds=(Sent.kind,), superstep=end.superstep)
    return Group(
        first=first,
        last=last,
        title=f"{begin.superstep}-{end.superstep}" if len(indices) > 1 else str(end.superstep),
        starts=[parts.bounds(index)[0] for index in indices[:: max(1, len(indices) // _PLACES)]],
        arcs=arcs,
        counts=counts,
        senders=sorted({event.executor for event in sent if isinstance(event, Sent)}),
        outcome=end.outcome,
    )


def build_group(group: Group, grid: LaneGrid, glyphs: Glyphs) -> Tile:
    """Draw a column of several supersteps."""
    plan = wires.plan(group.arcs, grid, glyphs)
    title = group.title.replace("-", glyphs.range)
    counts = group.counts
    inside = f"{counts.inside}{glyphs.inside}" if counts is not None and counts.inside else ""
    labels = _labels(counts, grid, glyphs) if counts is not None else {}
    digits = len(str(group.last - group.first + 1))  # room for any count, so that counting does not move columns
    body = max(_NARROWEST, digits + 2, len(title) + digits + 3 - plan.width, *map(len, labels.values()))
    start = 1 if group.first == 1 else 0
    low, high = start + plan.width, start + plan.width + body
    canvas = Canvas(grid.height, high + 1, glyphs)
    for row, text in labels.items():
        hidden = row in (grid.above_row, grid.below_row)
        canvas.fill(row, low, high, " " if hidden else glyphs.running, "running", group.first)
        canvas.put(row, low + (body - len(text)) // 2, text, "hidden" if hidden else "total", group.last)
    for lane in grid.shown:
        if grid.rows[lane.executor] not in labels:
            if counts is None:
                canvas.put(grid.rows[lane.executor], low + body // 2, glyphs.more, "quiet", group.last)
            for x in range(1, high, 4):
                canvas.put(grid.rows[lane.executor], x, glyphs.guide, "guide", 0)
    wires.draw(canvas, grid, plan, start, start, group.starts[0])
    for executor in group.senders:
        leaves = grid.exit_row(executor)
        if leaves is not None and group.outcome == "completed":
            canvas.run(leaves, high - 2, high, group.last, [("out", executor)])
    for row in range(grid.end):
        if start:
            canvas.put(row, 0, glyphs.rule, "rule", 1)
        failed = group.outcome == "failed"
        rule = glyphs.rule_failed if failed else glyphs.rule_open if group.outcome == "open" else glyphs.rule
        canvas.put(row, high, rule, "rule.failed" if failed else "rule", group.last)
    canvas.put(0, start, title, "header", group.first)
    canvas.put(0, high - len(inside), inside, "count", group.last)
    canvas.finish()
    return Tile(group.first, group.last, canvas, *_slots(group, low, high), plan.arcs, title)


def _labels(counts: Handled, grid: LaneGrid, glyphs: Glyphs) -> dict[int, str]:
    handled: Counter[int] = Counter()
    bad: Counter[int] = Counter()
    for executor, number in counts.handled.items():
        row = grid.row(executor)
        if row is not None:
            handled[row] += number
            bad[row] += counts.bad[executor]
    mark = glyphs.looks.glyph("failed")
    return {row: f"{number} {bad[row]}{mark}" if bad[row] else str(number) for row, number in handled.items()}


def _slots(group: Group, low: int, high: int) -> tuple[list[Slot], list[int]]:
    number = len(group.starts)
    slots = [
        Slot("event", 0, [], low + i * (high - low) // number, 1, group.first if i == 0 else seq)
        for i, seq in enumerate(group.starts)
    ]
    return slots, [slot.first for slot in slots]
