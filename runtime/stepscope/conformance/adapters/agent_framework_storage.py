"""Agent Framework's file storage of checkpoints: it says what it keeps, may refuse to, and can be meddled with."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any, Literal

from agent_framework import FileCheckpointStorage, WorkflowCheckpoint

from ..stage import Stage
from ..tampering import Bomb, damaged


class Storage(FileCheckpointStorage):  # type: ignore[misc, unused-ignore]
    """In files; "unwritable" stands for a full disk."""

    def __init__(self, folder: Path, stage: Stage, how: str) -> None:
        """`folder` is for this run alone; `how` is `Run.checkpoints`."""
        super().__init__(folder)
        self._stage = stage
        self._how = how

    async def save(self, checkpoint: WorkflowCheckpoint) -> str:
        """Keep one, and say so."""
        if self._how == "slow":
            await self._stage.store()
        if self._how == "unwritable":
            raise OSError(28, "No space left on device")
        kept: str = await super().save(checkpoint)
        self._stage.say("checkpoint", str(checkpoint.iteration_count))
        return kept

    async def id_of(self, barrier: int | None, workflow_name: str) -> str | None:
        """Id of a barrier's checkpoint, or of the latest."""
        if barrier is None:
            latest = await self.get_latest(workflow_name=workflow_name)
            return None if latest is None else str(latest.checkpoint_id)
        for one in await self.list_checkpoints(workflow_name=workflow_name):
            if one.iteration_count == barrier:
                return str(one.checkpoint_id)
        return None

    def tamper(self, how: Literal["none", "damage", "hostile"]) -> None:
        """Change every file."""
        for path in sorted(Path(self.storage_path).glob("*.json")):
            if how == "damage":
                path.write_bytes(damaged(path.read_bytes()))
            elif how == "hostile":
                document: dict[str, Any] = json.loads(path.read_text())
                pickled = base64.b64encode(pickle.dumps(Bomb(self._stage))).decode()
                document["state"]["k"] = {"__pickled__": pickled, "__type__": "builtins:NoneType"}
                path.write_text(json.dumps(document))
