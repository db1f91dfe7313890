"""What the kernel works on: the compiled graph (`Plan`), invocations, messages, and tickets of those who wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from ..events import EdgeKind, GraphInfo, HandlerStarted
from ..statekey import StateKey
from ..values import Value

if TYPE_CHECKING:
    from .ops import Op

Outcome: TypeAlias = Literal["completed", "failed", "cancelled", "abandoned"]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """One edge group. `tests[i]` decides for `targets[i]`; None always says yes.

    Ranks, not ids. In a switch-case the first test that says yes wins and the default has None and comes last.
    `labels[i]` names the test in events.
    """

    id: str
    kind: EdgeKind
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    tests: tuple[Callable[[Any], object] | None, ...]
    labels: tuple[str, ...]
    select: Callable[[Any, list[str]], Sequence[str]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One executor. `match` gives the handler that takes a payload, or None; `takes` says in words what it does take."""

    id: str
    match: Callable[[Any], Any]
    takes: str


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A built workflow, compiled: an executor's rank is its index in `nodes` (ORD-2)."""

    name: str
    start: int
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...]
    keys: Mapping[str, StateKey]
    max_supersteps: int
    info: GraphInfo
    out: tuple[tuple[Group, ...], ...] = field(init=False)
    timed: bool = field(init=False)
    """Whether any handler has a timeout of its own (PAR-4)."""

    def __post_init__(self) -> None:
        """Index the groups by source."""
        out: list[list[Group]] = [[] for _ in self.nodes]
        for group in self.groups:
            for source in group.sources:
                out[source].append(group)
        object.__setattr__(self, "out", tuple(map(tuple, out)))
        timed = any(spec.timeout is not None for one in self.info.executors for spec in one.handlers)
        object.__setattr__(self, "timed", timed)


class Message(msgspec.Struct, eq=False, gc=False):
    """A sent message; `number` counts its executor's sends of the superstep."""

    id: int
    source: int
    number: int
    target: str | None
    payload: Value


class HoldRecord:
    """One entered hold block: its keys, and what undoing it would restore (STA-6)."""

    __slots__ = ("keys", "line", "open", "undo")

    def __init__(self, keys: tuple[str, ...], line: int) -> None:
        self.keys = keys
        self.line = line
        self.open = True
        self.undo: dict[str, Value | None] = {}


class Invocation(msgspec.Struct, eq=False):
    """One run of a handler for one delivery.

    `round`, `task` and `cancelling` belong to the driver; the kernel does not look at them.
    """

    kernel: Any
    id: int
    rank: int
    executor: str
    position: int
    payload: Value
    messages: list[int]
    sources: list[str]
    handler: Any
    started: bool = False
    begun: HandlerStarted | None = None
    outcome: Outcome | None = None
    holds: tuple[HoldRecord, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    effects: int = 0
    round: Any = None
    task: Any = None
    cancelling: bool = False

    @property
    def running(self) -> bool:
        """Started and not ended: its operations are accepted (BAR-2)."""
        return self.started and self.outcome is None

    def __repr__(self) -> str:
        """For messages and debugging."""
        return f"<invocation {self.id} of {self.executor}>"


class Ticket:
    """An operation that has to wait for a held key.

    The kernel performs the operation when the key is handed over, sets `result` or `error` and `done`, and calls
    `wake`. Ownership changes then, not when the waiter runs again (STA-5).
    """

    __slots__ = ("done", "error", "inv", "key", "op", "record", "remaining", "result", "wake")

    def __init__(self, inv: Invocation, op: Op, key: str) -> None:
        self.inv = inv
        self.op = op
        self.key = key
        self.record: HoldRecord | None = None
        self.remaining: tuple[str, ...] = ()
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.wake: Callable[[], object] | None = None
