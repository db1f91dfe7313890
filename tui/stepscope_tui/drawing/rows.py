"""Tiles to styled rows: shades by the cursor, its column and lane, and the wires of its lane lit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

from rich.segment import Segment
from rich.style import Style

from .canvas import Owner, WireRun
from .lanes import LaneGrid
from .palette import Shade, over, style
from .tile import Tile
from .window import Placed

Row: TypeAlias = list[Segment]
Shader: TypeAlias = Callable[[int], Shade]
"""How the event `seq` stands to the cursor."""

_NONE: frozenset[int] = frozenset()
_LIGHTABLE = frozenset(("wire", "arrow", "rule", "inner", "count"))
"""Roles of cells that a wire of the cursor's lane lights."""
_BRIGHT = frozenset(("wire.lit", "wire.coming"))


def painted(tile: Tile, row: int, shade: Shade, lit: frozenset[int] = _NONE) -> Row:
    """The whole row of a tile under one shade, with the wires in the cells `lit` lit, made once."""
    made = tile.painted.get((row, shade, lit))
    if made is None:
        made = tile.painted[row, shade, lit] = []
        line, x, start, last = tile.canvas.lines[row], 0, 0, None
        roles: Iterable[str] = tile.canvas.roles[row]
        if lit:
            bright = "wire.coming" if shade == "future" else "wire.lit"
            roles = [bright if x in lit and role in _LIGHTABLE else role for x, role in enumerate(roles)]
        for role, cells in groupby(roles):
            one = style(role, "past" if role in _BRIGHT else shade)
            if one is not last and x:
                made.append(Segment(line[start:x], last))
                start = x
            last = one
            x += len(list(cells))
        made.append(Segment(line[start:], last))
    return made


def merged(cells: Iterable[tuple[str, Style]]) -> Iterator[Segment]:
    """Join neighbours of equal style: drawing costs by the segment."""
    for one, group in groupby(cells, key=itemgetter(1)):
        yield Segment("".join(char for char, _ in group), one)


def crop(row: Row, first: int, end: int) -> Row:
    """The cells from `first` up to `end` of a row of one-cell characters."""
    out: Row = []
    x = 0
    for segment in row:
        text = segment.text
        low, high = max(first - x, 0), min(end - x, len(text))
        if high > low:
            out.append(segment if high - low == len(text) else Segment(text[low:high], segment.style))
        x += len(text)
        if x >= end:
            break
    return out


_NUMBERS = frozenset(("header", "header.failed", "count", "finding"))
"""Roles in the header that the cursor's mark does not replace."""


class View:
    """The cells right of the lane names, for one position of the cursor."""

    def __init__(
        self,
        placed: Sequence[Placed],
        grid: LaneGrid,
        width: int,
        seq: int,
        lane: str,
        shader: Shader | None = None,
    ) -> None:
        """`seq`: the cursor; `lane`: the executor whose lane it is in, "" for none; `shader`: None for plain seq order."""
        self.grid = grid
        self.width = width
        self._placed = placed
        self._seq = seq
        self._shader = shader
        self._row = grid.row(lane) if lane else None
        self._rows_of_lane = set(range(self._row, self._row + max(1, min(grid.pitch, 2)))) if self._row else set()
        self._at = next((i for i, one in enumerate(placed) if one.tile.first <= seq <= one.tile.last), 0)
        cursor = placed[self._at]
        slot = cursor.tile.slot(seq)
        self._x = cursor.tile.x_of(seq)
        self._cut = slot.end if slot.kind == "entry" else self._x + 1
        self._whole = slot.kind == "rule"
        self._lit = self._lit_cells(lane) if lane else {}

    @property
    def cursor_x(self) -> int:
        """The window's cell the cursor is in."""
        return self._placed[self._at].x + self._x

    def _lit_cells(self, lane: str) -> dict[tuple[int, int], frozenset[int]]:
        """Cells of the wires to and from the lane, from where they leave to where they come in: up to three tiles."""
        into: Owner = ("in", lane)
        out: Owner = ("out", lane)
        here = self._placed[self._at].tile
        senders: set[Owner] = {("out", arc.source) for arc in here.arcs if arc.target == lane}
        lit: dict[tuple[int, int], set[int]] = {}

        def light(at: int, wanted: Callable[[WireRun, int], bool]) -> None:
            if 0 <= at < len(self._placed):
                tile = self._placed[at].tile
                entry = _entry_end(tile)
                for wire in tile.canvas.wires:
                    if wanted(wire, entry):
                        lit.setdefault((at, wire.row), set()).update(range(wire.first, wire.last + 1))

        light(self._at - 1, lambda wire, entry: wire.last >= entry and not senders.isdisjoint(wire.owners))
        light(self._at, lambda wire, entry: into in wire.owners or (out in wire.owners and wire.last >= entry))
        light(self._at + 1, lambda wire, entry: out in wire.owners and wire.first < entry)
        return {place: frozenset(cells) for place, cells in lit.items()}

    def row(self, row: int) -> Row:
        """One row, exactly `width` cells."""
        out: Row = []
        end = 0
        for i, (_, tile, x) in enumerate(self._placed):
            first, last = max(0, -x), min(tile.width, self.width - x)
            if last <= first:
                continue
            out.extend(self._part(i, tile, row, first, last))
            end = x + last
        if end < self.width:
            out.append(Segment(" " * (self.width - end), Style.null()))
        if row == 0:
            return self._with_title(out)
        if row in self._rows_of_lane:
            return [Segment(text, over(one or Style.null(), lane=True)) for text, one, _ in out]
        return out

    def _with_title(self, row: Row) -> Row:
        """The header, where a superstep that began further left still says which one it is."""
        _, tile, x = self._placed[0]
        text = f"{tile.canvas.glyphs.more}{tile.title} "
        if x >= 0 or not tile.title or x + tile.width <= len(text) or self.cursor_x < len(text):
            return row
        return [Segment(text, style("header")), *crop(row, len(text), self.width)]

    def _part(self, i: int, tile: Tile, row: int, first: int, end: int) -> Row:
        lit = self._lit.get((i, row), _NONE)
        if self._shader is not None:
            return crop(list(merged(self._cells(i, tile, row, lit))), first, end)
        if i != self._at:
            return crop(painted(tile, row, "past" if i < self._at else "future", lit), first, end)
        past = painted(tile, row, "past", lit)
        out = crop(past, first, min(self._x, end))
        if first <= self._x < end:
            out.append(self._cursor_cell(tile, row))
        out += crop(past, max(first, self._x + 1), min(self._cut, end))
        return out + crop(painted(tile, row, "future", lit), max(first, self._cut), end)

    def _cells(self, i: int, tile: Tile, row: int, lit: frozenset[int]) -> list[tuple[str, Style]]:
        cut = tile.width if i < self._at else 0 if i > self._at else self._cut
        cells = []
        for x, (char, role, seq) in enumerate(
            zip(tile.canvas.lines[row], tile.canvas.roles[row], tile.canvas.seqs[row], strict=True)
        ):
            if self._shader is not None and seq:
                shade: Shade = self._shader(seq)
            else:
                shade = "past" if x < cut else "future"
            if x in lit and role in _LIGHTABLE:
                cells.append((char, style("wire.coming" if shade == "future" else "wire.lit")))
            else:
                cells.append((char, style(role, shade)))
        if i == self._at and self._x < len(cells):
            cell = self._cursor_cell(tile, row)
            cells[self._x] = (cell.text, cell.style or Style.null())
        return cells

    def _cursor_cell(self, tile: Tile, row: int) -> Segment:
        char, role = tile.canvas.lines[row][self._x], tile.canvas.roles[row][self._x]
        if row == 0:
            return (
                Segment(tile.canvas.glyphs.cursor, style("cursor"))
                if role not in _NUMBERS
                else Segment(char, over(style("cursor"), mark=True))  # a number must stay readable
            )
        base = style(role, "past")
        if row == self._row or (self._row is None and self._whole and row < self.grid.end):
            return Segment(char, over(base, mark=True))
        return Segment(char, over(base, column=row < self.grid.end))


def _entry_end(tile: Tile) -> int:
    return next((slot.end for slot in tile.slots if slot.kind == "entry" and slot.scope == 0), 0)
