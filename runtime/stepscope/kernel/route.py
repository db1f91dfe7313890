"""Where the messages of a superstep go: edges, conditions, fan-in buffers, inboxes (ORD-1, ORD-2, ORD-4, ORD-7, ORD-8, DLK-3).

Routing happens at the barrier, in canonical order (source rank, send number), and computes a `Routing` without
changing anything: only adopting it does, so a condition that raises leaves the last barrier as it was (BAR-3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..errors import WorkflowError
from ..values import Value, text
from .model import Group, Message, Plan
from .pool import Buffers, Pool


class Parcel(msgspec.Struct, eq=False, gc=False):
    """What one delivery will carry; `rank` is its source's, a fan-in group's first source's (ORD-7)."""

    rank: int
    payload: Value
    messages: list[int]
    sources: list[str]
    handler: Any


class Decision(msgspec.Struct, eq=False):
    """What one edge group did with a message for one target."""

    message: Message
    group: Group
    target: int
    decision: str
    reason: str


class Drop(msgspec.Struct, eq=False):
    """A message that nothing took; `why` as in the `Dropped` event."""

    message: Message
    target: str | None
    why: str
    reason: str


@dataclass(slots=True)
class Routing:
    """The barrier's decisions; `steps` has what was dropped, and every decision if `explain` is set."""

    explain: bool
    steps: list[Decision | Drop] = field(default_factory=list)
    inboxes: dict[int, list[Parcel]] = field(default_factory=dict)
    grouped: set[int] = field(default_factory=set)
    """Whose inboxes have a fan-in's group among them."""
    buffers: Buffers = field(default_factory=dict)

    @property
    def drops(self) -> list[Drop]:
        """The messages that went nowhere though nothing decided so (ORD-8)."""
        return [step for step in self.steps if isinstance(step, Drop) and step.why != "conditions"]


class Router:
    """Routes by one plan. `names` are the executors' ids as events show them."""

    def __init__(self, plan: Plan, names: list[str]) -> None:
        self._plan = plan
        self._names = names
        self._rank = {node.id: rank for rank, node in enumerate(plan.nodes)}
        self._alone = [[name] for name in names]
        self._position = {
            group.id: {source: index for index, source in enumerate(group.sources)} for group in plan.groups
        }
        self._match = [node.match for node in plan.nodes]
        self._only = [self._only_way(groups) for groups in plan.out]

    @staticmethod
    def _only_way(groups: tuple[Group, ...]) -> Group | None:
        """The one edge group that takes every message of a source, where nothing has to be decided."""
        if len(groups) != 1 or groups[0].kind not in ("single", "fan-out", "fan-in") or any(groups[0].tests):
            return None
        return groups[0]

    def route(self, messages: Iterable[Message], buffers: Buffers, *, explain: bool) -> Routing:
        """Decide for every message. Raises what a condition or selection function raises."""
        routing = Routing(explain)
        for message in messages:
            group = self._only[message.source]
            if group is None or message.target is not None:
                self._route(routing, message, buffers)
            elif group.kind == "fan-in":
                self._buffer(routing, message, group, group.targets[0], buffers)
            else:
                self._deliver(routing, message, group, group.targets, "")
        for target in routing.grouped:  # groups form late and belong to their first source
            routing.inboxes[target].sort(key=lambda parcel: parcel.rank)
        return routing

    def _route(self, routing: Routing, message: Message, buffers: Buffers) -> None:
        wanted = None if message.target is None else self._rank.get(message.target)
        taken = False
        open_edges = 0
        reasons = []
        for group in self._plan.out[message.source]:
            if message.target is not None and wanted not in group.targets:
                continue
            open_edges += 1
            for target, yes, reason in self._decide(group, message, wanted):
                if wanted is not None and target != wanted:
                    continue
                if not yes:
                    reasons.append(reason)
                    if not routing.explain:
                        continue
                    decision = "not-selected" if group.kind in ("switch-case", "multi-selection") else "condition-false"
                    routing.steps.append(Decision(message, group, target, decision, reason))
                    continue
                taken = True
                if group.kind == "fan-in":
                    self._buffer(routing, message, group, target, buffers)
                else:
                    self._deliver(routing, message, group, (target,), reason)
        if taken:
            return
        source = self._names[message.source]
        if open_edges:
            routing.steps.append(Drop(message, message.target, "conditions", "; ".join(reasons)))
        elif message.target is not None:
            known = "is no executor of this workflow" if wanted is None else f"has no edge from {source!r}"
            routing.steps.append(Drop(message, message.target, "no-route", f"{message.target!r} {known}"))
        else:
            routing.steps.append(Drop(message, None, "no-route", f"{source!r} has no outgoing edge"))

    def _decide(self, group: Group, message: Message, wanted: int | None) -> list[tuple[int, bool, str]]:
        """For each target: whether the group sends it there, and why (or why not)."""
        if group.kind == "switch-case":
            return self._switch(group, message, wanted)
        select = group.select
        if select is not None:
            if wanted is not None:
                return [(wanted, True, "addressed")]
            ids = [self._plan.nodes[target].id for target in group.targets]
            chosen = self._ask(group, message, lambda payload: list(select(payload, ids)))
            unknown = [one for one in chosen if one not in ids]
            if unknown:
                raise WorkflowError(
                    f"the selection function {group.labels[0]!r} of {self._names[message.source]!r} chose "
                    f"{', '.join(map(repr, unknown))}, which is not among its targets {', '.join(map(repr, ids))}."
                )
            said = f"{group.labels[0]} chose {', '.join(chosen) or 'nobody'}"
            return [(target, one in chosen, said) for target, one in zip(group.targets, ids, strict=True)]
        return [
            (target, True, "")
            if test is None
            else (
                (target, True, f"{label} is true")
                if self._ask(group, message, test)
                else (target, False, f"{label} is false")
            )
            for target, test, label in zip(group.targets, group.tests, group.labels, strict=True)
        ]

    def _switch(self, group: Group, message: Message, wanted: int | None) -> list[tuple[int, bool, str]]:
        if wanted is not None:
            return [(wanted, True, "addressed")]
        decided: list[tuple[int, bool, str]] = []
        winner: str | None = None
        for target, test, label in zip(group.targets, group.tests, group.labels, strict=True):
            if winner is not None:
                decided.append((target, False, f"{winner} came first"))
            elif test is None or self._ask(group, message, test):
                winner = label
                decided.append((target, True, label if test is None else f"{label} is true"))
            else:
                decided.append((target, False, f"{label} is false"))
        return decided

    def _ask(self, group: Group, message: Message, question: Any) -> Any:
        try:
            return question(message.payload.fresh())
        except Exception as error:
            error.add_note(
                f"while routing {text(message.payload.tree(), 60)} from {self._names[message.source]!r} "
                f"over the {group.kind} edge {group.id!r}"
            )
            raise

    def _deliver(self, routing: Routing, message: Message, group: Group, targets: Iterable[int], reason: str) -> None:
        payload, inboxes, match = message.payload, routing.inboxes, self._match
        source, seen = message.source, payload.peek
        messages, sources = [message.id], self._alone[source]
        for target in targets:
            handler = match[target](seen)
            if handler is None:
                self._untaken(routing, message, target, payload)
                continue
            if routing.explain:
                routing.steps.append(Decision(message, group, target, "delivered", reason))
            parcel = Parcel(source, payload, messages, sources, handler)
            if target in inboxes:
                inboxes[target].append(parcel)
            else:
                inboxes[target] = [parcel]

    def _untaken(self, routing: Routing, message: Message, target: int, payload: Value) -> None:
        what = f"{self._names[target]!r} takes {self._plan.nodes[target].takes}, not {text(payload.tree(), 60)}"
        routing.steps.append(Drop(message, self._names[target], "no-handler", what))

    def _buffer(self, routing: Routing, message: Message, group: Group, target: int, buffers: Buffers) -> None:
        pool = routing.buffers.get(group.id)
        if pool is None:
            held = buffers.get(group.id)
            pool = routing.buffers[group.id] = Pool(len(group.sources)) if held is None else held.copy()
        members = pool.put(self._position[group.id][message.source], message)
        if members is None:
            if routing.explain:
                routing.steps.append(Decision(message, group, target, "buffered", self._missing(group, pool)))
            return
        payload = Value.group([member.payload for member in members])
        handler = self._match[target](payload.peek)
        if handler is None:
            for member in members:
                self._untaken(routing, member, target, payload)
            return
        if routing.explain:
            why = f"completes the group of {len(members)}"
            routing.steps.append(Decision(message, group, target, "delivered", why))
        sources = [self._names[source] for source in group.sources]
        parcel = Parcel(group.sources[0], payload, [member.id for member in members], sources, handler)
        routing.inboxes.setdefault(target, []).append(parcel)
        routing.grouped.add(target)

    def _missing(self, group: Group, pool: Pool) -> str:
        if pool.empty > 3:
            return f"waits for {pool.empty} of {len(group.sources)} sources"
        names = [self._names[source] for source, queue in zip(group.sources, pool.queues, strict=True) if not queue]
        return f"waits for {', '.join(map(repr, names))}"
