"""What `save` kept is there and whole after a power cut, whatever the disk forgets of what was not synced."""

from __future__ import annotations

import asyncio
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


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    """Make a folder of these files."""
    folder.mkdir()
    for name, content in files.items():
        (folder / Path(name).name).write_bytes(content)


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
            await asyncio.to_thread(lay_out, here, disk.after_a_power_cut(draw))
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


@pytest.mark.slow
async def test_a_store_left_inside_a_commit_with_one_byte_of_its_journal_changed(tmp_path: Path, folder: Path) -> None:
    """What is announced is read as it was, or the store is refused: a journal writes to the store what it holds."""
    calls = traced(PROGRAM, folder, tmp_path / "log", str(folder / "cp.db"), "sync")
    announced = [at for at, call in enumerate(calls) if call.name == "print"]
    ends = [at for at in range(announced[2], announced[3]) if calls[at].name == "truncate"]
    kept = json.loads(calls[announced[2]].data)
    disk = Disk()
    for call in calls[: ends[0]]:
        disk.do(call)
    left = {Path(name).name: content for name, content in disk.as_the_process_sees_it().items()}
    assert left["cp.db-journal"], "what was committed before is taken back from it"
    draw = random.Random(2)
    for number in range(full(60, 2000)):
        changed = bytearray(left["cp.db-journal"])
        position = draw.randrange(64 if number % 4 == 0 else len(changed))
        changed[position] ^= 1 << draw.randrange(8)
        here = tmp_path / str(number)
        await asyncio.to_thread(lay_out, here, {**left, "cp.db-journal": bytes(changed)})
        with SQLiteCheckpointStorage(here / "cp.db") as storage:
            try:
                infos = await storage.list_checkpoints()
                bodies = [await storage.load(one.checkpoint_id) for one in infos]
            except CheckpointError:
                continue
        assert [one.checkpoint_id for one in infos][: len(kept)] == kept, position
        assert [one for one, _ in bodies] == infos
