"""A lost update on a live key, and three cures.

Three agents spend tokens from one budget: each reads what is spent so far, thinks, and writes back its sum.
All three read 0, so two of the three writes are lost. Nothing raised and nothing was logged.

Run it:     python samples/lost_updates.py
Record it:  stepscope record --record lost.stepscope samples/lost_updates.py
Open it:    stepscope open lost.stepscope        (four runs; the first one is wrong)

Look at superstep 2. Select the key `spent` and press `{` and `}`: each write says it was computed from a 0
that another agent's write had already replaced. Press `e` for the finding. In the runs of the cures the same
key goes up step by step (`update`), each agent waits for the one before it (`hold`), or nobody waits and the
barrier merges what all three contributed (a reducer).
"""

from __future__ import annotations

import asyncio
import operator

from stepscope import Executor, StateKey, Workflow, WorkflowBuilder, WorkflowContext, handler

COSTS = [10, 20, 30]


class Split(Executor):
    """Gives each agent its own share of the work."""

    @handler
    async def split(self, costs: list[int], ctx: WorkflowContext[int]) -> None:
        for number, cost in enumerate(costs):
            await ctx.send_message(cost, target_id=f"agent{number}")


class Agent(Executor):
    """The mistake: between the read and the write others may write."""

    @handler
    async def spend(self, cost: int, ctx: WorkflowContext[int]) -> None:
        spent = await ctx.state.get("spent", 0)
        await ctx.sleep(0.01)  # the model thinks
        await ctx.state.set("spent", spent + cost)


class UpdatingAgent(Executor):
    """Cure 1: one atomic read-modify-write, after the thinking."""

    @handler
    async def spend(self, cost: int, ctx: WorkflowContext[int]) -> None:
        await ctx.sleep(0.01)
        await ctx.state.update("spent", lambda spent: spent + cost)


class HoldingAgent(Executor):
    """Cure 2: the key is held from the read to the write; the others wait. For when thinking needs the value."""

    @handler
    async def spend(self, cost: int, ctx: WorkflowContext[int]) -> None:
        async with ctx.state.hold("spent"):
            spent = await ctx.state.get("spent", 0)
            await ctx.sleep(0.01)
            await ctx.state.set("spent", spent + cost)


class ContributingAgent(Executor):
    """Cure 3: contribute to a reducer key. Nobody waits; the barrier adds the contributions up."""

    @handler
    async def spend(self, cost: int, ctx: WorkflowContext[int]) -> None:
        await ctx.sleep(0.01)
        await ctx.state.add("spent", cost)


def make(agent: type[Executor] = Agent) -> Workflow:
    """Build the workflow with one kind of agent; `workflow` has the mistaken one."""
    if agent is ContributingAgent:
        spent = StateKey("spent", initial=0, reducer=operator.add)
    else:
        spent = StateKey("spent", initial=0, access="live")
    split = Split(id="split")
    agents = [agent(id=f"agent{number}") for number in range(len(COSTS))]
    return (
        WorkflowBuilder(start_executor=split, name=f"budget-{agent.__name__}", state=[spent])
        .add_fan_out_edges(split, agents)
        .build()
    )


workflow = make()
with_update = make(UpdatingAgent)
with_hold = make(HoldingAgent)
with_reducer = make(ContributingAgent)


async def main() -> None:
    for name, variant in [
        ("get, think, set", workflow),
        ("update", with_update),
        ("hold", with_hold),
        ("reducer", with_reducer),
    ]:
        result = await variant.run(COSTS)
        print(f"{name:16} spent {result.state['spent']:3} of {sum(COSTS)}")


if __name__ == "__main__":
    asyncio.run(main())
