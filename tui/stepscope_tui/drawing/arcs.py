"""Messages as wires over a barrier: which there are, on which tracks they run, and how they are drawn.

Wires of senders with the same receivers share a track. A wire's end carries the number of messages that come in
there, if it is not one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .canvas import Canvas, Owner
from .glyphs import LEFT, RIGHT, Glyphs
from .lanes import LaneGrid

MAX_TRACKS = 8
"""Tracks between a rule and the arrows; further nets share the last one."""


class Arc(NamedTuple):
    """A message on its way to one executor. `source` is "" for the input of a run.

    `kind` tells whether it is handled now, put in a fan-in's buffer, or comes out of one (ORD-4).
    """

    message: int
    source: str
    target: str
    kind: Literal["delivered", "buffered", "unbuffered"]
    seq: int


@dataclass(slots=True)
class Net:
    """Wires that share a track: all sources lead to all targets."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    rows: tuple[int, ...]
    track: int = -1


@dataclass(slots=True)
class Plan:
    """Where the wires of one entry run; `ends` maps a row to the text at the end of its wire."""

    nets: list[Net]
    ends: dict[int, str]
    tracks: int
    width: int
    arcs: list[Arc] = field(default_factory=list)


def plan(arcs: Sequence[Arc], grid: LaneGrid, glyphs: Glyphs) -> Plan:
    """Give wires their tracks: by the left-edge rule of channel routing, topmost net first."""
    known = [arc for arc in arcs if grid.row(arc.target) is not None]
    targets_of: dict[str, dict[str, None]] = {}
    for arc in known:
        if arc.kind != "unbuffered":
            targets_of.setdefault(arc.source, {})[arc.target] = None
    sources_of: dict[tuple[str, ...], list[str]] = {}
    for source, targets in targets_of.items():
        sources_of.setdefault(tuple(targets), []).append(source)
    nets = [_net(sources, targets, grid) for targets, sources in sources_of.items()]
    free_below: list[int] = []
    for net in sorted(nets, key=lambda net: (min(net.rows), max(net.rows))):
        if len(net.rows) == 1:
            continue
        top, bottom = min(net.rows), max(net.rows)
        track = next((t for t, used in enumerate(free_below) if used < top), len(free_below))
        if track == len(free_below) and track < MAX_TRACKS:
            free_below.append(bottom)
        net.track = min(track, MAX_TRACKS - 1)
        free_below[net.track] = max(free_below[net.track], bottom)
    ends = _ends(known, grid, glyphs)
    width = len(free_below) + max(map(len, ends.values()), default=0)
    return Plan(nets, ends, len(free_below), max(1, width), known)


def _net(sources: Iterable[str], targets: tuple[str, ...], grid: LaneGrid) -> Net:
    exits = [grid.exit_row(source) for source in sources]
    entries = [grid.row(target) for target in targets]
    rows = sorted({row for row in (*exits, *entries) if row is not None})
    return Net(tuple(sources), targets, tuple(rows))


def _ends(arcs: Sequence[Arc], grid: LaneGrid, glyphs: Glyphs) -> dict[int, str]:
    buffered: Counter[int] = Counter()
    delivered: Counter[int] = Counter()
    for arc in arcs:
        row = grid.row(arc.target)
        if row is not None:
            (buffered if arc.kind == "buffered" else delivered)[row] += 1
    return {
        row: _counted(buffered[row], glyphs.buffer) + _counted(delivered[row], glyphs.arrow)
        for row in sorted({*buffered, *delivered})
    }


def _counted(number: int, glyph: str) -> str:
    return "" if number == 0 else glyph if number == 1 else f"{number}{glyph}"


def draw(canvas: Canvas, grid: LaneGrid, made: Plan, x: int, start: int, seq: int) -> None:
    """Draw an entry's wires from cell `start` (just after the rule) to the arrows that end at `x` + its width."""
    end = x + made.width
    for net in made.nets:
        owner: list[Owner] = [*(("out", one) for one in net.sources), *(("in", one) for one in net.targets)]
        track = x + net.track if net.track >= 0 else -1
        exits = {row for row in map(grid.exit_row, net.sources) if row is not None}
        entries = {row for row in map(grid.row, net.targets) if row is not None}
        if track < 0:
            for row in entries:
                canvas.wire(row, start, LEFT, seq, owner)
                canvas.run(row, start, end - len(made.ends[row]) - 1, seq, owner)
            continue
        for row in exits:
            canvas.wire(row, start, LEFT, seq, owner)
            canvas.run(row, start, track, seq, owner)
        top, bottom = min(net.rows), max(net.rows)
        canvas.drop(track, top, bottom, seq, owner)
        for row in entries:
            canvas.wire(row, track, RIGHT, seq, owner)
            canvas.run(row, track, end - len(made.ends[row]) - 1, seq, owner)
    for arc in made.arcs:
        at = grid.row(arc.target)
        if arc.kind == "unbuffered" and at is not None:
            canvas.fill(at, start, end - len(made.ends[at]), canvas.glyphs.idle, "buffer", seq)
    for row, text in made.ends.items():
        for i, char in enumerate(text, end - len(text)):
            is_end = not char.isdigit()
            role = ("buffer" if char == canvas.glyphs.buffer else "arrow") if is_end else "count"
            canvas.put(row, i, char, role, seq)
