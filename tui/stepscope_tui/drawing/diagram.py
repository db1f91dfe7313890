"""The space-time diagram as rows, for any moment of a run: the drawing behind the panel, without the panel."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
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
_SPARE_S = 0.002
_KEPT_TILES = 192
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

    def prepare(self, seq: int) -> Iterator[None]:
        """Draw ahead of time what `rows` shows at `seq` and some steps on either side, a tile before each item."""
        grid = self._grid_at(seq)
        part = self._parts.at(seq)
        self._painted(part, grid, ("past", "future"))
        yield
        sides: list[tuple[Callable[[Part], Part | None], Shade]] = [
            (self._parts.after, "future"),
            (self._parts.before, "past"),
        ]
        for step, shade in sides:
            room, following = self.width - self._names, step(part)
            while following is not None and room > 0:
                room -= self._painted(following, grid, (shade,))
                yield
                following = step(following)

    def _painted(self, part: Part, grid: LaneGrid, shades: Iterable[Shade]) -> int:
        """Draw and colour a tile; gives its width."""
        tile = self._tile(part, grid)
        for row in range(grid.height):
            for shade in shades:
                painted(tile, row, shade)
        return tile.width

    def count(self, seq: int) -> bool:
        """Count on a little, for what is in view at `seq` and for fan-ins; whether all is counted."""
        parts = self._parts
        if isinstance(parts, GroupParts):
            for one in self.placed(seq, self._grid_at(seq)):
                if count_group(parts, one.part, self._counts, _SPARE_S) is None:
                    return False
        return self._buffers.feed(self.run.last, _SPARE_S)

    def seq_at(self, seq: int, x: int, y: int) -> int:
        """The event a click means, while the cursor is at `seq`: the nearest in the lane of that row, if any."""
        grid = self._grid_at(seq)
        placed = self.placed(seq, grid)
        x -= self._names
        one = next((p for p in placed if p.x <= x < p.x + p.tile.width), placed[-1] if x > 0 else placed[0])
        lane = self.lane_at(seq, y)
        return one.tile.seq_at(x - one.x, lane)

    def lane_at(self, seq: int, y: int) -> str:
        """The executor whose lane the row `y` belongs to, "" for none."""
        grid = self._grid_at(seq)
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

    def _grid_at(self, seq: int) -> LaneGrid:
        return self._grid(self.lane_of(seq))

    def _grid(self, focus: str) -> LaneGrid:
        return arrange(self.lanes, focus, self.height)

    def _head(self) -> str:
        return "superstep" if self._names > 10 else "step"

    def _tile(self, part: Part, grid: LaneGrid) -> Tile:
        parts = self._parts
        last = parts.last_of(part)
        counts = count_group(parts, part, self._counts, _PATIENCE_S) if isinstance(parts, GroupParts) else None
        known = counts is None if isinstance(parts, GroupParts) else (self.run.index_ready, self._buffers.known(last))
        key = (part, self.level, grid.shown, grid.pitch, last, known)
        tile = self._tiles.pop(key, None)
        if tile is None:
            if isinstance(parts, GroupParts):
                tile = build_group(load_group(self.run, parts, part, counts), grid, self.glyphs)
            else:
                tile = build(load(self.run, parts, part, self._buffers), grid, _ZOOMS[self.level], self.glyphs)
            if len(self._tiles) >= _KEPT_TILES:
                del self._tiles[next(iter(self._tiles))]
        self._tiles[key] = tile  # the last used is the last to go
        return tile


def as_text(rows: list[Row]) -> list[str]:
    """Rows as plain text."""
    return ["".join(segment.text for segment in row) for row in rows]
