"""How many messages each fan-in keeps, at any moment of a run (ORD-4): counted forward once, a little at a time."""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import TYPE_CHECKING

from stepscope.events import Delivered, Resumed, Routed, RunStarted

if TYPE_CHECKING:
    from stepscope_tracing import Run

_KINDS = (Routed.kind, Delivered.kind, Resumed.kind)


class Buffers:
    """Counts while it is fed. A run without fan-ins is known at once."""

    def __init__(self, run: Run) -> None:
        """Nothing counted yet."""
        self._run = run
        self._fed = 0
        self._kept: dict[tuple[int, str], int] = {}
        self._history: dict[str, tuple[list[int], list[int]]] = {}
        self._any = _has_fan_in(run)

    def known(self, seq: int) -> bool:
        """Whether the count has come as far as `seq`."""
        return not self._any or self._fed >= min(seq, self._run.last)

    def feed(self, seq: int, seconds: float) -> bool:
        """Count on towards `seq` for at most about `seconds`; whether it is known now."""
        until = time.monotonic() + seconds
        while not self.known(seq):
            at = self._run.next(self._fed, kinds=_KINDS)
            if at is None or at > seq:
                self._fed = min(seq, self._run.last)
                break
            self._take(at)
            self._fed = at
            if time.monotonic() >= until:
                break
        return self.known(seq)

    def at(self, seq: int) -> dict[str, int]:
        """Messages kept for each executor once the event at `seq` has happened; only what is known."""
        out = {}
        for executor, (seqs, counts) in self._history.items():
            index = bisect_right(seqs, seq) - 1
            if index >= 0 and counts[index]:
                out[executor] = counts[index]
        return out

    def _take(self, seq: int) -> None:
        event = self._run.event(seq)
        if isinstance(event, Routed) and event.decision == "buffered":
            key = (event.message, event.target)
            if key not in self._kept:
                self._kept[key] = seq
                self._count(event.target, seq, 1)
        elif isinstance(event, Resumed):
            for one in event.waiting:
                if one.edge:
                    self._kept[one.messages[0], one.target] = seq
                    self._count(one.target, seq, 1)
        elif isinstance(event, Delivered):
            for message in event.messages:
                if self._kept.pop((message, event.executor), 0):
                    self._count(event.executor, seq, -1)

    def _count(self, executor: str, seq: int, by: int) -> None:
        seqs, counts = self._history.setdefault(executor, ([], []))
        total = (counts[-1] if counts else 0) + by
        if seqs and seqs[-1] == seq:
            counts[-1] = total
        else:
            seqs.append(seq)
            counts.append(total)


def _has_fan_in(run: Run) -> bool:
    """Whether the run's graph has one, or hosts sub-workflows, whose graphs are not known beforehand."""
    if any(edge.kind == "fan-in" for edge in run.graph.edges):
        return True
    return run.next(1, kinds=(RunStarted.kind,)) is not None
