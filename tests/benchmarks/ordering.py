"""What ordering costs (DET-5): one superstep of ten handlers in both modes, by what the handlers spend their time on.

    python -m benchmarks.ordering          (from the folder `tests`, after `pip install -e .`)

Prints wall-clock time as a multiple of the time that one handler's work takes alone, and the ratio of the two modes:
medians over rounds in which both modes run once.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from stepscope import Executor, StateKey, Workflow, WorkflowBuilder, WorkflowContext, executor

HANDLERS = 10
SECONDS = 0.05
OPERATIONS = 200
ROUNDS = 5

Work = Callable[[WorkflowContext[Any, Any]], Awaitable[None]]


async def effect(ctx: WorkflowContext[Any, Any]) -> None:
    """A model call, asked for through the runtime."""
    await ctx.effect(asyncio.sleep, SECONDS)


async def foreign(ctx: WorkflowContext[Any, Any]) -> None:
    """The same, behind the runtime's back."""
    await asyncio.sleep(SECONDS)


async def cpu(ctx: WorkflowContext[Any, Any]) -> None:
    """Computes."""
    until = time.thread_time() + SECONDS
    while time.thread_time() < until:
        pass


async def locked(ctx: WorkflowContext[Any, Any]) -> None:
    """Everybody needs one key, and an effect while holding it."""
    async with ctx.state.hold("key"):
        await ctx.effect(asyncio.sleep, SECONDS)


async def operations(ctx: WorkflowContext[Any, Any]) -> None:
    """Nothing but state operations: each is a schedule point."""
    for _ in range(OPERATIONS):
        await ctx.state.update("key", lambda n: n + 1)


WORK: dict[str, Work] = {
    "effects": effect,
    "foreign awaits": foreign,
    "computing": cpu,
    "one lock": locked,
    "state operations": operations,
}


def workflow(work: Work) -> Workflow:
    """A start, and `HANDLERS` executors that do the work at the same time."""

    @executor(id="start")
    async def start(n: int, ctx: WorkflowContext[int]) -> None:
        await ctx.send_message(n)

    def worker(name: str) -> Executor:
        @executor(id=name)
        async def run(n: int, ctx: WorkflowContext[int]) -> None:
            await work(ctx)

        return run

    workers = [worker(f"w{i}") for i in range(HANDLERS)]
    keys = [StateKey("key", initial=0, access="live")]
    return WorkflowBuilder(start, state=keys).add_fan_out_edges(start, workers).build()


async def measure(work: Work, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds by mode and round."""
    built = workflow(work)
    took: dict[str, list[float]] = {"concurrent": [], "deterministic": []}
    for _ in range(rounds):
        for mode, seconds in took.items():
            before = time.perf_counter()
            await built.run(0, mode=mode)  # type: ignore[arg-type]
            seconds.append(time.perf_counter() - before)
    return took


def main() -> None:
    """Print the table."""
    print(f"{HANDLERS} handlers of {SECONDS} s each; time / {SECONDS} s")
    print(f"{'':18}{'concurrent':>14}{'deterministic':>16}{'ratio':>8}")
    for name, work in WORK.items():
        took = asyncio.run(measure(work))
        free, ordered = took["concurrent"], took["deterministic"]
        ratio = statistics.median(b / a for a, b in zip(free, ordered, strict=True))
        print(
            f"{name:18}{statistics.median(free) / SECONDS:>14.2f}{statistics.median(ordered) / SECONDS:>16.2f}{ratio:>8.2f}"
        )


if __name__ == "__main__":
    main()
