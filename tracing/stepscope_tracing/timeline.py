"""Supersteps, lanes and the overview: a run's frame, from the side tables and the codes alone."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, overload

from stepscope.events import Found, LockWaiting, StateWritten

from .blocks import Blocks
from .codec import CODES, ERRORS, UNDONE
from .database import Database
from .errors import RecordingError
from .model import Bucket, Lane, SuperstepSpan

_OUTCOMES: tuple[Literal["completed", "failed", "open"], ...] = ("completed", "failed", "open")
_FINDINGS = bytes((CODES[Found],))
_WRITES = bytes((CODES[StateWritten], UNDONE))
_WAITS = bytes((CODES[LockWaiting],))
_UNRANKED = 1 << 60


class Supersteps(Sequence[SuperstepSpan]):
    """The supersteps of one scope, in order. `refresh` sees what was written since."""

    def __init__(self, blocks: Blocks, scope: int) -> None:
        """Read the table of supersteps. Raises `RecordingError`."""
        self._blocks = blocks
        self._scope = scope
        self._columns = [array("q") for _ in range(8)]
        self.refresh()

    def refresh(self) -> None:
        """Read again what was open, and what is new."""
        numbers, firsts, lasts, *_ = self._columns
        known = len(numbers)
        while known and not lasts[known - 1]:
            known -= 1
        after = numbers[known - 1] if known else -1
        database, newest = self._blocks.database, self._blocks.last
        rows = database.rows(
            "SELECT superstep, first, last, t0, t1, committed, outcome, deliveries FROM supersteps"
            " WHERE run = ? AND scope = ? AND superstep > ? ORDER BY superstep",
            self._blocks.run, self._scope, after,
        )  # fmt: skip
        with database.lock:
            for column in self._columns:
                del column[known:]
            try:
                for number, first, last, t0, t1, committed, outcome, deliveries in rows:
                    if first > newest:
                        break  # written since the blocks were listed
                    if last is None or last > newest:
                        last, t1, outcome = 0, 0, "open"
                    committed = committed if committed <= newest else 0
                    row = (number, first, last, t0, t1, committed, _OUTCOMES.index(outcome), deliveries)
                    for column, field in zip(self._columns, row, strict=True):
                        column.append(field)
            except (TypeError, ValueError, OverflowError):
                raise RecordingError(f"{database.name} is damaged: its table of supersteps makes no sense.") from None
            if any(a >= b for a, b in pairwise(firsts)):
                raise RecordingError(f"{database.name} is damaged: its supersteps are out of order.")

    def __len__(self) -> int:
        """How many, the open one included."""
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> SuperstepSpan: ...
    @overload
    def __getitem__(self, index: slice) -> list[SuperstepSpan]: ...
    def __getitem__(self, index: int | slice) -> SuperstepSpan | list[SuperstepSpan]:
        """By position, from 0; superstep k is not always at k - 1, as in a resumed run."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number, first, last, t0, t1, committed, outcome, deliveries = (column[index] for column in self._columns)
        if not last:
            last, t1 = self._blocks.last, self._blocks.t
        return SuperstepSpan(self._scope, number, first, last, t0, t1, _OUTCOMES[outcome], deliveries, committed)

    def position_at(self, seq: int) -> int | None:
        """Position of the superstep that contains an event."""
        position = bisect_right(self._columns[1], seq) - 1
        last = self._columns[2]
        return position if position >= 0 and (not last[position] or seq <= last[position]) else None

    def numbered(self, superstep: int) -> int | None:
        """Position of superstep `superstep`."""
        position = bisect_right(self._columns[0], superstep) - 1
        return position if position >= 0 and self._columns[0][position] == superstep else None

    def start_before(self, seq: int, steps: int) -> int:
        """The first event of the superstep at `seq`, or of the `steps`-th before it; `seq` itself outside all."""
        position = bisect_right(self._columns[1], seq) - 1 - steps
        return self._columns[1][max(position, 0)] if len(self) and seq >= self._columns[1][0] else seq

    def committed(self) -> int:
        """How many were committed."""
        return sum(1 for seq in self._columns[5] if seq)


def lanes(database: Database, run: int) -> list[Lane]:
    """Executors by rank, those of a sub-workflow after the executor that hosts it. Raises `RecordingError`."""
    rows: list[Any] = database.rows("SELECT executor, rank, first FROM executors WHERE run = ?", run)
    try:
        ranks = {
            str(executor): (_UNRANKED if rank is None else int(rank), int(first)) for executor, rank, first in rows
        }
    except (TypeError, ValueError):
        raise RecordingError(f"{database.name} is damaged: its table of executors makes no sense.") from None

    def parent(executor: str) -> str:
        host = executor.rpartition("/")[0]
        while host and host not in ranks:
            host = host.rpartition("/")[0]
        return host

    def line(executor: str) -> list[str]:
        return [*line(parent(executor)), executor] if executor else []

    ordered = sorted(ranks, key=lambda executor: [(*ranks[one], one) for one in line(executor)])
    return [Lane(executor, rank, len(line(executor)) - 1, parent(executor)) for rank, executor in enumerate(ordered)]


def overview(codes: bytes, width: int, first: int, last: int) -> list[Bucket]:
    """The events from `first` to `last` in at most `width` buckets of about equal numbers of events."""
    total = last - first + 1
    if width < 1 or total < 1:
        return []
    width = min(width, total)
    buckets = []
    for i in range(width):
        low = first + i * total // width
        high = first + (i + 1) * total // width  # the event after it

        def count(wanted: bytes, low: int = low, high: int = high) -> int:
            return sum(codes.count(code, low - 1, high - 1) for code in wanted)

        buckets.append(
            Bucket(low, high - 1, high - low, count(ERRORS), count(_FINDINGS), count(_WRITES), count(_WAITS))
        )
    return buckets
