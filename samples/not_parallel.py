"""Parallelism that was expected and did not happen, twice, with the cures.

A fan-out starts three workers in one superstep, yet they run one after the other, because their handlers are
`async def` and call something that blocks: the event loop stands still for all of them. As plain `def` handlers the
same calls run in worker threads.

A queue with a slow job at its head: one executor handles one message at a time, so the three quick jobs wait for
the slow one before them. Spread over four executors of the same kind, they do not.

Run it:     python samples/not_parallel.py
Record it:  stepscope run samples/not_parallel.py:workflow --input '[0.2, 0.2, 0.2]' --record serial.stepscope
            (the others are :threads, :one_queue and :pool, these two with --input '[0.4, 0.01, 0.01, 0.01]')
Open it:    stepscope open serial.stepscope

Look at superstep 2: the bars come one after another; with :threads and :pool they lie side by side. The contention tab
says who arrived last at the barrier and how long the others had been idle.
"""

from __future__ import annotations

import asyncio
import time
from typing import Never

from stepscope import Executor, SyncWorkflowContext, Workflow, WorkflowBuilder, WorkflowContext, handler

SECONDS = 0.2


class Deal(Executor):
    """Sends the jobs (their duration in seconds) round robin to `targets`."""

    def __init__(self, id: str, targets: list[str]) -> None:
        super().__init__(id=id)
        self.targets = targets

    @handler
    async def deal(self, jobs: list[float], ctx: WorkflowContext[float]) -> None:
        for number, seconds in enumerate(jobs):
            await ctx.send_message(seconds, target_id=self.targets[number % len(self.targets)])


class BlockingWorker(Executor):
    """The mistake: `time.sleep` stands for a blocking HTTP client, a database driver, a long computation."""

    @handler
    async def work(self, seconds: float, ctx: WorkflowContext[Never, str]) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 -- the lesson
        await ctx.yield_output(self.id)


class ThreadWorker(Executor):
    """The cure: a `def` handler runs in a thread of its own."""

    @handler
    def work(self, seconds: float, ctx: SyncWorkflowContext[Never, str]) -> None:
        time.sleep(seconds)
        ctx.yield_output(self.id)


def make(worker: type[Executor] = BlockingWorker, workers: int = 3) -> Workflow:
    names = [f"worker{number}" for number in range(workers)]
    deal = Deal("deal", names)
    builder = WorkflowBuilder(start_executor=deal, name=f"{worker.__name__}-x{workers}")
    targets = [worker(id=name) for name in names]
    if workers == 1:
        return builder.add_edge(deal, targets[0]).build()
    return builder.add_fan_out_edges(deal, targets).build()


THREE_EQUAL = [SECONDS] * 3
SLOW_FIRST = [SECONDS * 2, 0.01, 0.01, 0.01]

workflow = make()
threads = make(ThreadWorker)
one_queue = make(ThreadWorker, workers=1)
pool = make(ThreadWorker, workers=4)


async def main() -> None:
    for name, variant, jobs in [
        ("async def that blocks", workflow, THREE_EQUAL),
        ("def, in threads", threads, THREE_EQUAL),
        ("one queue, slow head", one_queue, SLOW_FIRST),
        ("a pool of four", pool, SLOW_FIRST),
    ]:
        began = time.perf_counter()
        await variant.run(jobs)
        print(f"{name:22} {time.perf_counter() - began:.2f} s for {sum(jobs):.2f} s of work, longest {max(jobs):.2f} s")


if __name__ == "__main__":
    asyncio.run(main())
