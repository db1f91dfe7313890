"""What every checkpoint storage does: the same tests over each."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stepscope import CheckpointError, CheckpointStorage
from support.checkpoints import info, storage_of


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointStorage:
    return storage_of(request.param, tmp_path)


async def ids(storage: CheckpointStorage, workflow_name: str | None = None, run_id: str | None = None) -> list[str]:
    kept = await storage.list_checkpoints(workflow_name=workflow_name, run_id=run_id)
    return [one.checkpoint_id for one in kept]


def test_it_is_a_storage(storage: CheckpointStorage) -> None:
    assert isinstance(storage, CheckpointStorage)


async def test_an_empty_one_has_nothing(storage: CheckpointStorage) -> None:
    assert await storage.list_checkpoints() == []
    assert await storage.get_latest(workflow_name="w") is None
    assert await storage.delete("r-0") is False
    assert await storage.prune(keep=1) == 0
    with pytest.raises(CheckpointError, match="no checkpoint 'r-0'"):
        await storage.load("r-0")


@pytest.mark.parametrize("body", [b"", b"\0", bytes(range(256)), b"x" * 300_000], ids=["none", "zero", "all", "long"])
async def test_what_is_loaded_is_what_was_saved(storage: CheckpointStorage, body: bytes) -> None:
    saved = info("a/b-1", workflow="dräft ☃", run_id="\n'\";--", superstep=-(2**62), created_unix_ns=2**62)
    await storage.save(saved, body)
    assert await storage.load("a/b-1") == (saved, body)
    assert type((await storage.load("a/b-1"))[1]) is bytes


async def test_a_body_that_is_changed_afterwards_is_kept_as_it_was(storage: CheckpointStorage) -> None:
    body = bytearray(b"before")
    await storage.save(info(), body)  # type: ignore[arg-type]
    body[:] = b"after!"
    assert (await storage.load("r-0"))[1] == b"before"


async def test_order_is_that_of_saving_whatever_the_clock_says(storage: CheckpointStorage) -> None:
    for n, clock in enumerate([50, 40, 60, 40]):
        await storage.save(info(f"r-{n}", superstep=9 - n, created_unix_ns=clock), b"")
    assert await ids(storage) == ["r-0", "r-1", "r-2", "r-3"]
    latest = await storage.get_latest(workflow_name="w")
    assert latest == info("r-3", superstep=6, created_unix_ns=40)


async def test_an_id_that_is_taken_is_replaced_and_becomes_the_newest(storage: CheckpointStorage) -> None:
    await storage.save(info("a"), b"1")
    await storage.save(info("b"), b"2")
    await storage.save(info("a", superstep=7), b"3")
    assert await storage.list_checkpoints() == [info("b"), info("a", superstep=7)]
    assert await storage.load("a") == (info("a", superstep=7), b"3")


async def test_workflows_and_runs_are_kept_apart(storage: CheckpointStorage) -> None:
    for n, (workflow, run) in enumerate([("w", "1"), ("v", "2"), ("w", "3"), ("v", "2"), ("w", "1")]):
        await storage.save(info(str(n), workflow=workflow, run_id=run), str(n).encode())
    assert await ids(storage, "w") == ["0", "2", "4"]
    assert await ids(storage, "v") == ["1", "3"]
    assert await ids(storage, None, "1") == ["0", "4"]
    assert await ids(storage, "v", "1") == []
    assert await ids(storage, "W") == []
    assert (await storage.load("3"))[1] == b"3"
    latest = await storage.get_latest(workflow_name="v")
    assert latest is not None
    assert latest.checkpoint_id == "3"


async def test_what_is_deleted_is_gone_and_the_rest_stays(storage: CheckpointStorage) -> None:
    for n in range(3):
        await storage.save(info(str(n)), str(n).encode())
    assert await storage.delete("2") is True
    assert await storage.delete("2") is False
    assert await ids(storage) == ["0", "1"]
    with pytest.raises(CheckpointError, match="no checkpoint '2'"):
        await storage.load("2")
    await storage.save(info("3"), b"")
    assert await ids(storage) == ["0", "1", "3"]


async def test_pruning_keeps_the_newest_of_each_run(storage: CheckpointStorage) -> None:
    for n in range(12):
        await storage.save(info(str(n), workflow="wv"[n % 2], run_id=str(n % 3)), b"")  # six runs: w0 v1 w2 v0 w1 v2
    await storage.save(info("12", workflow="w", run_id="0"), b"")
    assert await storage.prune(keep=1, workflow_name="w", run_id="0") == 2
    assert await ids(storage, "w", "0") == ["12"]
    assert await storage.prune(keep=1, workflow_name="v") == 3
    assert await ids(storage, "v") == ["7", "9", "11"]
    assert await storage.prune(keep=5) == 0
    assert await storage.prune(keep=0, run_id="1") == 3
    assert await ids(storage) == ["2", "8", "9", "11", "12"]
    assert await storage.prune(keep=0) == 5
    assert await ids(storage) == []


async def test_a_negative_number_to_keep_is_refused(storage: CheckpointStorage) -> None:
    await storage.save(info(), b"")
    with pytest.raises(CheckpointError, match="cannot keep -1"):
        await storage.prune(keep=-1)
    assert await ids(storage) == ["r-0"]


async def test_tasks_may_use_one_storage_at_the_same_time(storage: CheckpointStorage) -> None:
    async def one(run: int) -> None:
        for n in range(8):
            await storage.save(info(f"{run}-{n}", run_id=str(run), superstep=n), f"{run}-{n}".encode() * 100)
            assert (await storage.load(f"{run}-{n}"))[1] == f"{run}-{n}".encode() * 100

    await asyncio.gather(*(one(run) for run in range(6)))
    for run in range(6):
        assert await ids(storage, run_id=str(run)) == [f"{run}-{n}" for n in range(8)]
    assert len(await storage.list_checkpoints()) == 48


async def test_it_can_be_used_from_several_event_loops(storage: CheckpointStorage) -> None:
    async def one(run: int) -> None:
        for n in range(8):
            await storage.save(info(f"{run}-{n}", run_id=str(run)), b"")
            await storage.list_checkpoints()

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, one(run)) for run in range(3)))
    for run in range(3):
        assert await ids(storage, run_id=str(run)) == [f"{run}-{n}" for n in range(8)]
