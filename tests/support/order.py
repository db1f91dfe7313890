"""Whether the events of a run keep to the ordering clauses, checked from the events alone, without the runtime's help."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from stepscope.events import (
    AnyEvent,
    Delivered,
    Dropped,
    HandlerEnded,
    HandlerStarted,
    OutputYielded,
    Routed,
    RunStarted,
    Sent,
)


class OrderChecker:
    """Reads the events of one run without sub-workflows; each method asserts one clause."""

    def __init__(self, events: list[AnyEvent]) -> None:
        started = events[0]
        assert isinstance(started, RunStarted)
        self.events = events
        self.rank = {executor.id: executor.rank for executor in started.graph.executors}
        self.fan_ins = {edge.targets[0]: edge.sources for edge in started.graph.edges if edge.kind == "fan-in"}
        self.sent = {one.message: one for one in events if isinstance(one, Sent)}
        self.delivered = [one for one in events if isinstance(one, Delivered)]

    def all(self) -> None:
        """Every clause."""
        self.ord_1()
        self.ord_2()
        self.ord_4()
        self.ord_5()
        self.ord_7()
        self.ord_8()

    def _number(self, message: int) -> tuple[int, int]:
        """Place of a message among all that its source sent."""
        sent = self.sent[message]
        return sent.superstep, sent.number

    def ord_1(self) -> None:
        """From one source to one target: handled in the order sent, over the whole run."""
        inbox_of = {one.inv: one for one in self.delivered}
        last: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, -1))
        for event in self.events:
            if isinstance(event, HandlerStarted):
                for message in inbox_of[event.inv].messages:
                    if message:
                        pair = self.sent[message].executor, event.executor
                        assert last[pair] < self._number(message)
                        last[pair] = self._number(message)

    def ord_2(self) -> None:
        """Each inbox is sorted by source rank, a group's being its first source's, then by send number."""
        inboxes: dict[tuple[int, str], list[Delivered]] = defaultdict(list)
        for one in self.delivered:
            inboxes[one.superstep, one.executor].append(one)
        for inbox in inboxes.values():
            assert [one.position for one in inbox] == list(range(len(inbox)))
            keys = [(self.rank[one.sources[0]], self._number(one.messages[0])) for one in inbox if one.sources[0]]
            assert keys == sorted(keys)

    def ord_4(self) -> None:
        """The i-th group has the i-th message that each source's edge took, in declared order."""
        taken: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for event in self.events:
            if (
                isinstance(event, Routed)
                and self.fan_ins.get(event.target)
                and event.source in self.fan_ins[event.target]
            ):
                taken[event.target][event.source].append(event.message)
        for target, sources in self.fan_ins.items():
            groups = [one for one in self.delivered if one.executor == target and one.group]
            for one in groups:
                assert one.sources == sources
                assert one.payload.tree() == [self.sent[message].payload.tree() for message in one.messages]
            by_count = list(zip(*(sorted(taken[target][source], key=self._number) for source in sources), strict=False))
            groups.sort(key=lambda one: self._number(one.messages[0]))
            assert [tuple(one.messages) for one in groups] == by_count

    def ord_5(self) -> None:
        """An executor's handlers do not overlap, and run in inbox order."""
        position = {one.inv: (one.superstep, one.position) for one in self.delivered}
        running: dict[str, int] = {}
        last: dict[str, tuple[int, int]] = defaultdict(lambda: (0, -1))
        for event in self.events:
            if isinstance(event, HandlerStarted):
                assert event.executor not in running
                running[event.executor] = event.inv
                assert last[event.executor] < position[event.inv]
                last[event.executor] = position[event.inv]
            elif isinstance(event, HandlerEnded):
                assert running.pop(event.executor) == event.inv

    def ord_6(self, outputs: list[Any]) -> None:
        """The run's outputs are its yields sorted by superstep, rank and number."""
        yielded = [one for one in self.events if isinstance(one, OutputYielded)]
        yielded.sort(key=lambda one: (one.superstep, self.rank[one.executor], one.number))
        assert [one.value.tree() for one in yielded] == outputs

    def ord_7(self) -> None:
        """Delivered in the superstep after it was sent, or after the last of its group was."""
        for one in self.delivered:
            if one.messages != [0]:
                assert max(self.sent[message].superstep for message in one.messages) + 1 == one.superstep

    def ord_8(self) -> None:
        """Every message that was sent has its fate on record, and one said to be delivered was."""
        fates = {one.message for one in self.events if isinstance(one, (Routed, Dropped))}
        assert fates == set(self.sent)
        said: dict[tuple[int, str], int] = defaultdict(int)
        for event in self.events:
            if isinstance(event, Routed) and event.decision == "delivered":
                said[event.message, event.target] += 1
        was = {(message, one.executor) for one in self.delivered for message in one.messages}
        assert set(said) <= was
        assert set(said.values()) <= {1}
        dropped = {one.message for one in self.events if isinstance(one, Dropped) and one.why != "no-handler"}
        assert not dropped & {message for message, _ in was}
