"""Which cycle of the graph keeps a run going (DLK-1)."""

from __future__ import annotations

from collections.abc import Sequence

from ..events import GraphInfo


def active_cycle(graph: GraphInfo, active: Sequence[str]) -> list[str]:
    """A shortest cycle through the first active executor that lies on one, beginning there; empty if there is none."""
    import networkx as nx  # slow to import, and needed only by runs that fail to end

    edges: nx.DiGraph[str] = nx.DiGraph()
    for edge in graph.edges:
        edges.add_edges_from((source, target) for source in edge.sources for target in edge.targets)
    for executor in active:
        if executor not in edges:
            continue
        loops = [
            nx.shortest_path(edges, after, executor)
            for after in edges.successors(executor)
            if nx.has_path(edges, after, executor)
        ]
        if loops:
            shortest = min(loops, key=lambda path: (len(path), path))
            return [executor, *shortest[:-1]]
    return []
