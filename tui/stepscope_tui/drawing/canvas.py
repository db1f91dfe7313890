"""A grid of cells on which one stretch of the diagram is drawn: shapes first, wires joined at the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from .glyphs import LEFT, RIGHT, Glyphs

Owner: TypeAlias = tuple[Literal["out", "in"], str]
"""An executor a wire belongs to: it comes out of its lane, or leads into it."""


class Canvas:
    """Rows of cells; each cell has a glyph, a role (see `palette`) and the `seq` that made it (0: none)."""

    def __init__(self, rows: int, width: int, glyphs: Glyphs) -> None:
        """All cells are blank."""
        self.rows = rows
        self.width = width
        self.glyphs = glyphs
        self.chars = [[" "] * width for _ in range(rows)]
        self.roles = [["blank"] * width for _ in range(rows)]
        self.seqs = [[0] * width for _ in range(rows)]
        self.owners: dict[tuple[int, int], frozenset[Owner]] = {}
        self._sides: dict[tuple[int, int], int] = {}
        self._made: dict[tuple[int, int], int] = {}

    def put(self, row: int, x: int, text: str, role: str, seq: int) -> None:
        """Write `text` (of one-cell characters) from `x` on; what falls outside is left out."""
        if not 0 <= row < self.rows:
            return
        for i, char in enumerate(text, x):
            if 0 <= i < self.width:
                self.chars[row][i] = char
                self.roles[row][i] = role
                self.seqs[row][i] = seq

    def fill(self, row: int, first: int, end: int, char: str, role: str, seq: int) -> None:
        """Fill the cells from `first` up to, not including, `end`."""
        first, end = max(first, 0), min(end, self.width)
        if end > first and 0 <= row < self.rows:
            self.chars[row][first:end] = [char] * (end - first)
            self.roles[row][first:end] = [role] * (end - first)
            self.seqs[row][first:end] = [seq] * (end - first)

    def wire(self, row: int, x: int, sides: int, seq: int, owner: Iterable[Owner]) -> None:
        """Let a wire leave a cell by `sides`; wires that share a cell join there."""
        if 0 <= row < self.rows and 0 <= x < self.width:
            at = (row, x)
            self._sides[at] = self._sides.get(at, 0) | sides
            self._made[at] = max(self._made.get(at, 0), seq)
            self.owners[at] = self.owners.get(at, frozenset()) | frozenset(owner)

    def run(self, row: int, first: int, last: int, seq: int, owner: Iterable[Owner]) -> None:
        """A horizontal wire from the middle of cell `first` to the middle of cell `last`."""
        owner = frozenset(owner)
        for x in range(first, last):
            self.wire(row, x, RIGHT, seq, owner)
            self.wire(row, x + 1, LEFT, seq, owner)

    def join(self) -> None:
        """Turn wires into glyphs. A rule they cross shows the crossing; no other shape is overwritten."""
        crossings = {"rule": self.glyphs.crossing, "inner": self.glyphs.inner_crossing}
        for (row, x), sides in self._sides.items():
            role = self.roles[row][x]
            if role in crossings:
                if sides & (LEFT | RIGHT):
                    self.chars[row][x] = crossings[role]
                continue
            if role in ("blank", "guide", "idle"):
                self.put(row, x, self.glyphs.wires[sides], "wire", self._made[row, x])

    def text(self) -> list[str]:
        """The rows as plain text."""
        return ["".join(row) for row in self.chars]
