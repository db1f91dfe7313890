"""The three workflows every engine runs in the benchmark: ping-pong, a chain of 100, a fan 1-100-1.

Chain and fan go round 20 times in a run, so that what a run costs once does not hide what a delivery costs. Bare
asyncio does the same work by hand: one `create_task` an invocation, one `gather` a superstep.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

from stepscope import Executor, Workflow, WorkflowBuilder, WorkflowContext, handler

ROUNDS = 2000
LENGTH = 100
WIDTH = 100
LAPS = 20

DELIVERIES = {"ping-pong": ROUNDS, "chain": LENGTH * LAPS, "fan": (WIDTH + 2) * LAPS}
SUPERSTEPS = {"ping-pong": ROUNDS, "chain": LENGTH * LAPS, "fan": 3 * LAPS}


class Forward(Executor):
    """Counts down."""

    @handler
    async def take(self, n: int, ctx: WorkflowContext[int, int]) -> None:
        if n > 1:
            await ctx.send_message(n - 1)
        else:
            await ctx.yield_output(n)


class Pass(Executor):
    """Sends on what it gets."""

    @handler
    async def take(self, n: int, ctx: WorkflowContext[int]) -> None:
        await ctx.send_message(n)


class Collect(Executor):
    """Takes the group, and begins the next lap."""

    @handler
    async def take(self, group: list[int], ctx: WorkflowContext[int, int]) -> None:
        if group[0] > 1:
            await ctx.send_message(group[0] - 1)
        else:
            await ctx.yield_output(len(group))


def workflow(shape: str) -> Workflow:
    """A workflow of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cycle without a condition is meant
        if shape == "ping-pong":
            a, b = Forward("a"), Forward("b")
            return WorkflowBuilder(a, max_supersteps=ROUNDS + 1).add_edge(a, b).add_edge(b, a).build()
        if shape == "chain":
            chain = [Forward(f"n{i}") for i in range(LENGTH)]
            builder = WorkflowBuilder(chain[0], max_supersteps=LENGTH * LAPS + 1)
            return builder.add_chain([*chain, chain[0]]).build()
        source, sink = Pass("source"), Collect("sink")
        workers = [Pass(f"w{i}") for i in range(WIDTH)]
        builder = WorkflowBuilder(source, max_supersteps=3 * LAPS + 1).add_fan_out_edges(source, workers)
        return builder.add_fan_in_edges(workers, sink).add_edge(sink, source).build()


def first_message(shape: str) -> int:
    """The input."""
    return {"ping-pong": ROUNDS, "chain": LENGTH * LAPS, "fan": LAPS}[shape]


async def bare(shape: str) -> None:
    """The same by hand: tasks and gather, queues of messages between them."""
    outbox: list[tuple[int, Any]] = []

    async def forward(me: int, n: int) -> None:
        if n > 1:
            outbox.append((me, n - 1))

    async def send_on(me: int, n: int) -> None:
        outbox.append((me, n))

    async def collect(me: int, group: list[int]) -> None:
        if group[0] > 1:
            outbox.append((-1, group[0] - 1))

    Handler = Callable[[int, Any], Awaitable[None]]
    routes: Callable[[list[tuple[int, Any]]], list[tuple[Handler, int, Any]]]
    if shape == "ping-pong":

        def routes(sent: list[tuple[int, Any]]) -> list[tuple[Handler, int, Any]]:
            return [(forward, 1 - me, n) for me, n in sent]

        inbox: list[tuple[Handler, int, Any]] = [(forward, 0, ROUNDS)]
    elif shape == "chain":

        def routes(sent: list[tuple[int, Any]]) -> list[tuple[Handler, int, Any]]:
            return [(forward, (me + 1) % LENGTH, n) for me, n in sent]

        inbox = [(forward, 0, LENGTH * LAPS)]
    else:

        def routes(sent: list[tuple[int, Any]]) -> list[tuple[Handler, int, Any]]:
            if len(sent) != 1:
                return [(collect, WIDTH + 1, [n for _, n in sent])] if sent else []
            me, n = sent[0]
            return [(send_on, 0, n)] if me == -1 else [(send_on, i, n) for i in range(1, WIDTH + 1)]

        inbox = [(send_on, 0, LAPS)]
    while inbox:
        await asyncio.gather(*[asyncio.create_task(run(me, n)) for run, me, n in inbox])  # type: ignore[arg-type]
        sent, outbox[:] = list(outbox), []
        inbox = routes(sent)
