"""LangGraph's checkpointer in memory: it says what it keeps, may refuse to, and can be meddled with."""

from __future__ import annotations

from typing import Any, Literal

import ormsgpack
from langgraph.checkpoint.memory import InMemorySaver

from .. import tampering
from ..stage import Stage

CALL_WITH_ONE = 0
"""The serializer's code for a value that is made by calling something with one argument."""


class Saver(InMemorySaver):  # type: ignore[misc, unused-ignore]
    """In memory; "unwritable" stands for a full disk."""

    def __init__(self, stage: Stage, how: str) -> None:
        """Empty; `how` is `Run.checkpoints`."""
        super().__init__()
        self._stage = stage
        self._how = how

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Keep one, and say so."""
        if self._how == "slow" and metadata["step"] >= 0:
            await self._stage.store()
        if self._how == "unwritable":
            raise OSError(28, "No space left on device")
        kept = await super().aput(config, checkpoint, metadata, new_versions)
        if metadata["step"] >= 0:
            self._stage.say("checkpoint", str(metadata["step"]))
        return kept

    async def config_of(self, barrier: int | None, config: dict[str, Any]) -> dict[str, Any]:
        """The configuration that goes on from a barrier, or from the latest."""
        async for found in self.alist(config):
            if barrier is not None and found.metadata["step"] == barrier:
                return {**config, "configurable": {**config["configurable"], **found.config["configurable"]}}
        return config

    def tamper(self, how: Literal["none", "damage", "hostile"]) -> None:
        """Change every stored value."""
        for key, (kind, body) in list(self.blobs.items()):
            if how == "damage" and tampering.MARK in body:
                self.blobs[key] = (kind, tampering.damaged(body))
            elif how == "hostile" and kind == "msgpack":
                named = (tampering.__name__, tampering.executed.__name__, tampering.number_of(self._stage))
                self.blobs[key] = (kind, ormsgpack.packb(ormsgpack.Ext(CALL_WITH_ONE, ormsgpack.packb(named))))
