"""Resuming from a checkpoint of which a byte has changed: refused, or as if nothing had happened."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from stepscope import (
    CheckpointError,
    CheckpointInfo,
    InMemoryCheckpointStorage,
    SQLiteCheckpointStorage,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    executor,
)
from support.crash_programs import Tick, rounds
from support.workflows import full

FLIPS = (0x01, 0x10, 0x80, 0xFF)


class Changed(InMemoryCheckpointStorage):
    """Gives another body than it was given."""

    body = b""

    async def load(self, checkpoint_id: str) -> tuple[CheckpointInfo, bytes]:
        found, _ = await super().load(checkpoint_id)
        return found, self.body


def small() -> Workflow:
    @executor(id="a")
    async def a(n: int, ctx: WorkflowContext[int]) -> None:
        await ctx.state.set("n", n)
        await ctx.send_message(n + 1)

    @executor(id="b")
    async def b(n: int, ctx: WorkflowContext[int, int]) -> None:
        await ctx.yield_output(n)

    return WorkflowBuilder(a, name="small").add_edge(a, b).build()


@pytest.mark.parametrize("flips", [FLIPS[:1], pytest.param(FLIPS, marks=pytest.mark.slow)], ids=len)
async def test_a_body_with_any_one_byte_changed_is_refused(flips: tuple[int, ...]) -> None:
    storage = Changed()
    workflow = small()
    whole = await workflow.run(1, checkpoints=storage)
    middle = (await storage.list_checkpoints())[1]
    _, body = await InMemoryCheckpointStorage.load(storage, middle.checkpoint_id)
    for position in range(len(body)):
        for flip in flips:
            storage.body = bytes([*body[:position], body[position] ^ flip, *body[position + 1 :]])
            with pytest.raises(CheckpointError, match=middle.checkpoint_id):
                await workflow.resume(storage, middle.checkpoint_id)
    storage.body = body
    assert (await workflow.resume(storage, middle.checkpoint_id)).digest == whole.digest


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
async def test_a_body_that_is_cut_off_or_longer_is_refused(cut: int) -> None:
    storage = Changed()
    workflow = small()
    await workflow.run(1, checkpoints=storage)
    for checkpoint in await storage.list_checkpoints():
        _, body = await InMemoryCheckpointStorage.load(storage, checkpoint.checkpoint_id)
        for storage.body in (body[:cut], body + b"\0"):
            with pytest.raises(CheckpointError, match=checkpoint.checkpoint_id):
                await workflow.resume(storage, checkpoint.checkpoint_id)


async def test_checkpoints_that_change_places_are_refused() -> None:
    storage = Changed()
    workflow = small()
    await workflow.run(1, checkpoints=storage)
    first, second, _ = await storage.list_checkpoints()
    _, storage.body = await InMemoryCheckpointStorage.load(storage, first.checkpoint_id)
    with pytest.raises(CheckpointError, match=second.checkpoint_id):
        await workflow.resume(storage, second.checkpoint_id)


@pytest.mark.parametrize(
    ("part", "positions"),
    [
        pytest.param(0, 25, id="some"),
        *(pytest.param(n, full(20, 700), id=f"many-{n}", marks=pytest.mark.slow) for n in (1, 2, 3)),
    ],
)
async def test_a_run_is_resumed_from_a_changed_store_as_it_was_or_not_at_all(
    tmp_path: Path, part: int, positions: int
) -> None:
    with SQLiteCheckpointStorage(tmp_path / "whole.db", sync=False) as storage:
        whole = await rounds().run(Tick(1), checkpoints=storage, mode="deterministic")
        middle = (await storage.list_checkpoints())[5].checkpoint_id
        _, body = await storage.load(middle)
    content = await asyncio.to_thread((tmp_path / "whole.db").read_bytes)
    at = content.index(body[:200])
    draw = random.Random(f"{os.environ.get('STEPSCOPE_SEED', '1')} {part}")
    for n in range(positions):
        position = draw.choice([draw.randrange(100), draw.randrange(len(content)), at + draw.randrange(200)])
        changed = bytearray(content)
        changed[position] ^= draw.choice(FLIPS)
        path = tmp_path / f"{n}.db"
        await asyncio.to_thread(path.write_bytes, changed)
        for checkpoint_id in (None, middle):
            with SQLiteCheckpointStorage(path, sync=False) as storage:
                try:
                    result = await rounds().resume(storage, checkpoint_id)
                except CheckpointError:
                    continue
                assert checkpoint_id is None or not at <= position < at + 200, position
                assert (result.digest, result.outputs, result.state) == (whole.digest, whole.outputs, whole.state)
