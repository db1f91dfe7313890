"""Two executors take the same two locks in opposite order. Instead of a hang: an error, as the cycle forms.

`import` holds `orders` and then wants `stock`; `export` holds `stock` and then wants `orders`. The second of the
two requests would close the cycle: it raises `DeadlockError`, which names both executors, what each holds and
what each wants. The cure is to ask for both keys at once: `hold` takes several keys in one canonical order.

Run it:     python samples/deadlock.py
Record it:  stepscope run samples/deadlock.py:workflow --input 5 --record deadlock.stepscope
            (the cure is :cured)
Open it:    stepscope open deadlock.stepscope

Look at the contention tab in superstep 2: two strips, each held by the one and wanted by the other. In the
cured run one executor waits for both locks, and gets them when the other is done.
"""

from __future__ import annotations

import asyncio

from stepscope import DeadlockError, Executor, StateKey, Workflow, WorkflowBuilder, WorkflowContext, handler


class Both(Executor):
    """Starts the two sides in one superstep."""

    @handler
    async def start(self, amount: int, ctx: WorkflowContext[int]) -> None:
        await ctx.send_message(amount)


class OneByOne(Executor):
    """Takes `first`, then `second` inside it."""

    def __init__(self, id: str, first: str, second: str) -> None:
        super().__init__(id=id)
        self.first, self.second = first, second

    @handler
    async def move(self, amount: int, ctx: WorkflowContext[int]) -> None:
        async with ctx.state.hold(self.first):
            await ctx.sleep(0.01)  # long enough for the other side to take its first lock
            async with ctx.state.hold(self.second):
                await ctx.state.update(self.first, lambda n: n - amount)
                await ctx.state.update(self.second, lambda n: n + amount)


class AtOnce(Executor):
    """The cure: both keys in one `hold`."""

    def __init__(self, id: str, first: str, second: str) -> None:
        super().__init__(id=id)
        self.first, self.second = first, second

    @handler
    async def move(self, amount: int, ctx: WorkflowContext[int]) -> None:
        async with ctx.state.hold(self.first, self.second):
            await ctx.sleep(0.01)
            await ctx.state.update(self.first, lambda n: n - amount)
            await ctx.state.update(self.second, lambda n: n + amount)


def make(side: type[OneByOne] | type[AtOnce] = OneByOne) -> Workflow:
    both = Both(id="both")
    sides = [side("import", "orders", "stock"), side("export", "stock", "orders")]
    return (
        WorkflowBuilder(
            start_executor=both,
            name=f"warehouse-{side.__name__}",
            state=[StateKey("orders", initial=50, access="live"), StateKey("stock", initial=50, access="live")],
        )
        .add_fan_out_edges(both, sides)
        .build()
    )


workflow = make()
cured = make(AtOnce)


async def main() -> None:
    try:
        await workflow.run(5)
    except DeadlockError as error:
        print("one by one:", error)
        for executor, holds, wants in error.cycle:
            print(f"  {executor} holds {holds} and wants {wants}")
    result = await cured.run(5)
    print("at once:   ", result.state)


if __name__ == "__main__":
    asyncio.run(main())
