"""An aggregator whose result depends on who was fastest, and one whose result does not.

Three researchers answer one question. Each appends its answer to a list in a live key as soon as it has one:
that list comes out in the order of arrival, so the summary made from it changes from run to run. The same
answers also go through a fan-in and through a reducer key: both are in declared order, whatever the timing was.

Run it:     python samples/aggregator.py
Record it:  stepscope run samples/aggregator.py:workflow \
                --input '{"archive": 0.2, "web": 0.1, "interview": 0.0}' --record aggregator.stepscope
            (and again with other speeds; a recording gains a run)
Open it:    stepscope open aggregator.stepscope

Look at superstep 2. The three writes of `arrived` come in the order in which the researchers were ready; in superstep 3
the delivery to `editor` is the list in declared order. In the state compare `arrived` with `answers`.
"""

from __future__ import annotations

import asyncio
import operator
from typing import Never

from stepscope import Executor, StateKey, Workflow, WorkflowBuilder, WorkflowContext, handler

NAMES = ["archive", "web", "interview"]


class Ask(Executor):
    """Hands the question out; the input says how many seconds each researcher will need."""

    @handler
    async def ask(self, seconds: dict[str, float], ctx: WorkflowContext[float]) -> None:
        for name in NAMES:
            await ctx.send_message(seconds[name], target_id=name)


class Researcher(Executor):
    @handler
    async def answer(self, seconds: float, ctx: WorkflowContext[str]) -> None:
        await ctx.sleep(seconds)
        mine = f"{self.id}'s view"
        await ctx.state.update("arrived", lambda others: [*others, mine])
        await ctx.state.add("answers", [mine])
        await ctx.send_message(mine)


class Editor(Executor):
    @handler
    async def summarise(self, answers: list[str], ctx: WorkflowContext[Never, dict[str, str]]) -> None:
        await ctx.yield_output(
            {
                "by arrival": "; ".join(await ctx.state.get("arrived", [])),
                "by fan-in": "; ".join(answers),
                "by reducer": "; ".join(await ctx.state.get("answers", [])),
            }
        )


def make() -> Workflow:
    ask, editor = Ask(id="ask"), Editor(id="editor")
    researchers = [Researcher(id=name) for name in NAMES]
    return (
        WorkflowBuilder(
            start_executor=ask,
            name="research",
            state=[
                StateKey("arrived", initial=[], access="live"),
                StateKey("answers", initial=[], reducer=operator.add),
            ],
        )
        .add_fan_out_edges(ask, researchers)
        .add_fan_in_edges(researchers, editor)
        .build()
    )


workflow = make()

ARCHIVE_IS_FIRST = {"archive": 0.0, "web": 0.1, "interview": 0.2}
INTERVIEW_IS_FIRST = {"archive": 0.2, "web": 0.1, "interview": 0.0}


async def main() -> None:
    for seconds in (ARCHIVE_IS_FIRST, INTERVIEW_IS_FIRST):
        result = await workflow.run(seconds)
        for how, summary in result.outputs[0].items():
            print(f"{how:11} {summary}")
        print()


if __name__ == "__main__":
    asyncio.run(main())
