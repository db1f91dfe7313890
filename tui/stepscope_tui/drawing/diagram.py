"""The space-time diagram as rows, for any moment of a run: the drawing behind the panel, without the panel."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from . import labels
from .buffers import Buffers
from .counts import GroupCounts
from .glyphs import UNICODE, Glyphs
from .groups import GroupParts, build_group, count_group, load_group
from .lanes import LaneGrid, LaneName, arrange
from .palette import Shade
from .rows import Row, Shader, View, painted
from .slots import executor_of
from .stretch import RunParts, lane_names, load
from .tile import Tile, Zoom, build
from .window import Part, Placed, place

if TYPE_CHECKING:
    from stepscope_tracing import Run

_ZOOMS = (Zoom(4), Zoom(3), Zoom(2), Zoom(1), Zoom(1, 2), Zoom(1, 4), Zoom(1, 16))
Shading: TypeAlias = Callable[[int], Shader]
"""For a position of the cursor, how every event stands to it."""

_PATIENCE_S = 0.001
"""How long drawing one column may count; what is missing then is counted while nobody presses a key."""
_SPARE_S = 0.008
_KEPT_TILES = 96
_LEGEND_FROM = 3
"""Spare rows from which there is a legend; one of them stays empty."""


class DiagramDrawing:
    """Draws a run into `width` x `height` cells. Tiles are drawn once and kept; moving the cursor shades them anew.

    `level` is the zoom: 0 is the closest; from `len(_ZOOMS)` on, 2, 4, 8... supersteps share a column.
    """

    def __init__(self, run: Run, width: int, height: int, glyphs: Glyphs = UNICODE, level: int | None = None) -> None:
        """`level` None: two cells an event where there is room for it, else one."""
        self.run = run
        self.width = max(width, 12)
        self.height = max(height, 2)
        self.glyphs = glyphs
        self.level = (2 if width >= 100 else 3) if level is None else level
        self.lanes: list[LaneName] = lane_names(run)
        self.shading: Shading | None = None
        self._tiles: dict[tuple[object, ...], Tile] = {}
        self._parts: RunParts | GroupParts = RunParts(run)
        self._buffers = Buffers(run)
        self._counts = GroupCounts(run)
        self._names = labels.width_for(self.lanes, self.width, glyphs)
        self.set_level(self.level)

    @property
    def levels(self) -> int:
        """How many levels of zoom make sense for the run: at the last one everything is in one column."""
        return len(_ZOOMS) + max(0, len(self.run.supersteps()) - 1).bit_length()

    def set_level(self, level: int) -> None:
        """Zoom, as far as it makes sense."""
        self.level = max(0, min(level, self.levels - 1))
        beyond = self.level - len(_ZOOMS) + 1
        self._parts = GroupParts(self.run, 1 << beyond) if beyond > 0 else RunParts(self.run)

    def fit(self) -> None:
        """Zoom so that all of the run is in view, as close as possible."""
        room = self.width - self._names
        for level in range(self.levels):
            self.set_level(level)
            if self._fits(room):
                return

    def _fits(self, room: int) -> bool:
        part: Part | None = Part(0, 0)
        grid = self._grid("")
        width = 0
        while part is not None and width <= room:
            width += self._tile(part, grid).width
            part = self._parts.after(part)
        return width <= room

    def lane_of(self, seq: int) -> str:
        """The executor whose lane the cursor is in: the event's own, else that of the nearest event before it."""
        for at in range(seq, max(0, seq - 64), -1):
            executor = executor_of(self.run.event(at))
            if executor:
                return executor
        return ""

    def rows(self, seq: int) -> list[Row]:
        """All rows, each exactly `width` cells wide."""
        event = self.run.event(seq)
        lane = executor_of(event)
        grid = self._grid(lane or self.lane_of(seq))
        shader = self.shading(seq) if self.shading is not None else None
        view = View(self.placed(seq, grid), grid, self.width - self._names, seq, lane, shader)
        names = labels.names(grid, self._names, lane, self.glyphs, self._head())
        rows = [names[row] + view.row(row) for row in range(self.height)]
        spare = self.height - grid.end
        if spare >= _LEGEND_FROM:
            made = labels.legend(self.width, spare - 1, self.glyphs)
            for i, row in enumerate(made, self.height - len(made)):
                rows[i] = row
        return rows

    def prepare(self, seq: int) -> bool:
        """Draw half a window more on both sides ahead of time: the next steps bring it into view.

        Says whether there is nothing left to do before the next step.
        """
        grid = self._grid(executor_of(self.run.event(seq)) or self.lane_of(seq))
        placed = self.placed(seq, grid)
        self._prepare(self._parts.after, placed[-1].part, grid, "future")
        self._prepare(self._parts.before, placed[0].part, grid, "past")
        return self._count(placed) and self._buffers.feed(self.run.last, _SPARE_S)

    def _count(self, placed: Sequence[Placed]) -> bool:
        """Count on what the columns in view say; whether all is counted."""
        parts = self._parts
        if not isinstance(parts, GroupParts):
            return True
        return all(count_group(parts, one.part, self._counts, _SPARE_S) is not None for one in placed)

    def _prepare(self, step: Callable[[Part], Part | None], part: Part, grid: LaneGrid, shade: Shade) -> None:
        room = self.width // 2
        following = step(part)
        while following is not None and room > 0:
            tile = self._tile(following, grid)
            for row in range(grid.height):
                painted(tile, row, shade)
            room -= tile.width
            following = step(following)

    def seq_at(self, seq: int, x: int, y: int) -> int:
        """The event a click means, while the cursor is at `seq`: the nearest in the lane of that row, if any."""
        grid = self._grid(executor_of(self.run.event(seq)) or self.lane_of(seq))
        placed = self.placed(seq, grid)
        x -= self._names
        one = next((p for p in placed if p.x <= x < p.x + p.tile.width), placed[-1] if x > 0 else placed[0])
        lane = self.lane_at(seq, y)
        return one.tile.seq_at(x - one.x, lane)

    def lane_at(self, seq: int, y: int) -> str:
        """The executor whose lane the row `y` belongs to, "" for none."""
        grid = self._grid(executor_of(self.run.event(seq)) or self.lane_of(seq))
        return next((n.executor for n in grid.shown if 0 <= y - grid.rows[n.executor] < grid.pitch), "")

    def seq_in_next_lane(self, seq: int, by: int) -> int | None:
        """The nearest event in the next lane above (-1) or below (1) that has any; None if there is none."""
        if not self.run.index_ready:
            return None
        names = [lane.executor for lane in self.lanes]
        lane = self.lane_of(seq)
        at = names.index(lane) if lane in names else -1 if by > 0 else len(names)
        for executor in names[at + by :] if by > 0 else reversed(names[: max(at, 0)]):
            found = self.run.previous(seq, executor=executor) or self.run.next(seq, executor=executor)
            if found is not None:
                return found
        return None

    def seq_in_next_superstep(self, seq: int, by: int) -> int | None:
        """Start of the next superstep, or of the one before (-1); None if there is none."""
        spans = self.run.supersteps()
        after = bisect_right(spans, seq, key=lambda span: span.first)
        at = after if by > 0 else bisect_left(spans, seq, key=lambda span: span.first) - 1
        return spans[at].first if 0 <= at < len(spans) else None

    def placed(self, seq: int, grid: LaneGrid) -> list[Placed]:
        """The tiles in view."""
        return place(self._parts, lambda part: self._tile(part, grid), seq, self.width - self._names)

    def _grid(self, focus: str) -> LaneGrid:
        return arrange(self.lanes, focus, self.height)

    def _head(self) -> str:
        return "superstep" if self._names > 10 else "step"

    def _tile(self, part: Part, grid: LaneGrid) -> Tile:
        parts = self._parts
        if isinstance(parts, GroupParts):
            counts = count_group(parts, part, self._counts, _PATIENCE_S)
            key: tuple[object, ...] = (part, self.level, grid.shown, grid.pitch, parts.last_of(part), counts is None)
            return self._tiles.get(key) or self._keep(
                key, build_group(load_group(self.run, parts, part, counts), grid, self.glyphs)
            )
        last = parts.last_of(part)
        key = (part, self.level, grid.shown, grid.pitch, last, self.run.index_ready, self._buffers.known(last))
        return self._tiles.get(key) or self._keep(
            key, build(load(self.run, parts, part, self._buffers), grid, _ZOOMS[self.level], self.glyphs)
        )

    def _keep(self, key: tuple[object, ...], tile: Tile) -> Tile:
        if len(self._tiles) >= _KEPT_TILES:
            del self._tiles[next(iter(self._tiles))]
        self._tiles[key] = tile
        return tile


def as_text(rows: list[Row]) -> list[str]:
    """Rows as plain text."""
    return ["".join(segment.text for segment in row) for row in rows]
