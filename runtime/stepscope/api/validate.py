"""What makes a graph unbuildable, and what makes it suspicious: one sentence each, naming all offenders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Never

from ..errors import WorkflowError
from ..statekey import StateKey
from .edges import EdgeSpec, id_of
from .executor import Executor
from .matching import may_flow, name_of

if TYPE_CHECKING:
    import networkx as nx


class WorkflowWarning(UserWarning):
    """A workflow was built, but something in it is probably a mistake."""


def _pairs(edges: Sequence[EdgeSpec]) -> Iterator[tuple[str, str, EdgeSpec]]:
    for edge in edges:
        for source in edge.sources:
            for target in edge.targets:
                yield id_of(source), id_of(target), edge


def _graph(ids: Sequence[str], edges: Sequence[EdgeSpec]) -> nx.DiGraph[str]:
    import networkx as nx  # slow to import, and needed only when something is built

    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(ids)
    graph.add_edges_from((source, target) for source, target, _ in _pairs(edges))
    return graph


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def problems(
    ids: Sequence[str],
    executors: Mapping[str, Executor],
    doubled: Sequence[str],
    edges: Sequence[EdgeSpec],
    start: str,
    keys: Sequence[StateKey],
) -> list[str]:
    """What must be mended before the workflow can be built."""
    import networkx as nx

    found = []
    if doubled:
        found.append(f"Two executors have the same id: {_list(sorted(set(doubled)))}; give each its own.")
    unknown = [one for one in ids if one not in executors]
    if unknown:
        found.append(f"No executor has the id {_list(unknown)}; mention the executor itself in an edge.")
    for one in executors.values():
        try:
            _ = one.handlers
        except WorkflowError as error:
            found.append(str(error)[:1].upper() + str(error)[1:])
    twice = [pair for pair, count in Counter((s, t) for s, t, _ in _pairs(edges)).items() if count > 1]
    if twice:
        shown = ", ".join(f"{source!r} -> {target!r}" for source, target in twice)
        found.append(
            f"There is more than one edge between {shown} (ORD-1); use one edge, and one condition, for the two."
        )
    small = [id_of(edge.targets[0]) for edge in edges if edge.kind == "fan-in" and len(edge.sources) < 2]
    if small:
        found.append(f"The fan-in into {_list(small)} has fewer than two sources; use add_edge.")
    graph = _graph(ids, edges)
    if unknown:
        return found
    reached = {start, *nx.descendants(graph, start)}
    lost = [one for one in ids if one not in reached]
    if lost:
        found.append(f"From the start {start!r} there is no way to {_list(lost)}; add an edge, or leave them out.")
    alive = _can_run(start, edges)
    for edge in edges:
        if edge.kind != "fan-in":
            continue
        never = [id_of(source) for source in edge.sources if id_of(source) in reached and id_of(source) not in alive]
        if never:
            found.append(
                f"The fan-in into {id_of(edge.targets[0])!r} can never fire: it waits for {_list(never)}, reachable only "
                f"through it."
            )
    names = [key.name for key in keys]
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        found.append(f"State key {_list(repeated)} is declared more than once.")
    return found


def _can_run(start: str, edges: Sequence[EdgeSpec]) -> set[str]:
    """Which executors could ever get a message, a fan-in's target only once all its sources could."""
    alive = {start}
    grew = True
    while grew:
        grew = False
        for edge in edges:
            sources = [id_of(source) in alive for source in edge.sources]
            fires = all(sources) if edge.kind == "fan-in" else any(sources)
            targets = {id_of(target) for target in edge.targets}
            if fires and not targets <= alive:
                alive |= targets
                grew = True
    return alive


def suspicions(executors: Mapping[str, Executor], edges: Sequence[EdgeSpec]) -> list[str]:
    """What can be built but is probably a mistake."""
    return [*_untaken(executors, edges), *_endless(executors, edges)]


def _untaken(executors: Mapping[str, Executor], edges: Sequence[EdgeSpec]) -> Iterator[str]:
    takers: dict[str, list[Executor]] = {}
    grouped = {id_of(source) for edge in edges if edge.kind == "fan-in" for source in edge.sources}
    for source, target, _ in _pairs(edges):
        takers.setdefault(source, []).append(executors[target])
    for source, targets in takers.items():
        if source in grouped:  # a group's members are not looked into
            continue
        for spec in executors[source].handlers:
            sends = spec.sends
            if sends in (Never, type(None)):
                continue
            if not any(may_flow(sends, taken.message_type) for target in targets for taken in target.handlers):
                yield (
                    f"{source!r} sends {name_of(sends)}, which no handler of {_list([t.id for t in targets])} takes; "
                    f"such messages would be dropped (ORD-8)."
                )


def _endless(executors: Mapping[str, Executor], edges: Sequence[EdgeSpec]) -> Iterator[str]:
    import networkx as nx

    always = [edge for edge in edges if edge.select is None and edge.kind != "switch-case" and not any(edge.tests)]
    graph = _graph(list(executors), always)
    for ring in sorted((sorted(part) for part in nx.strongly_connected_components(graph)), key=str):
        if len(ring) > 1 or graph.has_edge(ring[0], ring[0]):
            yield (
                f"{_list(ring)} form a cycle in which no edge has a condition; it ends only when a handler sends nothing "
                f"(DLK-1)."
            )
