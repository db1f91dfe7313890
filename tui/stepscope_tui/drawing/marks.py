"""Events as marks on their lanes; as numbers where several share a cell, or their lane is hidden.

Numbers stand in blocks of cells, so that one is always in view however long the superstep is.
"""

from __future__ import annotations

from collections.abc import Sequence

from stepscope.events import AnyEvent
from stepscope_tui.describe import meaning_of

from .canvas import Canvas
from .glyphs import Glyphs
from .lanes import LaneGrid
from .slots import Slot, executor_of

_BLOCK = 16
"""Cells that share a number."""


class _Number:
    """A number in the making: how many events, between which cells, the last of them."""

    __slots__ = ("count", "first", "last", "seq")

    def __init__(self, x: int) -> None:
        self.count = 0
        self.first = self.last = x
        self.seq = 0

    def add(self, event: AnyEvent, x: int) -> None:
        self.count += 1
        self.last = x
        self.seq = event.seq


class Marks:
    """Draws the events of all slots of a tile."""

    def __init__(self, canvas: Canvas, grid: LaneGrid, glyphs: Glyphs, slots: Sequence[Slot]) -> None:
        """`slots` have their places."""
        self._canvas = canvas
        self._grid = grid
        self._glyphs = glyphs
        self._shown = {lane.executor for lane in grid.shown}
        self._low = next((slot.end for slot in slots if slot.kind == "entry"), 0)
        end = next((slot.x for slot in reversed(slots) if slot.kind == "rule"), canvas.width)
        self._high = max(end, self._low + 1)
        self._blocks = max(1, (self._high - self._low) // _BLOCK)
        self._slots = [slot for slot in slots if slot.kind == "event"]
        self._crowded = self._find_crowded()

    def _find_crowded(self) -> set[str]:
        """The lanes on which some cell would need several marks: they show numbers only."""
        crowded: set[str] = set()
        for slot in self._slots:
            if len(slot.events) > 1:
                seen: set[str] = set()
                for event in slot.events:
                    executor = executor_of(event)
                    (crowded if executor in seen else seen).add(executor)
        return crowded

    def draw(self) -> None:
        """The marks of single events."""
        for slot in self._slots:
            for event in slot.events:
                executor = executor_of(event)
                if executor in self._shown and executor not in self._crowded:
                    self._mark(self._grid.rows[executor], slot.x, event)

    def count(self) -> None:
        """The numbers; drawn last, on top of all else."""
        numbers: dict[tuple[int, int], _Number] = {}
        for slot in self._slots:
            block = min(max(0, slot.x - self._low) // _BLOCK, self._blocks - 1)
            for event in slot.events:
                executor = executor_of(event)
                row = self._grid.row(executor)
                if row is None or (executor in self._shown and executor not in self._crowded):
                    continue
                number = numbers.get((row, block))
                if number is None:
                    number = numbers[row, block] = _Number(slot.x)
                number.add(event, slot.x)
        hidden = (self._grid.above_row, self._grid.below_row)
        for (row, block), number in numbers.items():
            low = self._low + block * _BLOCK
            high = self._high if block == self._blocks - 1 else low + _BLOCK
            text = str(number.count)
            first, last = (low, high) if row in hidden else (number.first, number.last + 1)
            x = max(low, min((first + last - len(text)) // 2, high - len(text)))
            self._canvas.put(row, x, text, "hidden" if row in hidden else "total", number.seq)

    def _mark(self, row: int, x: int, event: AnyEvent) -> None:
        meaning = meaning_of(event)
        role = "handler" if meaning in ("started", "completed") else meaning
        self._canvas.put(row, x, self._glyphs.mark(event, joined=self._grid.joined), role, event.seq)
