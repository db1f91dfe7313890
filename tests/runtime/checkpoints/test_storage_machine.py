"""The SQLite storage does what the one in memory does, over any sequence of operations, handles and reopenings."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stepscope import CheckpointError, CheckpointInfo, InMemoryCheckpointStorage, SQLiteCheckpointStorage

_names = st.sampled_from(["a", "b", "A", "ä", ""])
_handles = st.integers(0, 1)
_bodies = st.binary(max_size=40) | st.integers(3000, 20000).map(lambda n: b"\x07" * n)


class Storages(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model = InMemoryCheckpointStorage()
        self.handles = [self.opened(), self.opened()]

    def opened(self) -> SQLiteCheckpointStorage:
        return SQLiteCheckpointStorage(self.folder / "checkpoints.db", sync=False)

    def agree(self, ours: Awaitable[Any], model: Awaitable[Any]) -> None:
        async def outcome(one: Awaitable[Any]) -> Any:
            try:
                return await one
            except CheckpointError:
                return CheckpointError

        async def both() -> None:
            assert await outcome(ours) == await outcome(model)

        asyncio.run(both())

    @rule(handle=_handles, id=_names, workflow=_names, run=_names, n=st.integers(-(2**63), 2**63 - 1), body=_bodies)
    def save(self, handle: int, id: str, workflow: str, run: str, n: int, body: bytes) -> None:
        one = CheckpointInfo(id, workflow, run, n, n)
        self.agree(self.handles[handle].save(one, body), self.model.save(one, body))

    @rule(handle=_handles, id=_names)
    def load(self, handle: int, id: str) -> None:
        self.agree(self.handles[handle].load(id), self.model.load(id))

    @rule(handle=_handles, id=_names)
    def delete(self, handle: int, id: str) -> None:
        self.agree(self.handles[handle].delete(id), self.model.delete(id))

    @rule(handle=_handles, keep=st.integers(-1, 3), workflow=st.none() | _names, run=st.none() | _names)
    def prune(self, handle: int, keep: int, workflow: str | None, run: str | None) -> None:
        self.agree(
            self.handles[handle].prune(keep=keep, workflow_name=workflow, run_id=run),
            self.model.prune(keep=keep, workflow_name=workflow, run_id=run),
        )

    @rule(handle=_handles, workflow=st.none() | _names, run=st.none() | _names)
    def select(self, handle: int, workflow: str | None, run: str | None) -> None:
        self.agree(
            self.handles[handle].list_checkpoints(workflow_name=workflow, run_id=run),
            self.model.list_checkpoints(workflow_name=workflow, run_id=run),
        )
        self.agree(
            self.handles[handle].get_latest(workflow_name=workflow or ""),
            self.model.get_latest(workflow_name=workflow or ""),
        )

    @rule(handle=_handles)
    def reopen(self, handle: int) -> None:
        self.handles[handle].close()
        self.handles[handle] = self.opened()

    @rule()
    def move(self) -> None:
        """Between two operations the one file is all there is, also while it is open."""
        if (self.folder / "checkpoints.db").exists():
            shutil.copyfile(self.folder / "checkpoints.db", self.folder / "copy")
            with SQLiteCheckpointStorage(self.folder / "copy") as copy:
                self.agree(copy.list_checkpoints(), self.model.list_checkpoints())
            (self.folder / "copy").unlink()

    @invariant()
    def all_is_there(self) -> None:
        for handle in self.handles:
            self.agree(handle.list_checkpoints(), self.model.list_checkpoints())

    def teardown(self) -> None:
        for handle in self.handles:
            handle.close()
        assert {file.name for file in self.folder.iterdir()} <= {"checkpoints.db"}
        shutil.rmtree(self.folder)


TestStorages = Storages.TestCase
TestStorages.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
