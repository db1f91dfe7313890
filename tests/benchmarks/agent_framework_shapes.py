"""The benchmark's shapes as Agent Framework programs; importable only where it is installed."""

from typing import Any

from agent_framework import Executor, WorkflowBuilder, WorkflowContext, handler

from .shapes import LAPS, LENGTH, ROUNDS, WIDTH


class Forward(Executor):
    """Counts down."""

    @handler
    async def take(self, n: int, ctx: WorkflowContext[int, int]) -> None:
        """One step."""
        if n > 1:
            await ctx.send_message(n - 1)
        else:
            await ctx.yield_output(n)


class Pass(Executor):
    """Sends on what it gets."""

    @handler
    async def take(self, n: int, ctx: WorkflowContext[int]) -> None:
        """One step."""
        await ctx.send_message(n)


class Collect(Executor):
    """Takes the group."""

    @handler
    async def take(self, group: list[int], ctx: WorkflowContext[int, int]) -> None:
        """The end of a lap."""
        if group[0] > 1:
            await ctx.send_message(group[0] - 1)
        else:
            await ctx.yield_output(len(group))


def workflow(shape: str) -> Any:
    """A built workflow."""
    if shape == "ping-pong":
        a, b = Forward(id="a"), Forward(id="b")
        return WorkflowBuilder(start_executor=a, max_iterations=ROUNDS + 1).add_edge(a, b).add_edge(b, a).build()
    if shape == "chain":
        chain = [Forward(id=f"n{i}") for i in range(LENGTH)]
        return (
            WorkflowBuilder(start_executor=chain[0], max_iterations=LENGTH * LAPS + 1)
            .add_chain([*chain, chain[0]])
            .build()
        )
    source, sink = Pass(id="source"), Collect(id="sink")
    workers = [Pass(id=f"w{i}") for i in range(WIDTH)]
    builder = WorkflowBuilder(start_executor=source, max_iterations=3 * LAPS + 1).add_fan_out_edges(source, workers)
    return builder.add_fan_in_edges(workers, sink).add_edge(sink, source).build()
