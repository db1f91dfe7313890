"""Where checkpoints are kept: the protocol of a storage, with Agent Framework's method names (BAR-4).

A storage knows nothing of what a checkpoint holds: it keeps bytes under an id, and tells which is the latest.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec


class CheckpointInfo(msgspec.Struct, frozen=True):
    """What a storage knows of a checkpoint without reading it.

    `run_id` is the run that wrote it. `superstep` is the last one committed, 0 at barrier 0. Checkpoints of a workflow
    are ordered by `created_unix_ns`, nanoseconds since 1970; those of the same moment, by when they were saved.
    """

    checkpoint_id: str
    workflow: str
    run_id: str
    superstep: int
    created_unix_ns: int


@runtime_checkable
class CheckpointStorage(Protocol):
    """Keeps checkpoints. One storage may be given to any number of runs, also at the same time."""

    async def save(self, info: CheckpointInfo, body: bytes) -> None:
        """Keep `body`: whole or not at all, and durably once this returns.

        An id that is taken is replaced. Raises `CheckpointError` if it cannot be kept.
        """
        ...

    async def load(self, checkpoint_id: str) -> tuple[CheckpointInfo, bytes]:
        """The checkpoint of that id. Raises `CheckpointError` if there is none, or it cannot be read."""
        ...

    async def get_latest(self, *, workflow_name: str) -> CheckpointInfo | None:
        """The newest checkpoint of a workflow; None if there is none."""
        ...

    async def list_checkpoints(
        self, *, workflow_name: str | None = None, run_id: str | None = None
    ) -> list[CheckpointInfo]:
        """The checkpoints of a workflow, a run, or all of them: oldest first."""
        ...

    async def delete(self, checkpoint_id: str) -> bool:
        """Forget a checkpoint; whether there was one."""
        ...

    async def prune(self, *, keep: int, workflow_name: str | None = None, run_id: str | None = None) -> int:
        """Forget all but the newest `keep` of those that `list_checkpoints` would give; how many were forgotten."""
        ...
