"""Invocations and messages, assembled from their events."""

from __future__ import annotations

import msgspec

from stepscope.events import Delivered, Dropped, HandlerEnded, HandlerStarted, Resumed, Routed, RunStarted, Sent
from stepscope.values import Value

from .blocks import Blocks
from .errors import RecordingError
from .index import Index
from .model import Arc, Invocation, Message, Route


def invocation(blocks: Blocks, index: Index, row: int) -> Invocation:
    """The invocation in a row of the index. Raises `RecordingError` if its events are not what they should be."""
    columns = index.invocations
    delivered, started, ended = columns.delivered[row], columns.started[row], columns.ended[row]
    begin = blocks.event(delivered)
    start = blocks.event(started) if started else None
    end = blocks.event(ended) if ended else None
    if not isinstance(begin, Delivered):
        raise RecordingError(f"{blocks.database.name} is damaged: event {delivered} is no delivery.")
    return Invocation(
        inv=begin.inv,
        executor=begin.executor,
        scope=begin.scope,
        superstep=begin.superstep,
        delivered=delivered,
        started=started,
        ended=ended,
        t_delivered=begin.t,
        t_started=start.t if start is not None else 0,
        t_ended=end.t if end is not None else 0,
        handler=start.handler if isinstance(start, HandlerStarted) else "",
        outcome=end.outcome if isinstance(end, HandlerEnded) else "",
        messages=begin.messages,
        sources=begin.sources,
    )


def message(blocks: Blocks, index: Index, row: int) -> Message:
    """The message in a row of the index. Raises `RecordingError` if its events are not what they should be."""
    number, sent = index.messages.id[row], index.messages.sent[row]
    deliveries: list[Arc] = []
    routed: list[Route] = []
    dropped: str | None = None
    one: Delivered | None = None
    for seq in index.chain(row):
        event = blocks.event(seq)
        if isinstance(event, Delivered):
            deliveries.append(Arc(event.inv, event.executor, seq))
            one = event
        elif isinstance(event, Routed):
            routed.append(Route(seq, event.edge, event.target, event.decision, event.reason))
        elif isinstance(event, Dropped):
            dropped = event.reason or event.why
    origin = blocks.event(sent)
    if number == 0 and not isinstance(origin, Resumed):
        origin = blocks.event(1)
    if isinstance(origin, Sent):
        return Message(
            number, origin.executor, origin.scope, origin.superstep, sent, origin.inv, origin.number, origin.target,
            origin.payload, deliveries, routed, dropped,
        )  # fmt: skip
    if number == 0 and isinstance(origin, RunStarted):
        return Message(0, "", 0, 0, 0, 0, 0, origin.graph.start, origin.input, deliveries, routed, dropped)
    if isinstance(origin, Resumed) and (kept := _waiting(origin, number)) is not None:
        source, payload = kept
        return Message(
            number, source, origin.scope, origin.superstep, 0, 0, 0, None, payload, deliveries, routed, dropped
        )
    if one is not None:  # sent before this recording began
        at = one.messages.index(number)
        source = one.sources[at] if at < len(one.sources) else ""
        return Message(
            number, source, one.scope, one.superstep - 1, 0, 0, 0, None, one.payload, deliveries, routed, dropped
        )
    raise RecordingError(f"{blocks.database.name} is damaged: message {number} was routed but never sent.")


def _waiting(event: Resumed, number: int) -> tuple[str, Value] | None:
    """Source and payload of a message that waited where a run was resumed; one of a fan-in's group too."""
    for one in event.waiting:
        if number in one.messages and len(one.sources) == len(one.messages):
            at = one.messages.index(number)
            members = one.payload.tree()
            if len(one.messages) == 1:
                return one.sources[0], one.payload
            if isinstance(members, list) and len(members) == len(one.messages):
                return one.sources[at], Value(msgspec.msgpack.encode(members[at]))
    return None
