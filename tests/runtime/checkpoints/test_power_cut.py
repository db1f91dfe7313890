"""What `save` kept is there and whole after a power cut, whatever the disk forgets of what was not synced."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from stepscope import CheckpointError, SQLiteCheckpointStorage
from support.system_calls import Call, Disk, traced
from support.workflows import full

PROGRAM = """
import asyncio, json, random, sys
from stepscope import SQLiteCheckpointStorage
from support.checkpoints import info

def say(kept):
    sys.stdout.write(json.dumps(kept) + "\\n")
    sys.stdout.flush()

async def ids(storage, run=None):
    kept = await storage.list_checkpoints(run_id=None if run is None else str(run))
    return [one.checkpoint_id for one in kept]

async def main(path, sync):
    draw = random.Random(3)
    for round in range(2):
        with SQLiteCheckpointStorage(path, sync=sync) as storage:
            for n in range(6):
                one = info(f"{round}-{n}", run_id=str(round), superstep=n)
                await storage.save(one, draw.randbytes(draw.choice([30, 3000, 12000])))
                if n == 4:
                    say([id for run in range(round + 1) for id in (await ids(storage, run))[-2:]])
                    await storage.prune(keep=2)
                say(await ids(storage))

asyncio.run(main(sys.argv[1], sys.argv[2] == "sync"))
"""


async def lost(calls: list[Call], folder: Path, cuts: int) -> int:
    """Cut the power at every moment, `cuts` times each; how often something announced was not there and whole."""
    draw = random.Random(1)
    disk, announced, losses, looked = Disk(), [], 0, 0
    for call in calls:
        if call.name == "print":
            announced = json.loads(call.data)
            continue
        disk.do(call)
        for _ in range(cuts):
            looked += 1
            here = folder / str(looked)
            here.mkdir()
            for name, content in disk.after_a_power_cut(draw).items():
                (here / Path(name).name).write_bytes(content)
            losses += not await holds(here / "cp.db", announced)
    assert looked > 12 * 8 * cuts, "a commit takes several system calls"
    return losses


async def holds(path: Path, announced: list[str]) -> bool:
    """Whether a store has what was announced, and all it has is whole."""
    with SQLiteCheckpointStorage(path) as storage:
        try:
            kept = [one.checkpoint_id for one in await storage.list_checkpoints()]
            for one in kept:
                await storage.load(one)
        except CheckpointError:
            return False
    return set(announced) <= set(kept)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


@pytest.mark.slow
async def test_nothing_that_was_announced_is_lost(tmp_path: Path, folder: Path) -> None:
    calls = traced(PROGRAM, folder, tmp_path / "log", str(folder / "cp.db"), "sync")
    assert await lost(calls, tmp_path, full(2, 40)) == 0


@pytest.mark.slow
async def test_without_syncs_a_power_cut_loses_checkpoints(tmp_path: Path, folder: Path) -> None:
    """The documented price, and the proof that the disk of these tests forgets."""
    calls = traced(PROGRAM, folder, tmp_path / "log", str(folder / "cp.db"), "no sync")
    assert await lost(calls, tmp_path, 1) > 10
