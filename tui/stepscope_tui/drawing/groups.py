"""Far out: several supersteps share a column. Lanes then carry their number of deliveries, columns that of messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stepscope.events import AnyEvent, Delivered, Sent

from . import arcs as wires
from .arcs import Arc
from .canvas import Canvas
from .glyphs import Glyphs
from .lanes import LaneGrid
from .slots import Slot
from .stretch import RunParts
from .tile import Tile
from .window import Part

if TYPE_CHECKING:
    from stepscope_tracing import Run
    from stepscope_tracing.model import SuperstepSpan

_NARROWEST = 7


class GroupParts(RunParts):
    """A run cut into groups of `size` supersteps."""

    def __init__(self, run: Run, size: int) -> None:
        """`size` >= 2."""
        super().__init__(run)
        self.size = size

    def spans(self, part: Part) -> Sequence[SuperstepSpan]:
        """The supersteps of a group."""
        return self._spans[part.span * self.size : (part.span + 1) * self.size]

    def window(self, part: Part) -> tuple[int, int]:
        """First and last `seq` of a group."""
        first = self.bounds(part.span * self.size)[0]
        end = (part.span + 1) * self.size
        return first, self._spans[end].first - 1 if end < len(self._spans) else self._last

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

    `starts` are the supersteps' first `seq`; `arcs` what comes in over its first barrier; `inside` how many messages
    were sent and handled within the group; `handled` and `bad` count each executor's deliveries, and those of them
    that did not complete; `senders` sent in its last superstep, over the group's last barrier.
    """

    first: int
    last: int
    title: str
    starts: list[int]
    arcs: list[Arc]
    inside: int
    handled: dict[str, int]
    bad: dict[str, int] = field(default_factory=dict)
    senders: list[str] = field(default_factory=list)
    outcome: str = "completed"


def load_group(run: Run, parts: GroupParts, part: Part) -> Group:
    """Ask the run for everything a column of several supersteps shows; its counts need the run's index."""
    first, last = parts.window(part)
    spans = parts.spans(part)
    head: list[AnyEvent] = run.events(spans[0].first, spans[0].deliveries + 1)
    arcs = [
        Arc(message, source, event.executor, "delivered", event.seq)
        for event in head
        if isinstance(event, Delivered)
        for message, source in zip(event.messages, event.sources, strict=False)
    ]
    handled: Counter[str] = Counter()
    bad: Counter[str] = Counter()
    inside = 0
    for one in run.invocations(first, last) if run.index_ready else ():
        handled[one.executor] += 1
        bad[one.executor] += one.outcome in ("failed", "cancelled", "abandoned")
        inside += max(1, len(one.messages)) if one.delivered > spans[0].first + spans[0].deliveries else 0
    end = spans[-1]
    sent = run.events(kinds=(Sent.kind,), superstep=end.superstep)
    return Group(
        first=first,
        last=last,
        title=f"{spans[0].superstep}-{end.superstep}" if len(spans) > 1 else str(end.superstep),
        starts=[span.first for span in spans],
        arcs=arcs,
        inside=inside,
        handled=dict(handled),
        bad={executor: n for executor, n in bad.items() if n},
        senders=sorted({event.executor for event in sent if isinstance(event, Sent)}),
        outcome=end.outcome,
    )


def build_group(group: Group, grid: LaneGrid, glyphs: Glyphs) -> Tile:
    """Draw a column of several supersteps."""
    plan = wires.plan(group.arcs, grid, glyphs)
    title = group.title.replace("-", glyphs.range)
    inside = f"{group.inside}{glyphs.inside}" if group.inside else ""
    labels = _labels(group, grid, glyphs)
    body = max(_NARROWEST, len(title) + len(inside) + 2 - plan.width, *(len(text) + 2 for text in labels.values()), 0)
    start = 1 if group.first == 1 else 0
    low, high = start + plan.width, start + plan.width + body
    canvas = Canvas(grid.height, high + 1, glyphs)
    for row, text in labels.items():
        hidden = row in (grid.above_row, grid.below_row)
        canvas.fill(row, low, high, " " if hidden else glyphs.running, "running", group.first)
        canvas.put(row, low + (body - len(text)) // 2, text, "hidden" if hidden else "total", group.last)
    for lane in grid.shown:
        if grid.rows[lane.executor] not in labels:
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


def _labels(group: Group, grid: LaneGrid, glyphs: Glyphs) -> dict[int, str]:
    handled: Counter[int] = Counter()
    bad: Counter[int] = Counter()
    for executor, number in group.handled.items():
        row = grid.row(executor)
        if row is not None:
            handled[row] += number
            bad[row] += group.bad.get(executor, 0)
    mark = glyphs.looks.glyph("failed")
    return {row: f"{number} {bad[row]}{mark}" if bad[row] else str(number) for row, number in handled.items()}


def _slots(group: Group, low: int, high: int) -> tuple[list[Slot], list[int]]:
    number = len(group.starts)
    slots = [
        Slot("event", 0, [], low + i * (high - low) // number, 1, group.first if i == 0 else seq)
        for i, seq in enumerate(group.starts)
    ]
    return slots, [slot.first for slot in slots]
