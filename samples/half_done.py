"""A failure, and a look at the state, in the middle of a superstep: nothing is ever half-done.

`transfer` takes 30 from one account, waits for the bank, and gives 30 to the other. `audit` runs in the same
superstep and adds both accounts up, at a moment when the money has left one and not reached the other. It
still counts 100: it sees the last barrier's commit. Then the same with a bank that fails in between: the
superstep is taken back whole, both accounts, the receipt that was already sent, and the audit's output.

Run it:     python samples/half_done.py
Record it:  stepscope run samples/half_done.py:failing --input 30 --record half.stepscope
Open it:    stepscope open half.stepscope

Look at superstep 2: the write of `checking` is marked pending, `transfer` fails, and the superstep
ends as failed, with no commit; `receipt` never gets its message. The state panel shows 60 and 40 to the end, while
`transfer` alone saw its 30.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Never

from stepscope import Executor, StateKey, SuperstepError, Workflow, WorkflowBuilder, WorkflowContext, handler
from stepscope_tracing import Recording

START = {"checking": 60, "savings": 40}


class BankDown(Exception):
    """The bank did not answer."""


class Order(Executor):
    @handler
    async def order(self, amount: int, ctx: WorkflowContext[int]) -> None:
        await ctx.send_message(amount)


class Transfer(Executor):
    def __init__(self, id: str, *, bank_is_up: bool) -> None:
        super().__init__(id=id)
        self.bank_is_up = bank_is_up

    @handler
    async def transfer(self, amount: int, ctx: WorkflowContext[str]) -> None:
        await ctx.send_message(f"moved {amount}")  # too early, but harmless: it leaves with the commit
        await ctx.state.set("checking", await ctx.state.get("checking", 0) - amount)
        await ctx.sleep(0.1)  # the bank thinks; `audit` looks now
        if not self.bank_is_up:
            raise BankDown("the bank did not answer")
        await ctx.state.set("savings", await ctx.state.get("savings", 0) + amount)


class Audit(Executor):
    @handler
    async def audit(self, amount: int, ctx: WorkflowContext[Never, str]) -> None:
        await ctx.sleep(0.01)
        total = await ctx.state.get("checking", 0) + await ctx.state.get("savings", 0)
        await ctx.yield_output(f"audit: {total}")


class Receipt(Executor):
    @handler
    async def receipt(self, text: str, ctx: WorkflowContext[Never, str]) -> None:
        await ctx.yield_output(f"receipt: {text}")


def make(*, bank_is_up: bool = True) -> Workflow:
    order, transfer = Order(id="order"), Transfer(id="transfer", bank_is_up=bank_is_up)
    audit, receipt = Audit(id="audit"), Receipt(id="receipt")
    return (
        WorkflowBuilder(
            start_executor=order,
            name="transfer" if bank_is_up else "transfer-bank-down",
            state=[StateKey(account, initial=amount) for account, amount in START.items()],
        )
        .add_fan_out_edges(order, [transfer, audit])
        .add_edge(transfer, receipt)
        .build()
    )


workflow = make()
failing = make(bank_is_up=False)


def captured(path: Path, *, executor: str | None = None, at_the_end: bool = False) -> dict[str, object]:
    """The accounts right after `transfer` took the money, or at the end, as everybody or as one executor sees them."""
    with Recording.open(path) as recording:
        run = recording.run()
        seq = run.last if at_the_end else run.writes("checking")[0].seq
        return {key: cell.value.tree() for key, cell in run.state_at(seq, executor=executor).items()}


async def main() -> None:
    result = await workflow.run(30)
    print("good run:   ", result.outputs, result.state)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "failed.stepscope")
        try:
            await failing.run(30, record=path)
        except SuperstepError as error:
            print("failed run: ", f"superstep {error.superstep}:", *error.exceptions)
        print("  half-way, as everybody saw it:", captured(path))
        print("  half-way, as transfer saw it: ", captured(path, executor="transfer"))
        print("  after the failure:            ", captured(path, at_the_end=True))


if __name__ == "__main__":
    asyncio.run(main())
