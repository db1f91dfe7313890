"""Any sequence of holds, operations, cancellations and ends: one owner, FIFO, no lost waiter, no cycle (STA-5..7, DLK-2)."""

from __future__ import annotations

from typing import Any

import networkx as nx
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from stepscope import DeadlockError, StateKey
from stepscope.events import LockAcquired, LockReleased, LockWaiting, StateRead, StateWritten
from stepscope.kernel import Ticket
from stepscope.kernel.model import HoldRecord
from support.kernels import Hand, value
from support.workflows import full

NAMES = [f"e{number}" for number in range(5)]
KEYS = [f"k{number}" for number in range(4)]
LIVE = [StateKey(key, initial=0, access="live") for key in KEYS]


class LockMachine(RuleBasedStateMachine):
    """Handlers that hold, nest, operate, are cancelled and end, in any order.

    With `several`, an invocation may have more than one operation waiting, as a handler with child tasks has.
    """

    several = False

    def __init__(self) -> None:
        super().__init__()
        self.hand = Hand.siblings(NAMES, LIVE)
        self.alive = list(NAMES)
        self.holds: dict[str, list[tuple[HoldRecord, dict[str, Any]]]] = {name: [] for name in NAMES}
        self.pending: dict[str, list[Ticket]] = {name: [] for name in NAMES}
        self.asleep: list[tuple[str, Ticket]] = []  # served, but not awake yet
        self.values = dict.fromkeys(KEYS, 0)

    # what the test does

    def _free(self) -> list[str]:
        return [name for name in self.alive if self.several or not (self.pending[name] or self._sleeps(name))]

    def _sleeps(self, name: str) -> bool:
        return any(one == name for one, _ in self.asleep)

    def _asked(self, name: str, got: Any, effect: Any) -> None:
        """Note the outcome of an operation; `effect(result)` is what it means for the model, when it is performed."""
        if not isinstance(got, Ticket):
            effect(got)
            return

        def woken() -> None:
            self.pending[name].remove(got)
            if got.error is None:
                effect(got.result)
                if isinstance(got.result, HoldRecord):
                    self.asleep.append((name, got))
            else:
                assert isinstance(got.error, DeadlockError)

        if not got.done:
            self.pending[name].append(got)
            got.wake = woken

    def _ask(self, name: str, ask: Any, effect: Any, keys: tuple[str, ...]) -> None:
        graph = self._graph()
        owners = {key: owner.executor for key, owner, _ in self.hand.kernel.table()}
        try:
            got = ask()
        except DeadlockError as error:
            rows = error.cycle
            assert rows[0][0] == name
            assert rows[0][2] in keys
            for (_, _, wants), (holder, held, _) in zip(rows, [*rows[1:], rows[0]], strict=True):
                assert wants == held
                assert owners.get(held, name) == holder  # the requester may have taken it in this very request
            graph.add_edge(name, rows[1][0])
            for key in keys:  # who waits for what the request took on its way
                for waiter in self._waiting(key):
                    graph.add_edge(waiter, name)
            assert not nx.is_directed_acyclic_graph(graph)
            return
        self._asked(name, got, effect)

    def _waiting(self, key: str) -> list[str]:
        return [w.executor for one, _, queue in self.hand.kernel.table() if one == key for w in queue]

    def _graph(self) -> Any:
        graph: Any = nx.DiGraph()
        for _, owner, queue in self.hand.kernel.table():
            graph.add_edges_from((waiter.executor, owner.executor) for waiter in queue)
        return graph

    def _enter(self, name: str) -> Any:
        def effect(record: HoldRecord) -> None:
            self.holds[name].append((record, {key: self.values[key] for key in record.keys}))

        return effect

    @rule(data=st.data(), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    @precondition(lambda self: self._free())
    def hold(self, data: st.DataObject, keys: list[str]) -> None:
        name = data.draw(st.sampled_from(self._free()))
        self._ask(name, lambda: self.hand.hold(name, *keys), self._enter(name), tuple(keys))

    @rule(
        data=st.data(),
        key=st.sampled_from(KEYS),
        verb=st.sampled_from(["get", "set", "update"]),
        number=st.integers(0, 9),
    )
    @precondition(lambda self: self._free())
    def operate(self, data: st.DataObject, key: str, verb: str, number: int) -> None:
        name = data.draw(st.sampled_from(self._free()))

        def put(old: Any) -> Any:
            """Runs inside the kernel, at the operation's place in the total order."""
            assert old == self.values[key]
            self.values[key] = number if verb == "set" else old + 1
            return self.values[key]

        ask = self.hand.get if verb == "get" else self.hand.update
        self._ask(name, lambda: ask(name, key, put), lambda result: None, (key,))

    def _holders(self) -> list[str]:
        return [name for name in self._free() if self.holds[name] and not self._sleeps(name)]

    @rule(data=st.data(), undo=st.booleans())
    @precondition(lambda self: self._holders())
    def leave(self, data: st.DataObject, undo: bool) -> None:
        self._leave(data.draw(st.sampled_from(self._holders())), undo and not self.several)

    def _leave(self, name: str, undo: bool) -> None:
        record, at_entry = self.holds[name].pop()
        if undo:
            self.values.update(at_entry)
        self.hand.release(name, record, undo)

    @rule(data=st.data())
    @precondition(lambda self: self.asleep)
    def wake(self, data: st.DataObject) -> None:
        self.asleep.pop(data.draw(st.integers(0, len(self.asleep) - 1)))

    @rule(data=st.data())
    @precondition(lambda self: self.asleep)
    def cancel_before_it_wakes(self, data: st.DataObject) -> None:
        name, ticket = self.asleep.pop(data.draw(st.integers(0, len(self.asleep) - 1)))
        self.holds[name] = [(record, at_entry) for record, at_entry in self.holds[name] if record is not ticket.record]
        self.hand.kernel.withdraw(ticket)

    @rule(data=st.data())
    @precondition(lambda self: any(self.pending.values()))
    def cancel_a_waiter(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([name for name in self.alive if self.pending[name]]))
        ticket = self.pending[name].pop(data.draw(st.integers(0, len(self.pending[name]) - 1)))
        ticket.wake = None
        self.hand.kernel.withdraw(ticket)

    @rule(data=st.data())
    @precondition(lambda self: len(self.alive) > 2)
    def end(self, data: st.DataObject) -> None:
        self._end(data.draw(st.sampled_from(self.alive)))

    def _end(self, name: str) -> None:
        self.alive.remove(name)
        for ticket in self.pending[name]:
            ticket.wake = None
        self.pending[name] = []
        self.asleep = [one for one in self.asleep if one[0] != name]
        self.holds[name] = []
        self.hand.kernel.end(self.hand.invs[name][0], "completed")

    # what must always be so

    @invariant()
    def events_and_kernel_agree_on_the_owners_and_no_key_has_two(self) -> None:
        owner: dict[str, int] = {}
        for event in self.hand.events:
            if isinstance(event, LockAcquired):
                assert event.key not in owner
                owner[event.key] = event.inv
            elif isinstance(event, LockReleased):
                assert owner.pop(event.key) == event.inv
        assert owner == {key: inv.id for key, inv, _ in self.hand.kernel.table()}

    @invariant()
    def every_read_gives_what_was_written_last(self) -> None:
        values = dict.fromkeys(KEYS, value(0))
        for event in self.hand.events:
            if isinstance(event, StateRead):
                assert event.value == values[event.key]
            elif isinstance(event, StateWritten):
                assert event.old == values[event.key]
                assert event.new is not None
                values[event.key] = event.new

    @invariant()
    def every_owner_holds_or_is_about_to(self) -> None:
        for key, owner, _ in self.hand.kernel.table():
            name = owner.executor
            taken = [ticket.record for ticket in self.pending[name] if ticket.record]
            assert any(key in record.keys for record in [*(record for record, _ in self.holds[name]), *taken])

    @invariant()
    def no_waiter_is_lost_and_each_queue_is_first_in_first_out(self) -> None:
        queues = {key: [waiter.executor for waiter in queue] for key, _, queue in self.hand.kernel.table()}
        since: dict[tuple[str, str], int] = {}
        for event in self.hand.of(LockWaiting):
            since[event.executor, event.key] = event.seq
        waiting = sorted((ticket.key, name) for name, tickets in self.pending.items() for ticket in tickets)
        assert waiting == sorted((key, name) for key, queue in queues.items() for name in queue)
        for key, queue in queues.items():
            if not self.several:
                assert queue == sorted(queue, key=lambda name: since[name, key])
        for name, tickets in self.pending.items():
            assert not any(ticket.done for ticket in tickets)
            for ticket in tickets:
                (owner,) = (owner for key, owner, _ in self.hand.kernel.table() if key == ticket.key)
                assert owner.executor != name

    @invariant()
    def no_cycle_of_waits_persists(self) -> None:
        assert nx.is_directed_acyclic_graph(self._graph())

    @invariant()
    def values_are_those_of_the_model(self) -> None:
        inv = self.hand.inv(self.alive[0])
        for key, expected in self.values.items():
            stored = self.hand.kernel.state.read(inv, key, "live")
            assert stored is not None
            assert stored.tree() == expected

    def teardown(self) -> None:
        """When the owners let go one after another, everybody is served in the end."""
        self.asleep = []
        for _ in range(1000):
            ready = [name for name in self.alive if self.holds[name] and (self.several or not self.pending[name])]
            if not ready:
                break
            self._leave(ready[0], undo=False)
            self.asleep = []
        assert not any(self.pending.values())
        assert self.hand.kernel.table() == []
        for name in list(self.alive):
            self._end(name)
        self.hand.kernel.close()
        assert self.hand.state == self.values


class TaskLockMachine(LockMachine):
    """With child tasks."""

    several = True


def _run(machine: type[LockMachine], examples: int) -> None:
    phases = [phase for phase in Phase if phase is not Phase.shrink]  # it can take minutes, and 40 steps are readable
    how = settings(max_examples=examples, stateful_step_count=40, deadline=None, phases=phases)
    run_state_machine_as_test(machine, settings=how)


def test_any_sequence_of_holds_and_operations() -> None:
    _run(LockMachine, 60)


@pytest.mark.slow
def test_many_sequences_of_holds_and_operations() -> None:
    _run(LockMachine, full(250, 5000))


def test_any_sequence_with_child_tasks() -> None:
    _run(TaskLockMachine, 60)


@pytest.mark.slow
def test_many_sequences_with_child_tasks() -> None:
    _run(TaskLockMachine, full(250, 5000))
