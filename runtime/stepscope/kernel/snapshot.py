"""What a scope is between two supersteps, as data (BAR-4): taken from a kernel at a barrier, and put into another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ..errors import WorkflowError
from ..values import Value, text
from .model import Message, Plan
from .pool import Buffers, Pool
from .route import Parcel


class Waiting(msgspec.Struct, array_like=True, frozen=True):
    """A delivery the next superstep makes. `target` and `source` are ranks; the run's input has source -1."""

    target: int
    source: int
    messages: list[int]
    sources: list[str]
    payload: Value


class Buffered(msgspec.Struct, array_like=True, frozen=True):
    """A message that waits in fan-in `group` for its partners (ORD-4); `source` is a rank."""

    group: str
    source: int
    message: int
    number: int
    target: str | None
    payload: Value


class Grown(msgspec.Struct, array_like=True, frozen=True):
    """A fan-in buffer that was reported as growing: the size at which it is reported next."""

    group: str
    source: int
    limit: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the kernel needs to go on from a barrier.

    `superstep` is the last committed, `chain` the digest so far, `invocations` and `messages` how many there have been
    in the run, sub-workflows' included.
    """

    superstep: int
    chain: bytes
    invocations: int
    messages: int
    state: list[tuple[str, Value]]
    outputs: list[Value]
    waiting: list[Waiting]
    buffered: list[Buffered]
    grown: list[Grown]


def waiting(inboxes: Mapping[int, list[Parcel]]) -> list[Waiting]:
    """What the next superstep delivers, in the order in which it does."""
    return [
        Waiting(target, parcel.rank, parcel.messages, parcel.sources, parcel.payload)
        for target, inbox in sorted(inboxes.items())
        for parcel in inbox
    ]


def parcels(plan: Plan, kept: Iterable[Waiting]) -> dict[int, list[Parcel]]:
    """The reverse of `waiting`. Raises `WorkflowError` for a message that no handler takes."""
    inboxes: dict[int, list[Parcel]] = {}
    for one in kept:
        node = plan.nodes[one.target]
        handler = node.match(one.payload.peek)
        if handler is None:
            shown = text(one.payload.tree(), 80)
            raise WorkflowError(f"executor {node.id!r} takes {node.takes}, not {shown}, which waits for it.")
        parcel = Parcel(one.source, one.payload, one.messages, one.sources, handler)
        inboxes.setdefault(one.target, []).append(parcel)
    return inboxes


def buffered(buffers: Buffers) -> list[Buffered]:
    """What waits in fan-ins, each source's messages in the order sent."""
    return [
        Buffered(group, message.source, message.id, message.number, message.target, message.payload)
        for group, pool in sorted(buffers.items())
        for queue in pool.queues
        for message in queue
    ]


def pools(plan: Plan, kept: Iterable[Buffered]) -> Buffers:
    """The reverse of `buffered`."""
    sources = {group.id: group.sources for group in plan.groups}
    buffers: Buffers = {}
    for one in kept:
        pool = buffers.setdefault(one.group, Pool(len(sources[one.group])))
        message = Message(one.message, one.source, one.number, one.target, one.payload)
        pool.put(sources[one.group].index(one.source), message)
    return buffers
