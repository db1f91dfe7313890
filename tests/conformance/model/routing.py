"""Where a superstep's messages go, as the clauses describe it (ORD-1, ORD-2, ORD-4, ORD-7, ORD-8, DLK-3)."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from stepscope.errors import DroppedMessageError, WorkflowError
from support.programs import SELECTIONS, TESTS, Link, Program, Takes


@dataclass
class Sent:
    """A message; `target` is None unless it is addressed."""

    number: int
    source: str
    target: str | None
    payload: Any


@dataclass
class Delivery:
    """What lies in an inbox: one message, or a fan-in's group."""

    sources: list[str]
    messages: list[int]
    payload: Any
    group: bool


Row: TypeAlias = tuple[Any, ...]
Buffers: TypeAlias = dict[int, dict[str, list[Sent]]]
"""By a fan-in's place among the edges, then by source: what has no partner yet."""


@dataclass
class Routing:
    """Decisions, not yet taken: log rows, inboxes, and the fan-ins' buffers afterwards."""

    buffers: Buffers
    rows: list[Row] = field(default_factory=list)
    inboxes: dict[str, list[Delivery]] = field(default_factory=dict)

    @property
    def lost(self) -> list[Row]:
        """Dropped though no condition said so."""
        return [row for row in self.rows if row[0] == "dropped" and row[4] != "conditions"]


def ranks(program: Program) -> dict[str, int]:
    """The order of first mention (ORD-2)."""
    mentions = [program.actors[0].name]
    for link in program.links:
        mentions += [*link.sources, *link.targets]
    return {name: rank for rank, name in enumerate(dict.fromkeys(mentions))}


def takes(what: Takes, payload: Any) -> bool:
    """Whether an executor has a handler for it."""
    return what == "all" or isinstance(payload, dict if what == "numbers" else str)


def route(program: Program, messages: list[Sent], buffers: Buffers) -> Routing:
    """Decide for messages in canonical order. Raises what a condition or selection raises, and what strictness does."""
    routing = Routing({at: {one: list(held) for one, held in sides.items()} for at, sides in buffers.items()})
    rank = ranks(program)
    for message in messages:
        links = [
            (at, link)
            for at, link in enumerate(program.links)
            if message.source in link.sources and message.target in (None, *link.targets)
        ]
        taken = False
        for at, link in links:
            for target, yes, decision in _decide(link, message):
                if yes:
                    taken = True
                    _take(program, routing, at, link, message, target)
                else:
                    routing.rows.append(("routed", message.number, message.source, at, target, decision))
        if not taken:
            why = "conditions" if links else "no-route"
            routing.rows.append(("dropped", message.number, message.source, message.target, why))
    for inbox in routing.inboxes.values():
        inbox.sort(key=lambda delivery: rank[delivery.sources[0]])
    if program.strict and routing.lost:
        raise DroppedMessageError(f"{len(routing.lost)} messages")
    return routing


def _decide(link: Link, message: Sent) -> Iterator[tuple[str, bool, str]]:
    """Target, whether the link takes the message there, and what it is called if not.

    A switch or selection is not asked about an addressed message: it was chosen already.
    """
    targets = list(link.targets) if message.target is None else [message.target]
    if link.kind == "multi-selection":
        chosen = targets
        if message.target is None:
            chosen = SELECTIONS[link.select](deepcopy(message.payload), list(targets))
            if not set(chosen) <= set(targets):
                raise WorkflowError("the selection chose none of its targets")
        for target in targets:
            yield target, target in chosen, "not-selected"
    elif link.kind == "switch-case":
        won = False
        for target in targets:
            test = link.tests[link.targets.index(target)]
            wins = not won and (message.target is not None or test is None or TESTS[test](deepcopy(message.payload)))
            won = won or wins
            yield target, wins, "not-selected"
    else:
        for target in targets:
            test = link.tests[0] if link.kind == "single" else None
            yield target, test is None or TESTS[test](deepcopy(message.payload)), "condition-false"


def _take(program: Program, routing: Routing, at: int, link: Link, message: Sent, target: str) -> None:
    members = [message]
    if link.kind == "fan-in":
        sides = routing.buffers.setdefault(at, {source: [] for source in link.sources})
        sides[message.source].append(message)
        if not all(sides.values()):
            routing.rows.append(("routed", message.number, message.source, at, target, "buffered"))
            return
        members = [sides[source].pop(0) for source in link.sources]
    group = len(members) > 1
    payload = [one.payload for one in members] if group else message.payload
    (actor,) = (actor for actor in program.actors if actor.name == target)
    if not takes(actor.takes, payload):
        for one in members:
            routing.rows.append(("dropped", one.number, one.source, target, "no-handler"))
        return
    routing.rows.append(("routed", message.number, message.source, at, target, "delivered"))
    delivery = Delivery([one.source for one in members], [one.number for one in members], deepcopy(payload), group)
    routing.inboxes.setdefault(target, []).append(delivery)
