"""The benchmark's shapes as LangGraph programs; importable only where it is installed."""

import operator
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from .shapes import LENGTH, WIDTH


class Numbers(TypedDict):
    """A counter."""

    n: int


class Gathered(TypedDict):
    """A counter, and a list that merges."""

    n: int
    got: Annotated[list[int], operator.add]


async def forward(state: Any) -> dict[str, Any]:
    """One step."""
    return {"n": state["n"] - 1}


async def send_on(state: Gathered) -> dict[str, Any]:
    """One step."""
    return {"got": [state["n"]]}


async def nothing(state: Gathered) -> dict[str, Any]:
    """An end."""
    return {}


def graph(shape: str) -> Any:
    """A compiled graph."""
    made: Any
    if shape == "ping-pong":
        made = StateGraph(Numbers)
        for me, other in (("a", "b"), ("b", "a")):
            made.add_node(me, forward)
            made.add_conditional_edges(me, lambda state, other=other: other if state["n"] else END, [other, END])
        made.add_edge(START, "a")
    elif shape == "chain":
        made = StateGraph(Numbers)
        names = [f"n{i}" for i in range(LENGTH)]
        for name in names:
            made.add_node(name, forward)
        for one, following in pairwise([START, *names]):
            made.add_edge(one, following)
        made.add_conditional_edges(names[-1], lambda state: names[0] if state["n"] else END, [names[0], END])
    else:
        made = StateGraph(Gathered)
        made.add_node("source", nothing)
        made.add_node("sink", forward)
        made.add_edge(START, "source")
        names = [f"w{i}" for i in range(WIDTH)]
        for name in names:
            made.add_node(name, send_on)
            made.add_edge("source", name)
        made.add_edge(names, "sink")
        made.add_conditional_edges("sink", lambda state: "source" if state["n"] else END, ["source", END])
    return made.compile()
