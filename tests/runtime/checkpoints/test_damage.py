"""A checkpoint of which any single byte has changed is refused with a clear message, or read as it was."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from stepscope import CheckpointError, CheckpointInfo, SQLiteCheckpointStorage
from support.checkpoints import info

FULL = os.environ.get("STEPSCOPE_FULL") == "1"


async def store(path: Path) -> dict[str, tuple[CheckpointInfo, bytes]]:
    """Two runs and two workflows, bodies within a page and over several, and traces of what was removed."""
    draw = random.Random(4)
    with SQLiteCheckpointStorage(path, sync=False) as storage:
        for n in range(9):
            body = draw.randbytes((40, 700, 9000)[n % 3])
            one = info(f"r{n % 2}-{n}", workflow="wv"[n // 8], run_id=f"r{n % 2}", superstep=n, created_unix_ns=n)
            await storage.save(one, body)
        await storage.delete("r0-2")
        await storage.delete("r1-5")
        kept = [one.checkpoint_id for one in await storage.list_checkpoints()]
        return {one: await storage.load(one) for one in kept}


async def look(path: Path, original: dict[str, tuple[CheckpointInfo, bytes]]) -> set[str]:
    """Everything a storage can be asked: each answer is what was saved, or a refusal. Gives what was refused."""
    infos = [one for one, _ in original.values()]
    refused = set()
    with SQLiteCheckpointStorage(path) as storage:
        questions = [
            ("list", storage.list_checkpoints(), infos),
            ("latest", storage.get_latest(workflow_name="w"), infos[-2]),
            ("run", storage.list_checkpoints(run_id="r1"), [one for one in infos if one.run_id == "r1"]),
            *((one, storage.load(one), saved) for one, saved in original.items()),
        ]
        for name, question, expected in questions:
            try:
                answer = await question
            except CheckpointError as error:
                said = str(error)
                assert str(path) in said
                assert said.isprintable()
                assert said.endswith(".")
                refused.add(name)
            else:
                assert answer == expected, name
    return refused


async def refusals(path: Path, choose: Callable[[int], Iterable[int]], masks: tuple[int, ...]) -> list[bool]:
    """Whether anything was refused, for each chosen position of the file's size and each mask."""
    original = await store(path)
    content = await asyncio.to_thread(path.read_bytes)
    refused = []
    for position in choose(len(content)):
        for mask in masks:
            damaged = path.with_name(f"{position}-{mask}.db")
            changed = bytearray(content)
            changed[position] ^= mask
            await asyncio.to_thread(damaged.write_bytes, changed)
            refused.append(bool(await look(damaged, original)))
            for beside in path.parent.glob(f"{damaged.name}*"):
                beside.unlink()
    return refused


async def test_a_store_with_one_byte_changed_gives_what_was_saved_or_refuses(tmp_path: Path) -> None:
    draw = random.Random(os.environ.get("STEPSCOPE_SEED", "7"))

    def some(size: int) -> list[int]:
        return draw.sample(range(100), 40) + draw.sample(range(100, size), 300)

    refused = await refusals(tmp_path / "cp.db", some, (0x01,))
    assert sum(refused) > 40


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
async def test_every_byte_of_a_store_is_believed_only_if_it_is_right(tmp_path: Path, part: int) -> None:
    step = 8 if FULL else 8 * 20
    refused = await refusals(tmp_path / "cp.db", lambda size: range(part, size, step), (0x01, 0xFF))
    assert any(refused)
