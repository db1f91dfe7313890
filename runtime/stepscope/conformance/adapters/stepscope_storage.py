"""A storage of checkpoints that says what it keeps, may refuse to, and can be meddled with."""

from __future__ import annotations

import pickle
from typing import Literal

from stepscope import CheckpointInfo, InMemoryCheckpointStorage
from stepscope.conformance.stage import Stage
from stepscope.conformance.tampering import Bomb, damaged


class Storage(InMemoryCheckpointStorage):
    """In memory; "unwritable" stands for a full disk."""

    def __init__(self, stage: Stage, how: str) -> None:
        """Empty; `how` is `Run.checkpoints`."""
        super().__init__()
        self._stage = stage
        self._how = how

    async def save(self, info: CheckpointInfo, body: bytes) -> None:
        """Keep one, and say so."""
        if self._how == "slow":
            await self._stage.store()
        if self._how == "unwritable":
            raise OSError(28, "No space left on device")
        await super().save(info, body)
        self._stage.say("checkpoint", str(info.superstep))

    async def id_of(self, barrier: int | None) -> str | None:
        """Id of a barrier's checkpoint; None for the latest."""
        found = [one.checkpoint_id for one in await self.list_checkpoints() if one.superstep == barrier]
        return found[0] if found else None

    async def tamper(self, how: Literal["none", "damage", "hostile"]) -> None:
        """Change every checkpoint."""
        for info in await self.list_checkpoints():
            _, body = await self.load(info.checkpoint_id)
            if how == "damage":
                await super().save(info, damaged(body))
            elif how == "hostile":
                await super().save(info, pickle.dumps(Bomb(self._stage)))
