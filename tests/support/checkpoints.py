"""Checkpoint storages to test, and checkpoints to keep in them."""

from __future__ import annotations

from pathlib import Path

from stepscope import CheckpointInfo, CheckpointStorage, InMemoryCheckpointStorage, SQLiteCheckpointStorage


def storage_of(kind: str, folder: Path) -> CheckpointStorage:
    """An empty storage: "memory" or "sqlite"."""
    if kind == "memory":
        return InMemoryCheckpointStorage()
    return SQLiteCheckpointStorage(folder / "checkpoints.db", sync=False)


def info(
    checkpoint_id: str = "r-0", *, workflow: str = "w", run_id: str = "r", superstep: int = 0, created_unix_ns: int = 0
) -> CheckpointInfo:
    """What a storage is told of a checkpoint."""
    return CheckpointInfo(checkpoint_id, workflow, run_id, superstep, created_unix_ns)
