"""A grid of cells on which one stretch of the diagram is drawn: shapes first, wires joined at the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from .glyphs import DOWN, LEFT, RIGHT, UP, Glyphs

Owner: TypeAlias = tuple[Literal["out", "in"], str]
"""An executor a wire belongs to: it comes out of its lane, or leads into it."""

_FREE = frozenset(("blank", "guide", "idle"))
"""Roles that a wire is drawn over."""


class WireRun(NamedTuple):
    """Cells `first` to `last` of a row that belong to the wires of `owners`."""

    row: int
    first: int
    last: int
    owners: frozenset[Owner]


class Canvas:
    """Rows of cells; each cell has a glyph, a role (see `palette`) and the `seq` that made it (0: none).

    `lines` are the finished rows, after `finish`; nothing can be drawn any more then.
    """

    def __init__(self, rows: int, width: int, glyphs: Glyphs) -> None:
        """All cells are blank."""
        self.rows = rows
        self.width = width
        self.glyphs = glyphs
        self.lines: list[str] = []
        self.roles = [["blank"] * width for _ in range(rows)]
        self.seqs = [[0] * width for _ in range(rows)]
        self.wires: list[WireRun] = []
        self._chars = [[" "] * width for _ in range(rows)]
        self._sides = [bytearray(width) for _ in range(rows)]
        self._made: dict[int, list[tuple[int, int, int]]] = {}

    def put(self, row: int, x: int, text: str, role: str, seq: int) -> None:
        """Write `text` (of one-cell characters) from `x` on; what falls outside is left out."""
        if not 0 <= row < self.rows:
            return
        for i, char in enumerate(text, x):
            if 0 <= i < self.width:
                self._chars[row][i] = char
                self.roles[row][i] = role
                self.seqs[row][i] = seq

    def fill(self, row: int, first: int, end: int, char: str, role: str, seq: int) -> None:
        """Fill the cells from `first` up to, not including, `end`."""
        first, end = max(first, 0), min(end, self.width)
        if end > first and 0 <= row < self.rows:
            self._chars[row][first:end] = [char] * (end - first)
            self.roles[row][first:end] = [role] * (end - first)
            self.seqs[row][first:end] = [seq] * (end - first)

    def wire(self, row: int, x: int, sides: int, seq: int, owner: Iterable[Owner]) -> None:
        """Let a wire leave a cell by `sides`; wires that share a cell join there."""
        if 0 <= row < self.rows and 0 <= x < self.width:
            self._sides[row][x] |= sides
            self._note(row, x, x, seq, owner)

    def run(self, row: int, first: int, last: int, seq: int, owner: Iterable[Owner]) -> None:
        """A horizontal wire from the middle of cell `first` to the middle of cell `last`."""
        first, last = max(first, 0), min(last, self.width - 1)
        if not 0 <= row < self.rows or last <= first:
            return
        sides = self._sides[row]
        sides[first] |= RIGHT
        sides[last] |= LEFT
        for x in range(first + 1, last):
            sides[x] |= LEFT | RIGHT
        self._note(row, first, last, seq, owner)

    def drop(self, x: int, top: int, bottom: int, seq: int, owner: Iterable[Owner]) -> None:
        """A vertical wire from the middle of row `top` to the middle of row `bottom`."""
        owners = frozenset(owner)
        for row in range(max(top, 0), min(bottom, self.rows - 1) + 1):
            if 0 <= x < self.width:
                self._sides[row][x] |= (UP if row > top else 0) | (DOWN if row < bottom else 0)
                self._note(row, x, x, seq, owners)

    def _note(self, row: int, first: int, last: int, seq: int, owner: Iterable[Owner]) -> None:
        self.wires.append(WireRun(row, first, last, frozenset(owner)))
        self._made.setdefault(row, []).append((first, last, seq))

    def finish(self) -> None:
        """Turn wires into glyphs. A rule they cross shows the crossing; no other shape is overwritten."""
        crossings = {"rule": self.glyphs.crossing, "inner": self.glyphs.inner_crossing}
        for row, made in self._made.items():
            chars, roles, seqs, sides = self._chars[row], self.roles[row], self.seqs[row], self._sides[row]
            for first, last, seq in made:
                for x in range(first, last + 1):
                    role = roles[x]
                    if role in _FREE:
                        chars[x] = self.glyphs.wires[sides[x]]
                        roles[x] = "wire"
                        seqs[x] = seq
                    elif role in crossings and sides[x] & (LEFT | RIGHT):
                        chars[x] = crossings[role]
        self.lines = ["".join(row) for row in self._chars]
        self._chars.clear()
        self._sides.clear()
        self._made.clear()
