"""What stands left of the diagram and below it: names of lanes, hidden lanes with their number, the legend."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from stepscope_tui.safe import plain

from .glyphs import Glyphs
from .lanes import HEADER_ROWS, LaneGrid, LaneName
from .palette import over, style
from .rows import Row

_NARROWEST = 6


def cut(text: str, width: int, glyphs: Glyphs) -> str:
    """`text` in exactly `width` cells, shortened with a mark if it is longer; wide characters count two."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, max(0, width - 1)) + glyphs.more if width > 0 else ""


def own_name(lane: LaneName, glyphs: Glyphs) -> str:
    """A lane's name, safe to show: in a sub-workflow without its parents, which stand above it."""
    name = lane.executor.split("/", lane.depth)[-1] if lane.depth else lane.executor
    return "  " * lane.depth + plain(name, glyphs.looks.ascii)


def width_for(lanes: Sequence[LaneName], width: int, glyphs: Glyphs) -> int:
    """Cells for the names: as wide as the longest, at most a quarter of `width`; 2 of them for the cursor's mark."""
    longest = max((cell_len(own_name(lane, glyphs)) for lane in lanes), default=0)
    return max(_NARROWEST, min(longest + 3, max(_NARROWEST, width // 4), 32))


def names(grid: LaneGrid, width: int, lane: str, glyphs: Glyphs, head: str) -> list[Row]:
    """One row of `width` cells for each row of the grid; `lane` is the cursor's, `head` stands in the header."""
    blank = [Segment(" " * width, Style.null())]
    rows: list[Row] = [list(blank) for _ in range(grid.height)]
    rows[0] = [Segment(cut(f" {head}", width, glyphs), style("quiet"))]
    for one in grid.shown:
        row = grid.rows[one.executor]
        if not HEADER_ROWS <= row < grid.height:
            continue
        lit = one.executor == lane
        mark = glyphs.lane if lit else " "
        text = cut(f"{mark}{own_name(one, glyphs)}", width - 1, glyphs) + " "
        rows[row] = [Segment(text, over(style("name.lit" if lit else "name"), lane=lit))]
        if lit and grid.pitch > 1 and row + 1 < grid.height:
            rows[row + 1] = [Segment(" " * width, over(Style.null(), lane=True))]
    for at, hidden in ((grid.above_row, grid.above), (grid.below_row, grid.below)):
        if at is not None and at < grid.height:
            dots = "..." if glyphs.looks.ascii else "…"
            long = f" {dots} {len(hidden)} more lane{'' if len(hidden) == 1 else 's'}"
            text = long if cell_len(long) <= width else f" {dots} {len(hidden)} more"
            text = text if cell_len(text) <= width else f"+{len(hidden)}"
            rows[at] = [Segment(cut(text, width, glyphs), style("hidden"))]
    return rows


def legend(width: int, rows: int, glyphs: Glyphs) -> list[Row]:
    """At most `rows` rows that say what the glyphs mean; whole entries only, the most telling first."""
    looks = glyphs.looks
    entries = [
        (glyphs.running * 3, "running", "running"),
        (glyphs.waiting * 3, "waiting", "waits for a lock"),
        (glyphs.held * 3, "held", "holds a lock"),
        (glyphs.wanted * 3, "wanted", "holds one that others want"),
        (glyphs.inbox * 3, "inbox", "in the inbox"),
        (glyphs.idle * 3, "idle", "done, at the barrier"),
        (glyphs.send, "sent", "send"),
        (looks.glyph("read"), "read", "read"),
        (looks.glyph("written"), "written", "write"),
        (looks.glyph("waiting"), "waiting", "lock asked"),
        (looks.glyph("held"), "held", "taken"),
        (looks.glyph("released"), "released", "released"),
        (looks.glyph("effect"), "effect", "effect"),
        (looks.glyph("output"), "output", "output"),
        (looks.glyph("failed"), "failed", "failed"),
        (looks.glyph("cancelled"), "cancelled", "cancelled"),
        (looks.glyph("dropped"), "dropped", "dropped"),
        (glyphs.buffer, "buffer", "kept for a fan-in"),
        (looks.glyph("finding"), "finding", "finding"),
    ]
    out: list[Row] = []
    line: Row = []
    used = 0
    for glyph, role, word in entries:
        need = len(glyph) + 1 + len(word) + 3
        if used and used + need > width:
            out.append(_padded(line, used, width))
            line, used = [], 0
        if len(out) == rows:
            return out
        if need + 1 <= width:
            line += [Segment(" "), Segment(glyph, style(role)), Segment(f" {word}  ", style("quiet"))]
            used += need
    if used and len(out) < rows:
        out.append(_padded(line, used, width))
    return out


def _padded(row: Row, used: int, width: int) -> Row:
    return [*row, Segment(" " * (width - used))] if used < width else row
