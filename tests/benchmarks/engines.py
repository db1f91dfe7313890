"""What a delivery costs: bare asyncio, ours, ours recorded, ours with spans, and other engines where installed.

    python -m benchmarks.engines [--rounds N] [--write FILE]       (from the folder `tests`, after `pip install -e .`)

Prints microseconds of CPU time per delivery, medians over rounds in which each contender runs once, and ratios within
the rounds: machines differ and are noisy, so only the ratios mean something. Making and closing a recording file costs the
same whatever the run is; that cost has a row of its own and is left out of "recorded". `--write` puts the table of
ratios between its markers in a document.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

from stepscope import WorkflowBuilder, WorkflowContext, executor
from stepscope_tracing.recorder import open_recorder
from stepscope_tracing.spans import SpanObserver

from . import other_engines, tables
from .shapes import DELIVERIES, bare, first_message, workflow

SHAPES = ("ping-pong", "chain", "fan")
ROUNDS = 9


async def compare(runs: dict[str, Callable[[], Awaitable[Any]]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each contender, by round: one after another in each, so that they share the machine's moods."""
    took: dict[str, list[float]] = {label: [] for label in runs}
    for run in runs.values():
        await run()
    for _ in range(repeats):
        for label, run in runs.items():
            gc.collect()
            before = time.process_time()
            await run()
            took[label].append(time.process_time() - before)
    return took


@executor(id="only")
async def only(n: int, ctx: WorkflowContext) -> None:
    """Does nothing."""


def recorded(shape_workflow: Any, message: int, folder: Path) -> Callable[[], Awaitable[Any]]:
    """A run into a fresh file each time."""
    count = iter(range(1_000_000))

    async def run() -> Any:
        return await shape_workflow.run(message, record=open_recorder(str(folder / f"{next(count)}.stepscope")))

    return run


async def measure(rounds: int = ROUNDS) -> tuple[dict[str, dict[str, list[float]]], float]:
    """CPU seconds by shape, contender and round; and what a recording file costs whatever is in it."""
    table: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nothing = WorkflowBuilder(only).build()
        empty = await compare({"plain": lambda: nothing.run(1), "recorded": recorded(nothing, 1, folder)}, 21)
        fixed = statistics.median(empty["recorded"]) - statistics.median(empty["plain"])
        for shape in SHAPES:
            table[shape] = await compare(contenders(shape, folder), rounds)
            table[shape]["ours, recorded"] = [seconds - fixed for seconds in table[shape]["ours, recorded"]]
    return table, fixed


def contenders(shape: str, folder: Path) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Who runs a shape."""
    ours, message = workflow(shape), first_message(shape)
    spans = SpanObserver(TracerProvider())
    runs: dict[str, Callable[[], Awaitable[Any]]] = {
        "bare asyncio": lambda: bare(shape),
        "ours": lambda: ours.run(message),
        "ours, recorded": recorded(ours, message, folder),
        "ours, spans": lambda: ours.run(message, record=spans),
    }
    for label, engine in (("Agent Framework", other_engines.agent_framework), ("LangGraph", other_engines.langgraph)):
        run = engine(shape)
        if run is not None:
            runs[label] = run
    return runs


def ratio(row: dict[str, list[float]], one: str, other: str) -> float:
    """Median of the rounds' own ratios."""
    return statistics.median(a / b for a, b in zip(row[one], row[other], strict=True))


def documented(table: dict[str, dict[str, list[float]]]) -> str:
    """The ratios, as they are in the documents."""
    labels = {
        "bare asyncio": "by hand",
        "ours": "Stepscope",
        "ours, recorded": "Stepscope, recording everything to a file",
        "ours, spans": "Stepscope, with OpenTelemetry spans",
        "Agent Framework": f"Agent Framework {other_engines.installed('agent-framework-core')}, telemetry off",
        "LangGraph": f"LangGraph {other_engines.installed('langgraph')}, no checkpointer",
    }
    rows = [
        [label, *(tables.short(ratio(table[shape], contender, "bare asyncio")) for shape in SHAPES)]
        for contender, label in labels.items()
        if contender in table[SHAPES[0]]
    ]
    return tables.markdown(["", "ping-pong", "chain of 100", "fan 1-100-1"], rows)


def main() -> None:
    """Print the table, and write the ratios."""
    options = tables.arguments(__doc__, ROUNDS)
    table, fixed = asyncio.run(measure(options.rounds))
    columns = list(table[SHAPES[0]])
    print("CPU microseconds per delivery (x bare asyncio)")
    for engine, package in (("Agent Framework", "agent-framework-core"), ("LangGraph", "langgraph")):
        print(f"{engine}: {other_engines.installed(package) or 'not installed'}")
    print(f"{'':12}" + "".join(f"{label:>20}" for label in columns))
    for shape in SHAPES:
        row = table[shape]
        cells = (
            f"{statistics.median(row[c]) / DELIVERIES[shape] * 1e6:8.1f} ({ratio(row, c, 'bare asyncio'):5.2f})"
            for c in columns
        )
        print(f"{shape:12}" + "".join(f"{cell:>20}" for cell in cells))
    for shape in SHAPES:
        print(f"{shape}: recorded / unrecorded = {ratio(table[shape], 'ours, recorded', 'ours'):.2f}")
    print(f"a recording file, made and closed: {fixed * 1e3:.1f} ms")
    if options.write is not None:
        tables.put(options.write, "engines", documented(table))


if __name__ == "__main__":
    main()
