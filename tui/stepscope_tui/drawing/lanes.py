"""Which lanes are on screen, and on which rows; those that are not keep a row that counts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

HEADER_ROWS = 1
_ROOMY, _NORMAL, _TIGHT = 3, 2, 1


class LaneName(NamedTuple):
    """An executor's lane: its id and how many sub-workflows it is inside of."""

    executor: str
    depth: int


@dataclass(frozen=True)
class LaneGrid:
    """Rows of the diagram. Row 0 is the header; `pitch` rows go to a lane; `above` and `below` share a row each."""

    shown: tuple[LaneName, ...]
    above: tuple[str, ...]
    below: tuple[str, ...]
    pitch: int
    height: int
    rows: dict[str, int]

    def row(self, executor: str) -> int | None:
        """Row of the lane's bar; for a hidden lane the row that counts it; None for no lane at all."""
        return self.rows.get(executor)

    def exit_row(self, executor: str) -> int | None:
        """Row on which the lane's messages leave: below its bar where there is room."""
        row = self.rows.get(executor)
        if row is None or self.pitch == _TIGHT or executor in self.above or executor in self.below:
            return row
        return row + 1

    @property
    def joined(self) -> bool:
        """Whether wires leave below the bar, so that a send's mark can lead into one."""
        return self.pitch > _TIGHT

    @property
    def above_row(self) -> int | None:
        """The row that counts the lanes hidden above."""
        return HEADER_ROWS if self.above else None

    @property
    def below_row(self) -> int | None:
        """The row that counts the lanes hidden below."""
        return HEADER_ROWS + len(self.shown) + bool(self.above) if self.below else None

    @property
    def end(self) -> int:
        """The row after the last one that is used."""
        if self.below_row is not None:
            return self.below_row + 1
        return HEADER_ROWS + bool(self.above) + len(self.shown) * self.pitch

    def span(self, prefix: str) -> tuple[int, int] | None:
        """First and last bar row of the lanes whose id begins with `prefix`; None if there are none."""
        rows = [row for executor, row in self.rows.items() if executor.startswith(prefix)]
        return (min(rows), max(rows)) if rows else None


def arrange(lanes: Sequence[LaneName], focus: str | None, height: int) -> LaneGrid:
    """Give lanes their rows in `height` rows (at least 2), the lane `focus` among them.

    What is shown depends on `focus` only, not on what was shown before, so that stepping back gives the same
    picture: lanes that do not fit are turned over like pages.
    """
    room = max(1, height - HEADER_ROWS)
    pitch = next((p for p in (_ROOMY, _NORMAL, _TIGHT) if len(lanes) * p <= room), 0)
    if pitch:
        return _grid(lanes, 0, len(lanes), pitch, height)
    at = next((i for i, lane in enumerate(lanes) if lane.executor == focus), 0)
    size = max(1, room - 2)  # a row for those above, a row for those below
    first = at // size * size
    end = first + size
    if first == 0 or end >= len(lanes):  # at either end one of these rows is free
        end = min(len(lanes), end + (room > 2))
    return _grid(lanes, first, end, _TIGHT, height)


def _grid(lanes: Sequence[LaneName], first: int, end: int, pitch: int, height: int) -> LaneGrid:
    above = tuple(lane.executor for lane in lanes[:first])
    below = tuple(lane.executor for lane in lanes[end:])
    rows: dict[str, int] = dict.fromkeys(above, HEADER_ROWS)
    row = HEADER_ROWS + bool(above)
    for lane in lanes[first:end]:
        rows[lane.executor] = row
        row += pitch
    rows.update(dict.fromkeys(below, row))
    return LaneGrid(tuple(lanes[first:end]), above, below, pitch, height, rows)
