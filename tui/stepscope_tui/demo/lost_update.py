"""Three agents, one budget: each reads what is spent, asks its model, and writes back its sum.

All three read before any of them writes, so two of the three sums are lost. Nothing is raised, nothing is logged;
the budget is simply wrong. Cures: `update` the key in one step, `hold` it while the model thinks, or declare it with
a reducer and `add` to it.

Run it: python -m stepscope_tui.demo.lost_update
"""

from __future__ import annotations

import asyncio
from typing import Never

from stepscope import Executor, StateKey, WorkflowBuilder, WorkflowContext, executor, handler

COSTS = {"researcher": 30, "writer": 20, "critic": 10}


async def ask_model(agent: str) -> int:
    """What a call of a model would be: it takes a while and says how many tokens it used."""
    await asyncio.sleep(0.02)
    return COSTS[agent]


@executor(id="editor")
async def editor(topic: str, ctx: WorkflowContext[str]) -> None:
    """Gives every agent the topic."""
    await ctx.send_message(topic)


class Agent(Executor):
    """Spends tokens from the common budget."""

    @handler
    async def work(self, topic: str, ctx: WorkflowContext[str]) -> None:
        """The mistake is between the read and the write: others write, too, while the model thinks."""
        spent = await ctx.state.get("spent", 0)
        used = await ctx.effect(ask_model, self.id)
        await ctx.state.set("spent", spent + used)
        await ctx.send_message(f"{self.id} on {topic}")


@executor(id="accountant")
async def accountant(reports: list[str], ctx: WorkflowContext[Never, str]) -> None:
    """Says what the budget says."""
    spent = await ctx.state.get("spent", 0)
    await ctx.yield_output(f"{len(reports)} reports for {spent} tokens; the agents used {sum(COSTS.values())}")


agents = [Agent(id=name) for name in COSTS]
workflow = (
    WorkflowBuilder(start_executor=editor, name="lost-update", state=[StateKey("spent", initial=0, access="live")])
    .add_fan_out_edges(editor, agents)
    .add_fan_in_edges(agents, accountant)
    .build()
)


if __name__ == "__main__":
    print(asyncio.run(workflow.run("superstep workflows", mode="deterministic")).outputs[0])
