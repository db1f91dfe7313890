"""Which cycle keeps a run going (DLK-1): a shortest one through the first active executor that lies on any."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from stepscope.events import EdgeInfo, GraphInfo
from stepscope.kernel.cycles import active_cycle


def graph(*edges: str) -> GraphInfo:
    """ "ab c": an edge from a and one from b, both to c."""
    groups = [
        EdgeInfo(f"{at}:single", "single", list(edge.split()[0]), list(edge.split()[1]), [])
        for at, edge in enumerate(edges)
    ]
    return GraphInfo("graph", "a", [], groups, [])


def test_the_shortest_is_named_and_begins_with_the_active_one() -> None:
    loops = graph("a b", "b c", "c a", "c d", "d c")
    assert active_cycle(loops, ["c"]) == ["c", "d"]
    assert active_cycle(loops, ["d"]) == ["d", "c"]
    assert active_cycle(loops, ["b"]) == ["b", "c", "a"]


def test_of_two_that_are_equally_short_it_is_always_the_same_one() -> None:
    for edges in (("a b", "b a", "a c", "c a"), ("a c", "c a", "a b", "b a")):
        assert active_cycle(graph(*edges), ["a"]) == ["a", "b"]


def test_one_that_sends_to_itself_is_a_cycle_alone() -> None:
    assert active_cycle(graph("a b", "b b", "b a"), ["b"]) == ["b"]


def test_the_first_active_one_that_lies_on_a_cycle_counts() -> None:
    tail = graph("a b", "b a", "b c", "c d", "d d")
    assert active_cycle(tail, ["c", "d"]) == ["d"]
    assert active_cycle(tail, ["c", "b", "d"]) == ["b", "a"]


def test_no_cycle_is_none() -> None:
    assert active_cycle(graph("a b", "b c"), ["a", "c"]) == []
    assert active_cycle(graph("a b", "b b"), ["a"]) == []
    assert active_cycle(graph("a b"), []) == []


def test_an_executor_without_edges_is_passed_over() -> None:
    assert active_cycle(graph("b b"), ["a", "b"]) == ["b"]


def test_groups_of_several_sources_and_targets_are_edges_between_all_of_them() -> None:
    assert active_cycle(graph("ab c", "c da"), ["b"]) == []
    assert active_cycle(graph("ab c", "c da"), ["c"]) == ["c", "a"]


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), max_size=12, unique=True))
def test_it_is_a_cycle_of_the_graph_and_none_is_shorter(pairs: list[tuple[str, str]]) -> None:
    found = active_cycle(graph(*map(" ".join, pairs)), ["a"])
    edges: nx.DiGraph[str] = nx.DiGraph(pairs)
    lengths = [len(cycle) for cycle in nx.simple_cycles(edges) if "a" in cycle]
    assert len(found) == min(lengths, default=0)
    assert all(pair in pairs for pair in zip(found, [*found[1:], *found[:1]], strict=True))
    assert found[:1] == ["a"] * bool(lengths)
