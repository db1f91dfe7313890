"""Where checkpoints are kept: the protocol, and a storage in memory (BAR-4).

A storage holds checkpoints of many runs and workflows. It knows nothing of what is in one: a body is bytes, given
back as they came. The names are Agent Framework's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import msgspec

from ..errors import CheckpointError


class CheckpointInfo(msgspec.Struct, frozen=True):
    """What a storage tells of a checkpoint without opening it."""

    checkpoint_id: str
    workflow: str
    """The workflow's name."""
    run_id: str
    superstep: int
    """The barrier it was taken at; 0 is the input's."""
    created_unix_ns: int
    """For people to read: nothing is ordered by it."""


@runtime_checkable
class CheckpointStorage(Protocol):
    """What `checkpoints=` takes; runs may share one, also at the same time.

    *Newer* means saved later, whatever the clock said.
    """

    async def save(self, info: CheckpointInfo, body: bytes) -> None:
        """Keep a checkpoint, as the newest; one of the same id is replaced.

        All or nothing, and durable when it returns as far as the storage is. Raises `CheckpointError`.
        """
        ...

    async def load(self, checkpoint_id: str) -> tuple[CheckpointInfo, bytes]:
        """Exactly what was saved. Raises `CheckpointError` for an unknown id and for a damaged checkpoint."""
        ...

    async def get_latest(self, *, workflow_name: str) -> CheckpointInfo | None:
        """The newest checkpoint of a workflow, of whichever run. Raises `CheckpointError`."""
        ...

    async def list_checkpoints(
        self, *, workflow_name: str | None = None, run_id: str | None = None
    ) -> list[CheckpointInfo]:
        """What is kept, of one workflow or run where they are named; the oldest first. Raises `CheckpointError`."""
        ...

    async def delete(self, checkpoint_id: str) -> bool:
        """Remove a checkpoint; whether there was one. Raises `CheckpointError`."""
        ...

    async def prune(self, *, keep: int, workflow_name: str | None = None, run_id: str | None = None) -> int:
        """Keep the newest `keep` checkpoints of each run, of one workflow or run where they are named.

        Gives how many were removed. Raises `CheckpointError`, for a negative `keep` too.
        """
        ...


def of(infos: Iterable[CheckpointInfo], workflow_name: str | None, run_id: str | None) -> list[CheckpointInfo]:
    """Those of one workflow or run, where they are named."""
    return [
        info
        for info in infos
        if (workflow_name is None or info.workflow == workflow_name) and (run_id is None or info.run_id == run_id)
    ]


def superfluous(infos: Iterable[CheckpointInfo], keep: int) -> list[str]:
    """Ids of all but the newest `keep` of each run; `infos` come oldest first. Raises `CheckpointError`."""
    if keep < 0:
        raise CheckpointError(f"cannot keep {keep} checkpoints of a run; keep=0 removes them all.")
    runs: dict[tuple[str, str], list[str]] = {}
    for info in infos:
        runs.setdefault((info.workflow, info.run_id), []).append(info.checkpoint_id)
    return [one for ids in runs.values() for one in ids[: len(ids) - keep]]


def unknown(checkpoint_id: str, where: str) -> CheckpointError:
    """The error for an id that is not kept."""
    return CheckpointError(
        f"there is no checkpoint {checkpoint_id!r} in {where}; list_checkpoints() names those it has."
    )


class InMemoryCheckpointStorage:
    """Checkpoints for as long as the process lives. Threads may share it."""

    def __init__(self) -> None:
        """Empty."""
        self._kept: dict[str, tuple[CheckpointInfo, bytes]] = {}
        self._lock = threading.Lock()

    async def save(self, info: CheckpointInfo, body: bytes) -> None:
        """Keep a checkpoint, as the newest; one of the same id is replaced."""
        with self._lock:
            self._kept.pop(info.checkpoint_id, None)
            self._kept[info.checkpoint_id] = info, bytes(body)

    async def load(self, checkpoint_id: str) -> tuple[CheckpointInfo, bytes]:
        """Exactly what was saved. Raises `CheckpointError` for an unknown id."""
        with self._lock:
            found = self._kept.get(checkpoint_id)
        if found is None:
            raise unknown(checkpoint_id, "this storage")
        return found

    async def get_latest(self, *, workflow_name: str) -> CheckpointInfo | None:
        """The newest checkpoint of a workflow, of whichever run."""
        kept = await self.list_checkpoints(workflow_name=workflow_name)
        return kept[-1] if kept else None

    async def list_checkpoints(
        self, *, workflow_name: str | None = None, run_id: str | None = None
    ) -> list[CheckpointInfo]:
        """What is kept, of one workflow or run where they are named; the oldest first."""
        with self._lock:
            return of((info for info, _ in self._kept.values()), workflow_name, run_id)

    async def delete(self, checkpoint_id: str) -> bool:
        """Remove a checkpoint; whether there was one."""
        with self._lock:
            return self._kept.pop(checkpoint_id, None) is not None

    async def prune(self, *, keep: int, workflow_name: str | None = None, run_id: str | None = None) -> int:
        """Keep the newest `keep` checkpoints of each run, of one workflow or run where they are named.

        Gives how many were removed. Raises `CheckpointError` for a negative `keep`.
        """
        with self._lock:
            gone = superfluous(of((info for info, _ in self._kept.values()), workflow_name, run_id), keep)
            for one in gone:
                del self._kept[one]
        return len(gone)

    def __repr__(self) -> str:
        """For messages."""
        return f"InMemoryCheckpointStorage() with {len(self._kept)} checkpoints"
