"""What ordering costs (DET-5): one superstep of ten handlers in both modes, by what the handlers spend their time on.

    python -m benchmarks.ordering [--rounds N] [--write FILE]      (from the folder `tests`, after `pip install -e .`)

Prints wall-clock time as a multiple of the time that one handler's work takes alone, and the ratio of the two modes:
medians over rounds in which both modes run once. `--write` puts the table between its markers in a document.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from stepscope import Executor, StateKey, Workflow, WorkflowBuilder, WorkflowContext, executor

from . import tables

HANDLERS = 10
SECONDS = 0.05
OPERATIONS = 4000
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
    "effects (`ctx.effect`)": effect,
    "foreign awaits": foreign,
    "computing in async handlers": cpu,
    "an effect each, under one `hold`": locked,
    "nothing but state operations": operations,
}


def workflow(work: Work, handlers: int = HANDLERS) -> Workflow:
    """A start, and executors that do the work at the same time."""

    @executor(id="start")
    async def start(n: int, ctx: WorkflowContext[int]) -> None:
        await ctx.send_message(n)

    def worker(name: str) -> Executor:
        @executor(id=name)
        async def run(n: int, ctx: WorkflowContext[int]) -> None:
            await work(ctx)

        return run

    workers = [worker(f"w{i}") for i in range(handlers)]
    keys = [StateKey("key", initial=0, access="live")]
    return WorkflowBuilder(start, state=keys).add_fan_out_edges(start, workers).build()


async def measure(work: Work, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds by round: one handler alone, all of them concurrently, all of them in deterministic mode."""
    one, all_of_them = workflow(work, 1), workflow(work)
    runs: dict[str, Callable[[], Awaitable[Any]]] = {
        "alone": lambda: one.run(0),
        "concurrent": lambda: all_of_them.run(0),
        "deterministic": lambda: all_of_them.run(0, mode="deterministic"),
    }
    took: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            before = time.perf_counter()
            await run()
            took[name].append(time.perf_counter() - before)
    return took


def ratio(took: dict[str, list[float]], one: str, other: str) -> float:
    """Median of the rounds' own ratios."""
    return statistics.median(a / b for a, b in zip(took[one], took[other], strict=True))


def table(measured: dict[str, dict[str, list[float]]]) -> str:
    """The table, as it is in the documents."""
    compared = (("concurrent", "alone"), ("deterministic", "alone"), ("deterministic", "concurrent"))
    return tables.markdown(
        ["the work", "concurrent", "deterministic", "ratio"],
        [[name, *(tables.short(ratio(took, *pair)) for pair in compared)] for name, took in measured.items()],
    )


def main() -> None:
    """Measure and print, or write."""
    options = tables.arguments(__doc__, ROUNDS)
    made = table({name: asyncio.run(measure(work, options.rounds)) for name, work in WORK.items()})
    print(made)
    if options.write is not None:
        tables.put(options.write, "ordering", made)


if __name__ == "__main__":
    main()
