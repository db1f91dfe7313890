"""A kernel fed by hand: supersteps are opened, operations applied and invocations ended by the test, without a loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from stepscope import StateKey, WorkflowBuilder
from stepscope.drivers.describe import error_info
from stepscope.events import AnyEvent, Event, HandlerStarted
from stepscope.journal import Journal
from stepscope.kernel import Invocation, Kernel, Plan, Ticket
from stepscope.kernel.model import HoldRecord
from stepscope.kernel.ops import Acquire, Add, Get, Release, Send, Set, Update, Yield
from stepscope.observe import ALL
from stepscope.values import Value

from .workflows import Node, build, relay

E = TypeVar("E", bound=Event)


def value(obj: Any) -> Value:
    """A value as an operation carries it."""
    return Value.of(obj, "the test's value")


class _Sink:
    durable = ALL

    def __init__(self, events: list[AnyEvent]) -> None:
        self.append = events.append

    def enter_handler(self, event: HandlerStarted) -> None:
        """Nothing to do."""

    def flush(self, *, barrier: bool) -> None:
        """Nothing to write."""

    def close(self) -> None:
        """Nothing to close."""


def plan_of(builder: WorkflowBuilder) -> Plan:
    """What the builder compiles a workflow to."""
    return build(builder)._plan


class Hand:
    """A kernel, its events, and short names for operations. The clock stands still, unless one is given."""

    def __init__(
        self,
        plan: Plan,
        message: Any = None,
        *,
        strict: bool = False,
        scope: int = 0,
        prefix: str = "",
        clock: Callable[[], int] = lambda: 0,
    ) -> None:
        self.events: list[AnyEvent] = []
        journal = Journal(clock, [_Sink(self.events)])
        self.kernel = Kernel(plan, journal, scope=scope, prefix=prefix, strict=strict, describe=error_info)
        self.kernel.begin(value(message))
        self.invs: dict[str, list[Invocation]] = {}
        self.line = 0
        """Of the handler's source, for the operations that follow."""

    @classmethod
    def siblings(cls, names: Sequence[str], keys: Sequence[StateKey] = ()) -> Hand:
        """A kernel in superstep 2, in which each of `names` has one started invocation; all lead to each other."""
        start, nodes = Node("start", relay), [Node(name, relay) for name in names]
        builder = WorkflowBuilder(start, state=keys, max_supersteps=1000).add_fan_out_edges(start, nodes)
        for node in nodes:
            builder.add_fan_out_edges(node, nodes)
        hand = cls(plan_of(builder))
        hand.open()
        hand.send("start", 0)
        hand.finish()
        hand.open()
        return hand

    def open(self) -> list[str]:
        """Open a superstep and start the first invocation of each inbox; gives who has one."""
        inboxes = self.kernel.open()
        self.invs = {inbox[0].executor: inbox for inbox in inboxes}
        for inbox in inboxes:
            self.kernel.start(inbox[0])
        return list(self.invs)

    def finish(self) -> None:
        """End every invocation that has not ended, in inbox order, and close the superstep."""
        for inbox in self.invs.values():
            for inv in inbox:
                if inv.outcome is None:
                    if not inv.started:
                        self.kernel.start(inv)
                    self.kernel.end(inv, "completed")
        self.kernel.close()

    def inv(self, name: str) -> Invocation:
        """The executor's running invocation."""
        return next(inv for inv in self.invs[name] if inv.outcome is None)

    def send(self, name: str, payload: Any, target: str | None = None) -> None:
        self.kernel.apply(self.inv(name), Send(value(payload), target, self.line))

    def output(self, name: str, payload: Any) -> None:
        self.kernel.apply(self.inv(name), Yield(value(payload), self.line))

    def get(self, name: str, key: str, default: Any = None) -> Any:
        return self.kernel.apply(self.inv(name), Get(key, default, self.line))

    def set(self, name: str, key: str, new: Any) -> Any:
        return self.kernel.apply(self.inv(name), Set(key, value(new), self.line))

    def delete(self, name: str, key: str) -> Any:
        return self.kernel.apply(self.inv(name), Set(key, None, self.line))

    def update(self, name: str, key: str, function: Any) -> Any:
        return self.kernel.apply(self.inv(name), Update(key, function, self.line))

    def add(self, name: str, key: str, contribution: Any) -> Any:
        return self.kernel.apply(self.inv(name), Add(key, value(contribution), self.line))

    def hold(self, name: str, *keys: str) -> HoldRecord | Ticket:
        """Enter a hold block, as the API does: keys sorted, none twice."""
        entered: HoldRecord | Ticket = self.kernel.apply(self.inv(name), Acquire(tuple(sorted(set(keys))), self.line))
        return entered

    def release(self, name: str, record: HoldRecord, undo: bool = False) -> None:
        self.kernel.apply(self.inv(name), Release(record, undo, self.line))

    def of(self, kind: type[E]) -> list[E]:
        """Events of one type, in order."""
        found: list[E] = []
        for event in self.events:
            if isinstance(event, kind):
                found.append(event)
        return found

    @property
    def state(self) -> dict[str, Any]:
        """Committed state."""
        committed = self.kernel.state.committed
        return {key: stored.fresh() for key, stored in sorted(committed.items()) if stored is not None}
