"""Two executors wait for each other's messages. Instead of silence: a finding that says who is missing.

`publish` needs the draft and the review together. In the first workflow writer and critic start side by side,
and the critic, who has no draft to read, waits for one. But a message sent in a superstep is delivered in the
next one, and the draft goes to `publish` only: the critic is never asked again. On other engines such a run
just ends. Here it ends with a `starved-fan-in` finding, which names the source that is missing and the message
that is left over; with `strict=True` it is an error.

The cure is to let the conversation take its supersteps: the writer's draft goes to the critic too.

Run it:     python samples/waiting_for_each_other.py
Record it:  stepscope run samples/waiting_for_each_other.py:workflow --input '"locks"' --record waiting.stepscope
            (the cure is :cured)
Open it:    stepscope open waiting.stepscope

Look at the events of superstep 2: the draft is routed as buffered, and never delivered; `e` goes to the finding. In the
cured run the draft is buffered in superstep 2, the review joins it in superstep 3, and `publish` gets both.
"""

from __future__ import annotations

import asyncio
from typing import Never

from stepscope import Executor, StarvedFanInError, Workflow, WorkflowBuilder, WorkflowContext, handler


class Assign(Executor):
    @handler
    async def assign(self, topic: str, ctx: WorkflowContext[str]) -> None:
        await ctx.send_message(topic)


class Writer(Executor):
    @handler
    async def write(self, topic: str, ctx: WorkflowContext[str]) -> None:
        await ctx.send_message(f"draft about {topic}")


class Critic(Executor):
    @handler
    async def read(self, text: str, ctx: WorkflowContext[str]) -> None:
        if text.startswith("draft"):
            await ctx.send_message(f"review of the {text}")
        # else: only the topic; there is nothing to review yet


class Publish(Executor):
    @handler
    async def publish(self, texts: list[str], ctx: WorkflowContext[Never, str]) -> None:
        await ctx.yield_output(" + ".join(texts))


def make() -> Workflow:
    """Writer and critic side by side: the critic never sees the draft."""
    assign, writer, critic, publish = (
        Assign(id="assign"),
        Writer(id="writer"),
        Critic(id="critic"),
        Publish(id="publish"),
    )
    return (
        WorkflowBuilder(start_executor=assign, name="side-by-side")
        .add_fan_out_edges(assign, [writer, critic])
        .add_fan_in_edges([writer, critic], publish)
        .build()
    )


def make_cured() -> Workflow:
    """Writer, then critic, one superstep later; the fan-in keeps the draft until the review is there."""
    assign, writer, critic, publish = (
        Assign(id="assign"),
        Writer(id="writer"),
        Critic(id="critic"),
        Publish(id="publish"),
    )
    return (
        WorkflowBuilder(start_executor=assign, name="one-after-the-other")
        .add_edge(assign, writer)
        .add_edge(writer, critic)
        .add_fan_in_edges([writer, critic], publish)
        .build()
    )


workflow = make()
cured = make_cured()


async def main() -> None:
    result = await workflow.run("locks")
    print("side by side:       ", result.outputs)
    try:
        await workflow.run("locks", strict=True)
    except StarvedFanInError as error:
        print("side by side, strict:", error)
    result = await cured.run("locks")
    print("one after the other:", result.outputs)


if __name__ == "__main__":
    asyncio.run(main())
