"""Workflows to kill and resume: between them they keep everything a checkpoint holds.

Loops of about a dozen supersteps, of handlers that depend on nothing but what they are given.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Never

from stepscope import (
    Executor,
    StateKey,
    SyncWorkflowContext,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowExecutor,
    handler,
    last,
)

ROUNDS = 4


@dataclass(frozen=True)
class Tick:
    """The beginning of a round."""

    round: int


@dataclass(frozen=True)
class Part:
    """A piece of a round's work."""

    by: str
    round: int
    token: str


async def _ask(text: str) -> str:
    await asyncio.sleep(0)
    return text[::-1]


def _more(tick: Any) -> bool:
    return isinstance(tick, Tick)


class Source(Executor):
    """Begins rounds; remembers them in an attribute."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.seen: list[str] = []

    async def on_checkpoint_save(self) -> dict[str, Any]:
        return {"seen": self.seen}

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]

    @handler
    async def begin(self, tick: Tick, ctx: WorkflowContext[Part, list[str]]) -> None:
        token = str(ctx.uuid())
        self.seen.append(token[:8])
        await ctx.state.set("newest", token)
        await ctx.state.add("order", [f"source {tick.round}"])
        if tick.round < ROUNDS:
            await ctx.send_message(Part("source", tick.round, token))
        else:
            await ctx.yield_output(self.seen)


class Worker(Executor):
    """Uses live state under a lock, with an effect inside; in some rounds it sends twice."""

    def __init__(self, id: str, *twice: int) -> None:
        super().__init__(id)
        self.twice = twice

    @handler
    async def work(self, part: Part, ctx: WorkflowContext[Part, str]) -> None:
        asked = ctx.effect(_ask, f"{self.id} {part.round}")
        async with ctx.state.hold("ledger"):
            ledger = await ctx.state.get("ledger", [])
            await ctx.state.set("ledger", [*ledger, [self.id, part.round, await asked]])
        await ctx.state.update("hits", lambda n: n + 1)
        await ctx.state.add("order", [f"{self.id} {part.round}"])
        for _ in range(1 + (part.round in self.twice)):
            await ctx.send_message(Part(self.id, part.round, f"{ctx.random():.6f}"))
        await ctx.yield_output(f"{self.id} of {part.round}, {await ctx.state.get('newest', '')}")


class Join(Executor):
    """Takes one part of each; what one worker sent too often stays in the buffer."""

    @handler
    async def join(self, parts: list[Part], ctx: WorkflowContext[Tick]) -> None:
        await ctx.state.set("joined", [[part.by, part.round, part.token] for part in parts])
        if parts[0].round % 2:
            await ctx.state.delete("newest")
        await ctx.send_message(Tick(parts[1].round + 1))


def rounds() -> Workflow:
    """Fan-out, fan-in with a growing rest, live, snapshot and reducer keys, effects, an executor with a memory."""
    source, left, right, join = Source("source"), Worker("left", 1, 3), Worker("right"), Join("join")
    return (
        WorkflowBuilder(
            source,
            name="rounds",
            state=[
                StateKey("ledger", initial=[], access="live"),
                StateKey("hits", initial=0, access="live"),
                StateKey("order", initial=[], reducer=operator.add),
            ],
        )
        .add_fan_out_edges(source, [left, right])
        .add_fan_in_edges([left, right], join)
        .add_edge(join, source, _more)
        .build()
    )


class Inner(Executor):
    """Works inside a sub-workflow, and remembers how often it did over all of them."""

    times = 0

    async def on_checkpoint_save(self) -> dict[str, Any]:
        return {"times": self.times}

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        self.times = state["times"]

    @handler
    async def work(self, tick: Tick, ctx: WorkflowContext[Part]) -> None:
        self.times += 1
        await ctx.state.set("inner", await ctx.state.get("inner", 0) + 1)
        await ctx.effect(_ask, str(tick.round))
        await ctx.send_message(Part(self.id, tick.round, f"{self.times} {ctx.uuid()}"))


class Answer(Executor):
    """Ends the sub-workflow."""

    @handler
    async def answer(self, part: Part, ctx: WorkflowContext[Never, Part]) -> None:
        await ctx.yield_output(part)


class Counter(Executor):
    """Counts what came, and begins again."""

    @handler
    async def count(self, part: Part, ctx: WorkflowContext[Tick, str]) -> None:
        await ctx.state.update("count", lambda n: (n or 0) + 1)
        await ctx.yield_output(part.token)
        if part.round < ROUNDS:
            await ctx.send_message(Tick(part.round + 1))


def nested() -> Workflow:
    """A sub-workflow in a loop, with state and a memory of its own."""
    inner = Inner("inner")
    child = WorkflowBuilder(inner, name="child").add_edge(inner, Answer("answer")).build()
    host, counter = WorkflowExecutor(child, id="host"), Counter("counter")
    return WorkflowBuilder(host, name="nested").add_edge(host, counter).add_edge(counter, host, _more).build()


class Async(Executor):
    """Gives the event loop away between any two operations."""

    @handler
    async def work(self, tick: Tick, ctx: WorkflowContext[Part]) -> None:
        await asyncio.sleep(0)
        await ctx.state.set(self.id, tick.round)
        answer = await ctx.effect(_ask, f"{self.id} {tick.round}")
        await ctx.state.add("trail", [answer])
        await asyncio.sleep(0)
        await ctx.send_message(Part(self.id, tick.round, answer))


class Threaded(Executor):
    """Works in a thread."""

    @handler
    def work(self, tick: Tick, ctx: SyncWorkflowContext[Part]) -> None:
        ctx.state.add("trail", [f"{self.id} {ctx.random():.6f}"])
        ctx.state.add("winner", self.id)
        ctx.send_message(Part(self.id, tick.round, str(ctx.state.get("a", -1))))


class Again(Executor):
    """Begins rounds."""

    @handler
    async def begin(self, tick: Tick, ctx: WorkflowContext[Tick, int]) -> None:
        await ctx.yield_output(tick.round)
        await ctx.send_message(tick)

    @handler
    async def end(self, parts: list[Part], ctx: WorkflowContext[Tick, list[str]]) -> None:
        await ctx.yield_output([part.token for part in parts])
        if parts[0].round < ROUNDS:
            await ctx.send_message(Tick(parts[0].round + 1), "again")


def parallel() -> Workflow:
    """Handlers in tasks and in a thread at the same time, over snapshot and reducer state (DET-2)."""
    again, end = Again("again"), Again("end")
    workers = [Async("a"), Threaded("b"), Async("c")]
    return (
        WorkflowBuilder(
            again,
            name="parallel",
            state=[StateKey("trail", initial=[], reducer=operator.add), StateKey("winner", initial="", reducer=last)],
        )
        .add_fan_out_edges(again, workers)
        .add_fan_in_edges(workers, end)
        .add_edge(end, again, _more)
        .build()
    )


FIRST = ("begin", "work")
"""The handlers of the first superstep."""

PROGRAMS: dict[str, tuple[Callable[[], Workflow], dict[str, Any]]] = {
    "rounds": (rounds, {"mode": "deterministic", "seed": 5}),
    "nested": (nested, {"mode": "deterministic"}),
    "parallel": (parallel, {"mode": "concurrent", "seed": 3}),
}
"""How to make each, and the options of its run."""
