"""What the clauses cost: CPU time of one operation, delivery or superstep, in both modes.

    python -m benchmarks.semantics_costs [--rounds N] [--write FILE]     (from the folder `tests`)

The unit is a bare asyncio task, made and awaited: machines differ and are noisy, so only ratios mean something. Medians
over rounds in which every row runs once, beside the unit; what a run costs whatever it does is taken off. `--write`
puts the table between its markers in a document.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable

from . import tables
from .cost_rows import ROWS, Cost

MODES = ("concurrent", "deterministic")
ROUNDS = 9
TASKS = 2000

Measured = list[tuple[Cost, float, float]]
"""Rows, with what one costs in either mode, in bare tasks."""


async def cpu_seconds(do: Callable[[], Awaitable[None]]) -> float:
    """CPU time of the process while something is done."""
    gc.collect()
    before = time.process_time()
    await do()
    return time.process_time() - before


async def bare_task() -> float:
    """CPU seconds of making and awaiting a task that does nothing: the unit."""

    async def nothing() -> None:
        pass

    async def many() -> None:
        for _ in range(TASKS):
            await asyncio.create_task(nothing())

    return await cpu_seconds(many) / TASKS


async def one(cost: Cost, mode: str, times: int) -> float:
    """CPU seconds of one, without what the run around it costs."""
    full = await cpu_seconds(lambda: cost(times, mode))
    empty = await cpu_seconds(lambda: cost(0, mode))
    return (full - empty) / times


async def measure(rounds: int = ROUNDS) -> Measured:
    """Every row in both modes."""
    ratios: list[dict[str, list[float]]] = [{mode: [] for mode in MODES} for _ in ROWS]
    for number in range(rounds + 1):
        for cost, by_mode in zip(ROWS, ratios, strict=True):
            unit = await bare_task()
            for mode in MODES:
                took = await one(cost, mode, cost.times) / unit
                if number:  # the first round warms up
                    by_mode[mode].append(took)
    return [
        (cost, statistics.median(by_mode[MODES[0]]), statistics.median(by_mode[MODES[1]]))
        for cost, by_mode in zip(ROWS, ratios, strict=True)
    ]


def table(measured: Measured) -> str:
    """The table, as it is in the documents."""
    return tables.markdown(
        ["clause", "one of", "concurrent", "deterministic"],
        [[cost.clause, cost.what, tables.short(free), tables.short(ordered)] for cost, free, ordered in measured],
    )


def main() -> None:
    """Measure and print, or write."""
    options = tables.arguments(__doc__, ROUNDS)
    made = table(asyncio.run(measure(options.rounds)))
    print(made)
    if options.write is not None:
        tables.put(options.write, "costs", made)


if __name__ == "__main__":
    main()
