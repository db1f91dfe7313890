"""What docs/guide/moving-from-langgraph.md says about LangGraph is what it does: a program for each row.

Skipped where it is not installed.
"""

from __future__ import annotations

import asyncio
import inspect
import operator
import threading
import time
from typing import Annotated, Any, TypedDict

import pytest

from support.claims import Claims

pytest.importorskip("langgraph.graph")

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError, InvalidUpdateError
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Send

claim = Claims("moving-from-langgraph.md", "## Guarantee by guarantee")


class State(TypedDict, total=False):
    """What the programs below share."""

    plain: Any
    objects: Any
    log: Annotated[list[Any], operator.add]


CONFIG: Any = {"configurable": {"thread_id": "1"}}


def side_by_side(nodes: dict[str, Any], **options: Any) -> Any:
    """Nodes that run in one superstep."""
    graph = StateGraph(State)
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(START, name)
    return graph.compile(**options)


def logs(what: str) -> Any:
    """A node that adds to the log."""

    async def node(state: State) -> State:
        return {"log": [what]}

    return node


@claim("In which order are updates of one superstep merged?")
def by_name() -> None:
    assert asyncio.run(side_by_side({"b": logs("b"), "a": logs("a")}).ainvoke({"log": []}))["log"] == ["a", "b"]
    assert asyncio.run(side_by_side({"b": logs("b"), "z": logs("z")}).ainvoke({"log": []}))["log"] == ["b", "z"]


@claim("Two nodes write one plain key")
def conflict() -> None:
    async def writes(state: State) -> State:
        return {"plain": 1}

    async def main() -> None:
        graph = side_by_side({"a": writes, "b": writes}, checkpointer=InMemorySaver())
        with pytest.raises(InvalidUpdateError):
            await graph.ainvoke({"log": []}, CONFIG)
        with pytest.raises(InvalidUpdateError):
            await graph.ainvoke(None, CONFIG)
        with pytest.raises(InvalidUpdateError):
            await graph.aget_state(CONFIG)

    asyncio.run(main())


@claim("A node changes an object of the state in place")
def in_place() -> None:
    async def main() -> tuple[Any, Any]:
        changed = asyncio.Event()
        seen: list[Any] = []

        async def changes(state: State) -> State:
            state["objects"].append(1)
            changed.set()
            return {}

        async def looks(state: State) -> State:
            await changed.wait()
            seen.extend(state["objects"])
            return {}

        graph = side_by_side({"changes": changes, "looks": looks})
        return seen, (await graph.ainvoke({"objects": []}))["objects"]

    assert asyncio.run(main()) == ([1], [1])


@claim("Five nodes read, wait, and write `k + 1`")
def lost_updates() -> None:
    store = InMemoryStore()
    store.put(("n",), "k", {"n": 0})

    async def counts(state: State) -> State:
        item = await store.aget(("n",), "k")
        await asyncio.sleep(0.01)
        await store.aput(("n",), "k", {"n": item.value["n"] + 1})
        return {}

    asyncio.run(side_by_side(dict.fromkeys("abcde", counts), store=store).ainvoke({"log": []}))
    assert store.get(("n",), "k").value == {"n": 1}


@claim("A join waits for a node that never runs")
def starved_join() -> None:
    graph = StateGraph(State)
    for name in ("start", "loud", "silent", "join"):
        graph.add_node(name, logs(name))
    graph.add_edge(START, "start")
    graph.add_conditional_edges("start", lambda state: "loud", ["loud", "silent"])
    graph.add_edge(["loud", "silent"], "join")
    assert asyncio.run(graph.compile().ainvoke({"log": []}))["log"] == ["start", "loud"]


@claim("A loop that never ends")
def loop() -> None:
    graph = StateGraph(State)
    graph.add_node("ping", logs("ping"))
    graph.add_node("pong", logs("pong"))
    graph.add_edge(START, "ping")
    graph.add_edge("ping", "pong")
    graph.add_edge("pong", "ping")
    with pytest.raises(GraphRecursionError) as caught:
        asyncio.run(graph.compile().ainvoke({"log": []}, {"recursion_limit": 10}))
    assert "ping" not in str(caught.value)


@claim("One node raises")
def failure() -> None:
    async def main() -> tuple[list[str], Any]:
        ran: list[str] = []
        quick_done = asyncio.Event()

        async def quick(state: State) -> State:
            ran.append("quick")
            quick_done.set()
            return {"log": ["quick"]}

        async def bad(state: State) -> State:
            ran.append("bad")
            await quick_done.wait()
            await asyncio.sleep(0.05)
            if ran.count("bad") == 1:
                raise ConnectionError
            return {"log": ["bad"]}

        async def slow(state: State) -> State:
            ran.append("slow")
            if ran.count("slow") == 1:
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    ran.append("slow is cancelled")
                    raise
            return {"log": ["slow"]}

        graph = side_by_side({"quick": quick, "bad": bad, "slow": slow}, checkpointer=InMemorySaver())
        with pytest.raises(ConnectionError):
            await graph.ainvoke({"log": []}, CONFIG)
        resumed = await graph.ainvoke(None, CONFIG)
        return ran, sorted(resumed["log"])

    ran, log = asyncio.run(main())
    assert "slow is cancelled" in ran
    assert ran.count("quick") == 1, "it is not done again"
    assert log == ["bad", "quick", "slow"]


@claim("Several `Send`s to one node")
def many_sends() -> None:
    async def main() -> Any:
        together = asyncio.Barrier(3)

        async def work(n: int) -> State:
            await asyncio.wait_for(together.wait(), 5)
            await asyncio.sleep((3 - n) / 100)
            return {"log": [n]}

        graph: Any = StateGraph(State)
        graph.add_node("start", logs("start"))
        graph.add_node("work", work)
        graph.add_edge(START, "start")
        graph.add_conditional_edges("start", lambda state: [Send("work", n) for n in (1, 2, 3)], ["work"])
        graph.add_edge("work", END)
        return (await graph.compile().ainvoke({"log": []}))["log"]

    assert asyncio.run(main()) == ["start", 1, 2, 3]


@claim("An async node blocks for 300 ms")
def blocked_loop() -> None:
    took: list[float] = []

    async def ticks(state: State) -> State:
        before = time.perf_counter()
        await asyncio.sleep(0.01)
        took.append(time.perf_counter() - before)
        return {}

    async def blocks(state: State) -> State:
        time.sleep(0.3)  # noqa: ASYNC251 -- the claim
        return {}

    asyncio.run(side_by_side({"a": ticks, "b": blocks}).ainvoke({"log": []}))
    assert took[0] >= 0.29


@claim("A plain function as a node")
def plain_function() -> None:
    threads: list[threading.Thread] = []

    def plain(state: State) -> State:
        threads.append(threading.current_thread())
        return {}

    asyncio.run(side_by_side({"plain": plain}).ainvoke({"log": []}))
    assert threads[0] is not threading.main_thread()


@claim("A checkpoint cannot be written")
def failing_checkpoint() -> None:
    class Full(InMemorySaver):
        async def aput(self, *args: Any, **kwargs: Any) -> Any:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        asyncio.run(side_by_side({"a": logs("a")}, checkpointer=Full()).ainvoke({"log": []}, CONFIG))


@claim("Can a run be repeated exactly?")
def no_seed() -> None:
    for function in (CompiledStateGraph.ainvoke, StateGraph.compile):
        assert not [name for name in inspect.signature(function).parameters if "seed" in name or "determin" in name]


@pytest.mark.parametrize("question", claim.programs)
def test_a_row_says_what_is_so(question: str) -> None:
    claim.programs[question]()


def test_every_row_has_its_program() -> None:
    claim.check()
