"""A lock over a stretch of the run as one strip: who held it, and how many waited for it."""

from __future__ import annotations

from typing import NamedTuple

from rich.cells import cell_len

from stepscope_tui.safe import plain

from .glyphs import Glyphs
from .holding import Holding, Stretch
from .palette import over, style
from .rows import Row, merged


class Scale(NamedTuple):
    """`per` events a cell, or `step` cells an event; one of them is 1."""

    per: int = 1
    step: int = 1


class Strip(NamedTuple):
    """A strip's two rows and what they count: holds and waits that touch the stretch, the most that waited at once."""

    held: Row
    waited: Row
    holds: int
    waits: int
    queue: int


_WIDEST_STEP = 4


def window(seq: int, last: int, width: int, per: int, around: tuple[int, int] | None) -> tuple[int, int, Scale]:
    """First and last event of the visible stretch in `width` cells of `per` events, and the scale.

    `around` as a whole if it fits, stretched to fill the width; otherwise pages that overlap by half, so that the
    cursor is never at an edge. A function of the cursor `seq` alone, not of where it was before.
    """
    room = max(1, width * per)
    if around is not None and around[1] - around[0] < room:
        step = min(_WIDEST_STEP, room // (around[1] - around[0] + 1)) if per == 1 else 1
        return around[0], min(last, around[1]), Scale(per, step)
    half = max(1, room // 2)
    first = max(1, (seq - 1) // half * half + 1 - room // 4)
    return first, min(last, first + room - 1), Scale(per, 1)


def strip(lock: Holding, first: int, last: int, cursor: int, glyphs: Glyphs, scale: Scale) -> Strip:
    """Draw a lock; names of holders stand in their stretch where they fit."""
    per, step = scale
    held = [one for one in lock.held if one.first <= last and one.end > first]
    waited = [one for one in lock.waited if one.first <= last and one.end > first]
    cells = (last - first) // per + 1
    upper = [[glyphs.guide if x % 2 else " ", "guide"] for x in range(cells * step)]
    for one in held:
        for x in _cells(one, first, per, cells):
            wanted = any(w.first < first + (x + 1) * per and w.end > first + x * per for w in waited)
            for at in range(x * step, (x + 1) * step):
                upper[at] = [glyphs.wanted, "wanted"] if wanted else [glyphs.held, "held"]
    for one in held:
        where = _cells(one, first, per, cells)
        _name(upper, one, range(where.start * step, where.stop * step), glyphs)
    counts = [0] * cells
    for one in waited:
        for x in _cells(one, first, per, cells):
            counts[x] += 1
    most = max(counts, default=0)
    lower = [[_queue(n, most, glyphs), "waiting"] if n else [" ", "blank"] for n in counts for _ in range(step)]
    for one in waited:
        where = _cells(one, first, per, cells)
        if all(counts[x] == 1 for x in where):
            _name(lower, one, range(where.start * step, where.stop * step), glyphs)
    at = (cursor - first) // per * step
    return Strip(
        _row(upper, at, cursor >= first, glyphs), _row(lower, at, cursor >= first, glyphs),
        len(held), len(waited), most,
    )  # fmt: skip


def _queue(number: int, most: int, glyphs: Glyphs) -> str:
    """How many wait: a digit; where ten or more do, how high against the most, which is told behind the strip."""
    if most < 10:
        return glyphs.waiting if number == 1 else str(number)
    return glyphs.heights[-(-number * len(glyphs.heights) // most) - 1]


def _cells(one: Stretch, first: int, per: int, cells: int) -> range:
    low = max(0, (one.first - first) // per)
    high = min(cells, max(low + 1, -((first - one.end) // per)))
    return range(low, high)


def _name(cells: list[list[str]], one: Stretch, where: range, glyphs: Glyphs) -> None:
    name = plain(one.executor, glyphs.looks.ascii)
    if cell_len(name) != len(name):
        return  # wide characters would push the cells behind them
    if len(name) + 2 > len(where):
        return
    for i, char in enumerate(name, where.start + 1):
        cells[i] = [char, "holder" if cells[i][1] == "wanted" else "name.lit"]


def _row(cells: list[list[str]], at: int, inside: bool, glyphs: Glyphs) -> Row:
    """The cells as a row; the cursor is a line through it, which a full block could not show inverted."""
    if inside and 0 <= at < len(cells):
        char, role = cells[at]
        cells[at] = [glyphs.rule if char in (" ", glyphs.guide, glyphs.wanted) else char, role]
    styled = [
        (char, over(style("cursor"), mark=char != glyphs.rule, column=True) if inside and x == at else style(role))
        for x, (char, role) in enumerate(cells)
    ]
    return list(merged(styled))
