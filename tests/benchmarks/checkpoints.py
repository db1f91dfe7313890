"""What checkpoints cost: time of a superstep by where they go and how much there is to keep.

    python -m benchmarks.checkpoints [--rounds N] [--write FILE]     (from the folder `tests`)

Wall-clock time, since a disk is waited for, of two executors that send each other a message: a superstep of one
delivery. Medians over rounds in which every storage takes its turn. The disk is that of the current folder; what one
sync of it takes is measured beside, for it is most of what the SQLite storage takes. `--write` puts the table between
its markers in a document.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from stepscope import (
    CheckpointStorage,
    InMemoryCheckpointStorage,
    SQLiteCheckpointStorage,
    StateKey,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    executor,
)

from . import tables

ROUNDS = 3
SUPERSTEPS = 100
SIZES = {"100 bytes": 100, "100 kB": 100_000}
"""Of the state."""

STORAGES: dict[str, Callable[[Path], CheckpointStorage | None]] = {
    "none": lambda folder: None,
    "`InMemoryCheckpointStorage()`": lambda folder: InMemoryCheckpointStorage(),
    "`SQLiteCheckpointStorage(path, sync=False)`": lambda folder: SQLiteCheckpointStorage(folder / "a.db", sync=False),
    "`SQLiteCheckpointStorage(path)`": lambda folder: SQLiteCheckpointStorage(folder / "b.db"),
}
SYNC = "one sync of the disk, alone"

Measured = dict[str, dict[str, float]]
"""Milliseconds a superstep, by storage and size."""


def ping_pong(size: int, supersteps: int) -> Workflow:
    """Two executors, a message, and a state of some bytes."""

    @executor(id="ping")
    async def ping(n: int, ctx: WorkflowContext[int]) -> None:
        if n:
            await ctx.send_message(n - 1)

    @executor(id="pong")
    async def pong(n: int, ctx: WorkflowContext[int]) -> None:
        if n:
            await ctx.send_message(n - 1)

    return (
        WorkflowBuilder(
            ping, name="ping-pong", state=[StateKey("kept", initial="x" * size)], max_supersteps=supersteps + 2
        )
        .add_edge(ping, pong, lambda n: n >= 0)
        .add_edge(pong, ping, lambda n: n >= 0)
        .build()
    )


async def superstep(storage: CheckpointStorage | None, size: int, supersteps: int) -> float:
    """Milliseconds that one takes."""
    workflow = ping_pong(size, supersteps)
    before = time.perf_counter()
    result = await workflow.run(supersteps - 1, checkpoints=storage)
    took = time.perf_counter() - before
    assert result.supersteps == supersteps
    return took * 1e3 / supersteps


def one_sync(folder: Path) -> float:
    """Milliseconds of writing a page to a file and having it on the disk."""
    file = os.open(folder / "page", os.O_CREAT | os.O_WRONLY)
    try:
        before = time.perf_counter()
        os.pwrite(file, os.urandom(4096), 0)
        os.fsync(file)
        return (time.perf_counter() - before) * 1e3
    finally:
        os.close(file)


async def measure(rounds: int = ROUNDS, supersteps: int = SUPERSTEPS) -> Measured:
    """Every storage with every size."""
    took: dict[str, dict[str, list[float]]] = {name: {size: [] for size in SIZES} for name in [*STORAGES, SYNC]}
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            for name, make in STORAGES.items():
                for text, size in SIZES.items():
                    storage = make(Path(folder))
                    milliseconds = await superstep(storage, size, supersteps)
                    if isinstance(storage, SQLiteCheckpointStorage):
                        with closing(storage):
                            await storage.prune(keep=0)
                    if number:  # the first round warms up
                        took[name][text].append(milliseconds)
            for text in SIZES:
                took[SYNC][text].extend(one_sync(Path(folder)) for _ in range(10))
    return {name: {size: statistics.median(all) for size, all in sizes.items()} for name, sizes in took.items()}


def table(measured: Measured) -> str:
    """The table, as it is in the guide."""
    rows = [
        [name, *(tables.short(milliseconds) for milliseconds in sizes.values())] for name, sizes in measured.items()
    ]
    return tables.markdown(["storage", *(f"state of {size}" for size in SIZES)], rows)


def main() -> None:
    """Measure and print, or write."""
    options = tables.arguments(__doc__, ROUNDS)
    made = table(asyncio.run(measure(options.rounds)))
    print(made)
    if options.write is not None:
        tables.put(options.write, "checkpoints", made)


if __name__ == "__main__":
    main()
