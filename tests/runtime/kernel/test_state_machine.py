"""State without an event loop, against a model of dictionaries: any operations, commits and failures (STA-1..4, BAR-3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from stepscope import StateConflictError, StateKey, StateUsageError, SuperstepError
from stepscope.events import Committed, SuperstepFailed
from support.kernels import Hand
from support.workflows import full

NAMES = ["c", "a", "b"]
SNAPSHOT, REDUCER, LIVE = ["s0", "s1", "undeclared"], ["r0", "r1"], ["l0", "l1"]
KEYS = [
    StateKey("s0", initial=[0]),
    StateKey("s1"),
    StateKey("r0", initial=[], reducer=lambda old, new: old + new),
    StateKey("r1", reducer=lambda old, new: old + new),
    StateKey("l0", initial=[0], access="live"),
    StateKey("l1", access="live"),
]
ABSENT = "absent"
names = st.sampled_from(NAMES)
readable = st.sampled_from(SNAPSHOT + REDUCER + LIVE)
now_and_then = st.integers(0, 5).map((5).__eq__)
lists = st.lists(st.integers(0, 9), max_size=3)


class StateMachine(RuleBasedStateMachine):
    """Three executors with two invocations each, superstep after superstep."""

    def __init__(self) -> None:
        super().__init__()
        self.hand = Hand.siblings(NAMES, KEYS)
        self.committed: dict[str, Any] = {"s0": [0], "r0": [], "l0": [0]}
        self._begin()

    def _begin(self) -> None:
        self.pending: dict[str, dict[str, Any]] = {name: {} for name in NAMES}
        self.given: dict[str, dict[str, list[Any]]] = {key: {name: [] for name in NAMES} for key in REDUCER}
        self.live: dict[str, Any] = {}

    def _seen(self, name: str, key: str) -> Any:
        """What an executor sees of a key, by the clauses."""
        if key in REDUCER:
            return self._merged(key, [name])
        if key in LIVE:
            return self.live.get(key, self.committed.get(key, ABSENT))
        return self.pending[name].get(key, self.committed.get(key, ABSENT))

    def _merged(self, key: str, contributors: list[str]) -> Any:
        items = [item for name in contributors for item in self.given[key][name]]
        before = self.committed.get(key, ABSENT)
        if not items:
            return before
        return sum(items, [] if before == ABSENT else before)

    def _write(self, name: str, key: str, new: Any) -> None:
        if key in LIVE:
            self.live[key] = new
        else:
            self.pending[name][key] = new

    @rule(name=names, key=readable)
    def get(self, name: str, key: str) -> None:
        self._look(name, key)

    def _look(self, name: str, key: str) -> None:
        got = self.hand.get(name, key, ABSENT)
        assert got == self._seen(name, key)
        if got != ABSENT:
            got.append("changed by the reader")

    def _own(self, name: str, key: str, others: bool) -> str:
        """Mostly each writes a snapshot key of its own: if all wrote all of them, hardly any superstep would commit."""
        return key if others or key in LIVE else SNAPSHOT[NAMES.index(name)]

    @rule(name=names, reader=names, key=st.sampled_from(SNAPSHOT + LIVE), others=now_and_then, new=lists)
    def set(self, name: str, reader: str, key: str, others: bool, new: list[int]) -> None:
        key = self._own(name, key, others)
        given = list(new)
        self.hand.set(name, key, given)
        given.append(99)
        self._write(name, key, new)
        self._look(reader, key)

    @rule(name=names, reader=names, key=st.sampled_from(SNAPSHOT + LIVE), others=now_and_then)
    def delete(self, name: str, reader: str, key: str, others: bool) -> None:
        key = self._own(name, key, others)
        self.hand.delete(name, key)
        self._write(name, key, ABSENT)
        self._look(reader, key)

    @rule(name=names, reader=names, key=st.sampled_from(SNAPSHOT + LIVE), others=now_and_then, more=lists)
    def update(self, name: str, reader: str, key: str, others: bool, more: list[int]) -> None:
        key = self._own(name, key, others)
        before = self._seen(name, key)
        new = more if before == ABSENT else [*before, *more]
        assert self.hand.update(name, key, lambda old: [*(old or []), *more]) == new
        self._write(name, key, new)
        self._look(reader, key)

    @rule(name=names, reader=names, key=st.sampled_from(REDUCER), more=lists)
    def add(self, name: str, reader: str, key: str, more: list[int]) -> None:
        self.hand.add(name, key, more)
        self.given[key][name].append(more)
        self._look(reader, key)

    @rule(name=names, key=st.sampled_from(REDUCER), verb=st.sampled_from(["set", "delete", "update", "hold"]))
    def refused(self, name: str, key: str, verb: str) -> None:
        arguments: dict[str, list[Any]] = {"set": [1], "update": [len]}
        with pytest.raises(StateUsageError):
            getattr(self.hand, verb)(name, key, *arguments.get(verb, []))

    @rule(name=names)
    def next_message(self, name: str) -> None:
        """The executor's first message is done; its second sees the same pending writes."""
        inbox = self.hand.invs[name]
        if len(inbox) > 1 and inbox[0].outcome is None:
            self.hand.kernel.end(inbox[0], "completed")
            self.hand.kernel.start(inbox[1])

    @rule(fails=now_and_then)
    def barrier(self, fails: bool) -> None:
        hand = self.hand
        senders = [name for name in NAMES if len(hand.invs[name]) == 1 or hand.invs[name][0].outcome is None]
        for name in senders or NAMES[:1]:  # somebody must send, or there is no next superstep
            hand.send(name, 0)
        if fails:
            hand.kernel.end(hand.inv("a"), "failed", ValueError("the test's"))
        written = [key for key in SNAPSHOT if sum(key in pending for pending in self.pending.values()) > 1]
        if fails or written:
            with pytest.raises(SuperstepError) as caught:
                hand.finish()
            if not fails:
                self._check_conflict(caught.value, min(written))
            reverted = hand.of(SuperstepFailed)[-1].reverted
            assert [one.key for one in reverted] == sorted(self.live)
        else:
            hand.finish()
            self._commit()
        self._begin()
        hand.open()

    def _check_conflict(self, error: SuperstepError, key: str) -> None:
        assert isinstance(error, StateConflictError)
        writers = [name for name in NAMES if key in self.pending[name]]
        assert (error.key, list(error.executors)) == (key, writers)
        values = [self.pending[name][key] for name in writers]
        assert list(error.values) == [None if one == ABSENT else one for one in values]

    def _commit(self) -> None:
        after = dict(self.committed)
        after.update(self.live)
        for pending in self.pending.values():
            after.update(pending)
        touched = {*self.live, *(key for pending in self.pending.values() for key in pending)}
        for key in REDUCER:
            if any(self.given[key].values()):
                after[key] = self._merged(key, NAMES)
                touched.add(key)
        self.committed = {key: one for key, one in after.items() if one != ABSENT}
        assert [change.key for change in self.hand.of(Committed)[-1].changes] == sorted(touched)

    @invariant()
    def what_is_committed_is_what_the_model_says(self) -> None:
        assert self.hand.state == dict(sorted(self.committed.items()))


def _run(examples: int) -> None:
    phases = [phase for phase in Phase if phase is not Phase.shrink]
    how = settings(max_examples=examples, stateful_step_count=40, deadline=None, phases=phases)
    run_state_machine_as_test(StateMachine, settings=how)


def test_any_sequence_of_operations_and_barriers() -> None:
    _run(60)


@pytest.mark.slow
def test_many_sequences_of_operations_and_barriers() -> None:
    _run(full(250, 5000))
