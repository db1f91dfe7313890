"""Drawings in tests: runs cut into tiles without a recording, and cells counted by what they show."""

from __future__ import annotations

from collections.abc import Sequence

from stepscope.events import AnyEvent, Delivered, RunStarted, SuperstepStarted
from stepscope_tui.drawing.glyphs import UNICODE, Glyphs
from stepscope_tui.drawing.lanes import LaneGrid, LaneName, arrange
from stepscope_tui.drawing.tile import Stretch, Tile, Zoom, build

MARKS = frozenset(
    {
        "handler", "failed", "cancelled", "abandoned", "sent", "read", "written", "undone", "waiting", "held", "released",
        "effect", "output", "arrived", "finding",
    }
)  # fmt: skip
"""Roles of cells that stand for one event of an executor. Held and waiting are roles of stretches too."""


def lane_names(events: Sequence[AnyEvent]) -> list[LaneName]:
    """The lanes of a run, those of sub-workflows after their parent."""
    lanes: list[LaneName] = []
    for event in events:
        if isinstance(event, RunStarted):
            new = [LaneName(one.id, one.id.count("/")) for one in event.graph.executors]
            new = [lane for lane in new if lane not in lanes]
            if not new:
                continue
            parent = new[0].executor.rpartition("/")[0]
            at = next((i + 1 for i, lane in enumerate(lanes) if lane.executor == parent), len(lanes))
            lanes[at:at] = new
    return lanes


def by_superstep(events: Sequence[AnyEvent]) -> list[list[AnyEvent]]:
    """A run cut before each superstep of its own but the first."""
    parts: list[list[AnyEvent]] = [[]]
    for event in events:
        if event.scope == 0 and isinstance(event, SuperstepStarted) and event.superstep > 1:
            parts.append([])
        parts[-1].append(event)
    return parts


def tiles(events: Sequence[AnyEvent], grid: LaneGrid, zoom: Zoom | None = None, glyphs: Glyphs = UNICODE) -> list[Tile]:
    """All supersteps of a run as tiles."""
    hosts = {event.inv: event.executor for event in events if isinstance(event, Delivered)}
    return [
        build(Stretch(part, title=str(part[-1].superstep or 1), hosts=hosts), grid, zoom or Zoom(), glyphs)
        for part in by_superstep(events)
    ]


def picture(
    events: Sequence[AnyEvent],
    height: int,
    zoom: Zoom | None = None,
    glyphs: Glyphs = UNICODE,
    focus: str | None = None,
) -> list[str]:
    """A whole run as text, without the lanes' names; blank rows at the end are left out."""
    grid = arrange(lane_names(events), focus, height)
    drawn = tiles(events, grid, zoom, glyphs)
    return ["".join(tile.canvas.lines[row] for tile in drawn).rstrip() for row in range(grid.end)]
