"""What the model knows of one delivery: its script, where it stands, what it holds and waits for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from support.programs import Actor, Primitive, Script

from .routing import Delivery, Sent

END = ("end",)


class Cancelled(BaseException):
    """What a script gets instead of a result when its superstep fails."""


@dataclass
class Block:
    """A hold block that was entered: what its keys were then, and which of them it must answer for."""

    keys: list[str]
    before: dict[str, Any]
    wrote: set[str] = field(default_factory=set)


@dataclass
class Waiting:
    """A place in a key's queue. A hold has the keys it still lacks, the first being this one."""

    inv: Invocation
    key: str
    op: Primitive
    lacks: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Invocation:
    """One delivery. `pending` is the next operation of its script."""

    number: int
    actor: Actor
    position: int
    delivery: Delivery
    script: Script | None = None
    pending: Primitive = END
    error: Exception | None = None
    outcome: str = ""
    cancelled: bool = False
    waits: Waiting | None = None
    given: tuple[Any, BaseException | None] | None = None
    blocks: list[Block] = field(default_factory=list)
    sends: list[Sent] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The executor's id."""
        return self.actor.name
