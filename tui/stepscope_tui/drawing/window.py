"""Which tiles are in view and where: a function of the cursor alone, so stepping back gives the same picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from .tile import Tile


class Part(NamedTuple):
    """A stretch of the run that one tile shows: `span`, the index of its superstep (or group of them), `piece` of that."""

    span: int
    piece: int


class Parts(Protocol):
    """A run cut into parts, each a few screens wide at most. All parts together hold every `seq` once."""

    def at(self, seq: int) -> Part:
        """The part an event is in."""
        ...

    def before(self, part: Part) -> Part | None:
        """The part before; None before the first."""
        ...

    def after(self, part: Part) -> Part | None:
        """The part after; None after the last."""
        ...


class Placed(NamedTuple):
    """A tile and the cell of the window its first cell is at (negative: cut off on the left)."""

    part: Part
    tile: Tile
    x: int


def place(parts: Parts, tile_of: Callable[[Part], Tile], seq: int, width: int) -> list[Placed]:
    """The tiles that cover a window of `width` cells with the cursor `seq` in it, left to right.

    The cursor's tile starts at a quarter of the window, or so that the cursor is in its middle half; the window
    shows nothing before the run's start, and nothing after its end unless all of it fits.
    """
    part = parts.at(seq)
    tile = tile_of(part)
    cursor = tile.x_of(seq)
    half = max(1, width // 2)
    x = width // 4 - cursor // half * half
    placed = [Placed(part, tile, x)]
    _extend_left(placed, parts, tile_of, 0)
    if placed[0].x > 0:
        placed = _shifted(placed, -placed[0].x)
    _extend_right(placed, parts, tile_of, width)
    spare = width - (placed[-1].x + placed[-1].tile.width)
    if spare > 0:
        placed = _shifted(placed, spare)
        _extend_left(placed, parts, tile_of, 0)
        if placed[0].x > 0:
            placed = _shifted(placed, -placed[0].x)
    return [one for one in placed if one.x < width and one.x + one.tile.width > 0]


def _extend_left(placed: list[Placed], parts: Parts, tile_of: Callable[[Part], Tile], edge: int) -> None:
    while placed[0].x > edge and (part := parts.before(placed[0].part)) is not None:
        tile = tile_of(part)
        placed.insert(0, Placed(part, tile, placed[0].x - tile.width))


def _extend_right(placed: list[Placed], parts: Parts, tile_of: Callable[[Part], Tile], edge: int) -> None:
    while (end := placed[-1].x + placed[-1].tile.width) < edge and (part := parts.after(placed[-1].part)) is not None:
        placed.append(Placed(part, tile_of(part), end))


def _shifted(placed: list[Placed], by: int) -> list[Placed]:
    return [Placed(part, tile, x + by) for part, tile, x in placed]
