"""Finding events by what they are, whose they are and where they belong, decoding as few as possible.

Kinds are found in the codes, executors in the index; only what is left is decoded and looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable

import msgspec

from stepscope.events import AnyEvent

from .blocks import Blocks
from .codec import codes_for, pattern_of
from .index import Index
from .timeline import Supersteps


class Where(msgspec.Struct, frozen=True):
    """Which events are wanted; whatever is empty or None does not matter."""

    kinds: frozenset[str] = frozenset()
    executor: str | None = None
    superstep: int | None = None
    scope: int | None = None
    inv: int | None = None


class EventLog:
    """The events of one run, filtered."""

    def __init__(self, blocks: Blocks, index: Callable[[], Index], spans: Callable[[int], Supersteps]) -> None:
        """`index` builds the index if need be; `spans` gives a scope's supersteps."""
        self._blocks = blocks
        self._index = index
        self._spans = spans

    def events(self, first: int, n: int | None, where: Where) -> list[AnyEvent]:
        """See `Run.events`."""
        low, high = max(first, 1), self._blocks.last
        if where == _ANY:
            return list(self._blocks.iterate(low, high if n is None else min(high, low + n - 1)))
        scope, superstep, inv = where.scope, where.superstep, where.inv
        if superstep is not None:
            scope = 0 if scope is None else scope
            begin, end = self._extent(superstep, scope)
            low, high = max(low, begin), min(high, end)
        if inv is not None:
            index = self._index()
            row = index.inv_row.get(inv)
            if row is None:
                return []
            low = max(low, index.invocations.delivered[row])
            high = min(high, index.invocations.ended[row] or high)
        found: list[AnyEvent] = []
        for seq in self._candidates(low, high, where):
            if n is not None and len(found) >= n:
                break
            event = self._blocks.event(seq)
            if (
                (scope is None or event.scope == scope)
                and (superstep is None or event.superstep == superstep)
                and (inv is None or getattr(event, "inv", None) == inv)
            ):
                found.append(event)
        return found

    def _extent(self, superstep: int, scope: int) -> tuple[int, int]:
        """First and last event that can belong to a superstep; those before the first belong to what was before it."""
        spans = self._spans(scope)
        position = spans.numbered(superstep)
        if position is None:
            if not len(spans):
                return 1, self._blocks.last
            return (1, spans[0].first) if superstep < spans[0].superstep else (1, 0)
        following = spans[position + 1].first - 1 if position + 1 < len(spans) else self._blocks.last
        return spans[position].first, following

    def _candidates(self, low: int, high: int, where: Where) -> Iterable[int]:
        """The seqs in [low, high] with one of the kinds, of the executor."""
        if where.executor is not None:
            lane = self._index().lanes.get(where.executor, ())
            seqs: Iterable[int] = (lane[i] for i in range(bisect_left(lane, low), bisect_right(lane, high)))
            if not where.kinds:
                return seqs
            wanted, codes = codes_for(where.kinds), self._blocks.codes
            return (seq for seq in seqs if codes[seq - 1] in wanted)
        if where.kinds:
            return self._blocks.matching(pattern_of(codes_for(where.kinds)), low, high)
        return range(low, high + 1)

    def next(self, seq: int, where: Where) -> int | None:
        """The nearest after `seq` of the wanted kinds and executor."""
        return next(iter(self._candidates(max(seq, 0) + 1, self._blocks.last, where)), None)

    def previous(self, seq: int, where: Where) -> int | None:
        """The nearest before `seq` of the wanted kinds and executor."""
        codes, before = self._blocks.codes, min(seq - 1, self._blocks.last)
        wanted = codes_for(where.kinds) if where.kinds else b""
        if where.executor is not None:
            lane = self._index().lanes.get(where.executor, ())
            for i in range(bisect_right(lane, before) - 1, -1, -1):
                if not wanted or codes[lane[i] - 1] in wanted:
                    return lane[i]
            return None
        if wanted:
            before = 1 + max(codes.rfind(code, 0, max(before, 0)) for code in wanted)
        return before if before >= 1 else None


_ANY = Where()
