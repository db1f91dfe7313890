"""The wait-for graph of a run, built from its events alone, with networkx: an oracle for deadlocks (DLK-2).

Nodes are invocations. One that waits for a key points at whoever holds it. Nothing here asks the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import networkx as nx

from stepscope.events import (
    AnyEvent,
    Found,
    HandlerEnded,
    LockAcquired,
    LockReleased,
    LockWaiting,
    StateRead,
    StateWritten,
    SuperstepStarted,
)

Asked = LockWaiting | LockAcquired
"""What can close a cycle: to wait for a key, or to be given one while another task of the invocation waits."""


class WaitFor:
    """Feeds on one run's events; an `AssertionError` says where a deadlock was reported too late, or without being one.

    `deadlocks` has, for each one reported, the event that closed its cycle and the report. Nothing is asserted any more
    once a handler has failed: those who are cancelled leave queues without a word.
    """

    def __init__(self) -> None:
        self.holder: dict[tuple[int, str], int] = {}
        """By scope and key."""
        self.waits: list[tuple[int, str, int]] = []
        """Scope, key, who waits; as often as it waits, in order of time."""
        self.names: dict[int, str] = {}
        self.deadlocks: list[tuple[Asked, Found]] = []
        self.unwinding = False
        self._last: AnyEvent | None = None

    def graph(self) -> Any:
        """Who waits for whom now."""
        edges: Any = nx.MultiDiGraph()
        for scope, key, inv in self.waits:
            holder = self.holder.get((scope, key))
            if holder is not None and holder != inv:
                edges.add_edge(inv, holder, key=key)
        return edges

    def feed(self, event: AnyEvent) -> None:
        """Take the next event."""
        if self.unwinding:
            return
        last, self._last = self._last, event
        reported = isinstance(event, Found) and event.finding == "deadlock"
        if isinstance(last, Asked):
            closed = not nx.is_directed_acyclic_graph(self.graph())
            # a hold of several keys that was given one on its way goes on to the others in the same step
            same_step = isinstance(last, LockAcquired) and isinstance(event, Asked) and event.inv == last.inv
            assert closed == reported or (closed and same_step), f"{last} closes {closed=} a cycle, then comes {event}"
            if reported:
                assert isinstance(event, Found)
                self._named(event)
                self.deadlocks.append((last, event))
                if isinstance(last, LockWaiting):
                    self.waits.remove((last.scope, last.key, last.inv))
                return
        assert not reported, f"{event} does not follow what closed its cycle"
        self._apply(event)

    def _apply(self, event: AnyEvent) -> None:
        match event:
            case SuperstepStarted():
                assert not any(scope == event.scope for scope, _ in self.holder), "held across a barrier"
                assert not any(scope == event.scope for scope, _, _ in self.waits), "waited across a barrier"
            case LockWaiting():
                self.names[event.inv], self.names[event.holder] = event.executor, event.holder_executor
                assert self.holder.get((event.scope, event.key), event.holder) == event.holder
                self.waits.append((event.scope, event.key, event.inv))
            case LockAcquired():
                self.names[event.inv] = event.executor
                assert (event.scope, event.key) not in self.holder
                self.holder[event.scope, event.key] = event.inv
                self._through(event.scope, event.key, event.inv)
            case LockReleased():
                assert self.holder.pop((event.scope, event.key)) == event.inv
            case StateRead() | StateWritten() if event.access == "live":
                if (event.scope, event.key) not in self.holder:  # its turn came between two holders
                    self._through(event.scope, event.key, event.inv, only_first=True)
            case HandlerEnded():
                self.unwinding = event.outcome != "completed"
            case _:
                pass

    def _through(self, scope: int, key: str, inv: int, only_first: bool = False) -> None:
        """It waits no longer: all of its tasks are owners when one is, but a plain operation is one task's."""
        mine = [one for one in self.waits if one == (scope, key, inv)]
        for one in mine[:1] if only_first else mine:
            self.waits.remove(one)

    def _named(self, found: Found) -> None:
        """The report names the executors and keys of one cycle of the graph, all of them and no more."""
        graph = self.graph()
        for cycle in nx.simple_cycles(nx.DiGraph(graph)):
            pairs = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
            keys = [set(graph[one][other]) for one, other in pairs]
            if {self.names[inv] for inv in cycle} == set(found.executors) and all(
                held & set(found.locks) for held in keys
            ):
                assert set(found.locks) <= set[str]().union(*keys)
                assert len(found.locks) <= len(cycle)
                return
        raise AssertionError(f"{found.executors} and {found.locks} are no cycle of {list(graph.edges(keys=True))}")


def deadlocks_of(events: Iterable[AnyEvent]) -> list[tuple[Asked, Found]]:
    """Check a whole run; gives what closed each cycle, and its report."""
    graph = WaitFor()
    for event in events:
        graph.feed(event)
    return graph.deadlocks
