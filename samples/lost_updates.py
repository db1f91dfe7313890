"""A lost update on a live key, and three cures.

The program of `stepscope demo`: three agents spend tokens from one budget; each reads what is spent so far, asks its
model, and writes back its sum. All three read 0, so two of the three sums are lost. Nothing raised and nothing was
logged. The mistake is in `stepscope_tui/demo/lost_update.py`; here are the same workflow with agents that are cured.

Run it:     python samples/lost_updates.py
Record it:  stepscope run samples/lost_updates.py:workflow --input '"locks"' --record lost.stepscope
            (the cures are :with_update, :with_hold and :with_reducer)
Open it:    stepscope open lost.stepscope

Look at superstep 2. Press `e` for the finding. Select the key `spent` and press `{` and `}`: each write was computed
from a 0 that another agent's write had already replaced. In the runs of the cures the same key goes up step by step
(`update`), each agent waits for the one before it (`hold`), or nobody waits and the barrier adds up what all three
contributed (a reducer).
"""

from __future__ import annotations

import asyncio
import operator

from stepscope import Executor, StateKey, Workflow, WorkflowBuilder, WorkflowContext, handler
from stepscope_tui.demo.lost_update import COSTS, Agent, accountant, ask_model, editor


class UpdatingAgent(Executor):
    """Cure 1: one atomic read-modify-write, when the model has answered."""

    @handler
    async def work(self, topic: str, ctx: WorkflowContext[str]) -> None:
        used = await ctx.effect(ask_model, self.id)
        await ctx.state.update("spent", lambda spent: spent + used)
        await ctx.send_message(f"{self.id} on {topic}")


class HoldingAgent(Executor):
    """Cure 2: hold the key from the read to the write; the others wait. For when the model has to know the value."""

    @handler
    async def work(self, topic: str, ctx: WorkflowContext[str]) -> None:
        async with ctx.state.hold("spent"):
            spent = await ctx.state.get("spent", 0)
            used = await ctx.effect(ask_model, self.id)
            await ctx.state.set("spent", spent + used)
        await ctx.send_message(f"{self.id} on {topic}")


class ContributingAgent(Executor):
    """Cure 3: contribute to a reducer key. Nobody waits; the barrier adds the contributions up."""

    @handler
    async def work(self, topic: str, ctx: WorkflowContext[str]) -> None:
        used = await ctx.effect(ask_model, self.id)
        await ctx.state.add("spent", used)
        await ctx.send_message(f"{self.id} on {topic}")


def make(kind: type[Executor] = Agent) -> Workflow:
    """Build the workflow with one kind of agent; `Agent` is the mistaken one."""
    if kind is ContributingAgent:
        spent = StateKey("spent", initial=0, reducer=operator.add)
    else:
        spent = StateKey("spent", initial=0, access="live")
    agents = [kind(id=name) for name in COSTS]
    return (
        WorkflowBuilder(start_executor=editor, name=f"budget-{kind.__name__}", state=[spent])
        .add_fan_out_edges(editor, agents)
        .add_fan_in_edges(agents, accountant)
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
        result = await variant.run("superstep workflows")
        print(f"{name:16} {result.outputs[0]}")


if __name__ == "__main__":
    asyncio.run(main())
