"""Lock orders that could deadlock though nothing hung (DLK-5).

In one superstep, A asks for `y` while it holds `x`, and B asks for `x` while it holds `y`: had the schedule been
another, both would wait for ever. The same for longer cycles. Executors on the cycle must differ, as one handles one
message at a time (ORD-5), and no key may have been held throughout by two of them, as that key keeps them apart (the
gate locks of Havelund: Using Runtime Analysis to Guide Model Checking of Java Programs, 2000).

It cannot see an order that no handler took in this run, nor what other supersteps do: these never overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..events import (
    AnyEvent,
    Found,
    HandlerEnded,
    LockAcquired,
    LockReleased,
    LockWaiting,
    RunStarted,
    StateRead,
    StateWritten,
    SuperstepStarted,
)
from ..findings import Finding

_LONGEST = 8
"""Keys on the longest cycle that is looked for."""


@dataclass(frozen=True, slots=True)
class _Step:
    """`executor` asked for a key at `seq` while it held `held`, in the order taken."""

    seq: int
    executor: str
    held: tuple[str, ...]


class _Superstep:
    """The lock orders of one superstep of one scope."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.held: dict[int, tuple[str, ...]] = {}
        self.orders: dict[tuple[str, str], dict[str, _Step]] = {}

    def take(self, event: AnyEvent) -> None:
        """An event of this superstep."""
        if isinstance(event, LockAcquired):
            self._asks(event)
            self.held[event.inv] = (*self.held.get(event.inv, ()), event.key)
        elif isinstance(event, LockReleased):
            self.held[event.inv] = tuple(key for key in self.held.get(event.inv, ()) if key != event.key)
        elif isinstance(event, HandlerEnded):
            self.held.pop(event.inv, None)
        elif isinstance(event, LockWaiting) or (
            isinstance(event, (StateRead, StateWritten)) and event.access == "live"
        ):
            self._asks(event)

    def _asks(self, event: LockAcquired | LockWaiting | StateRead | StateWritten) -> None:
        inv, executor, key, seq = event.inv, event.executor, event.key, event.seq
        held = self.held.get(inv, ())
        if key not in held:
            for before in held:
                self.orders.setdefault((before, key), {}).setdefault(executor, _Step(seq, executor, held))


def lock_orders(events: Iterable[AnyEvent]) -> list[Finding]:
    """Potential deadlocks of one run, in the order of their culprits, each set of keys once.

    `events` are a run's, in `seq` order. A deadlock that did happen there is not repeated as a possible one.
    """
    orders = LockOrders()
    for event in events:
        orders.take(event)
    return orders.findings()


class LockOrders:
    """Takes a run's events one by one; see `lock_orders`."""

    def __init__(self) -> None:
        """Nothing taken yet."""
        self._open: dict[int, _Superstep] = {}
        self._known: set[tuple[int, frozenset[str]]] = set()
        self._found: list[Finding] = []
        self._run_id = ""

    def take(self, event: AnyEvent) -> None:
        """The run's next event."""
        if isinstance(event, SuperstepStarted):
            self._close(event.scope)
            self._open[event.scope] = _Superstep(event.superstep)
        elif isinstance(event, RunStarted):
            self._run_id = self._run_id or event.run_id
        elif isinstance(event, Found):
            if event.finding == "deadlock":
                self._known.add((event.scope, frozenset(event.locks)))
        elif event.scope in self._open:
            self._open[event.scope].take(event)

    def findings(self) -> list[Finding]:
        """What the events taken so far show."""
        for scope in list(self._open):
            self._close(scope)
        return sorted(self._found, key=lambda finding: finding.seqs)

    def _close(self, scope: int) -> None:
        step = self._open.pop(scope, None)
        if step is None or len(step.orders) < 2:
            return
        for keys in _cycles(step):
            if (scope, frozenset(keys)) in self._known:
                continue
            steps = _witnesses(step, keys, [])
            if steps is not None:
                self._known.add((scope, frozenset(keys)))
                self._found.append(_finding(self._run_id, step.number, keys, steps))


def _cycles(step: _Superstep) -> Iterator[list[str]]:
    import networkx as nx  # slow to import, and needed only where holds are nested in more than one order

    graph: nx.DiGraph[str] = nx.DiGraph(sorted(step.orders))
    for part in sorted(sorted(part) for part in nx.strongly_connected_components(graph)):
        if len(part) > 1:
            found = [_rotated(cycle) for cycle in nx.simple_cycles(graph.subgraph(part), length_bound=_LONGEST)]
            yield from sorted(found, key=lambda keys: (len(keys), keys))


def _rotated(cycle: list[str]) -> list[str]:
    first = cycle.index(min(cycle))
    return cycle[first:] + cycle[:first]


def _witnesses(step: _Superstep, keys: list[str], chosen: list[_Step]) -> list[_Step] | None:
    """For each order on the cycle an executor that took it, all different, none kept apart by a common key."""
    at = len(chosen)
    if at == len(keys):
        return chosen
    takers = step.orders[keys[at], keys[(at + 1) % len(keys)]]
    for one in sorted(takers.values(), key=lambda taker: taker.seq):
        if any(one.executor == other.executor or set(one.held) & set(other.held) for other in chosen):
            continue
        found = _witnesses(step, keys, [*chosen, one])
        if found is not None:
            return found
    return None


def _finding(run_id: str, superstep: int, keys: list[str], steps: list[_Step]) -> Finding:
    story = "; ".join(
        f"{step.executor!r} asked for {after!r} while it held {before!r} (#{step.seq})"
        for step, before, after in zip(steps, keys, keys[1:] + keys[:1], strict=True)
    )
    return Finding(
        kind="potential-deadlock",
        message=f"under another schedule these would wait for each other for ever: {story}.",
        remedy=f"Take the keys in one `hold({', '.join(map(repr, sorted(keys)))})`, or everywhere in the same order.",
        clause="DLK-5",
        superstep=superstep,
        executors=[step.executor for step in steps],
        locks=sorted(keys),
        seqs=[step.seq for step in steps],
        confidence="predicted",
        run_id=run_id,
    )
