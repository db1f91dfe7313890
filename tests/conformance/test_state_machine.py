"""The specification's state machine and the reference model are one machine (ORD-5, ORD-7, STA-5, BAR-1, BAR-3..5, DLK-2).

Random programs run on the model under random schedules. Each step has to be an action of the table in
docs/semantics.md, with its guard true, and the invariants under the table have to hold after it; and all of the table's
actions that need nobody from outside have to occur.
"""

from __future__ import annotations

import random
import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.model.invocation import Invocation
from conformance.model.machine import Model
from conformance.model.memory import access_of
from conformance.model.routing import Buffers, Delivery
from stepscope.errors import ConvergenceError
from support.drawn_programs import lock_programs, programs
from support.programs import Program
from support.workflows import full

DOCUMENT = Path(__file__).parents[2] / "docs" / "semantics.md"
FROM_OUTSIDE = {
    *("Stop", "TimeOut(i)", "GiveUp(i)", "Refuse(i, op)"),
    *("Ask(i, f)", "Admit(f)", "Drop(f)"),
    *("Keep", "KeepFails", "Announce(j)", "Resume(c)"),
}
"""Not in the model: who cancels a run, time, handlers that ignore cancellation, tasks that outlive theirs; effects; a
storage and a listener. (What a checkpoint is made of, and what follows from it, is: see `Barrier`.)"""
STEPS = 400
"""After which a program that is too big is left."""


def actions_of_the_table() -> set[str]:
    """The first column of the specification's table."""
    section = DOCUMENT.read_text().partition("| action | guard | effect |")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| ([A-Z][^|]*?) \|", section, re.MULTILINE))


@dataclass
class Barrier:
    """What the table says is in a checkpoint; and, to compare what follows, how far log and schedule were."""

    superstep: int
    committed: dict[str, Any]
    waiting: dict[str, list[Delivery]]
    buffers: Buffers
    outputs: list[Any]
    numbers: list[int]
    logged: int
    chosen: int

    def resume(self, program: Program) -> Model:
        """A new model at this barrier."""
        model = Model(program)
        model.superstep = self.superstep
        model.memory.committed = deepcopy(self.committed)
        model.buffers = deepcopy(self.buffers)
        model.outputs = list(self.outputs)
        model.numbers = list(self.numbers)
        model._open(deepcopy(self.waiting))
        return model


class Kept(Model):
    """The model, and what a checkpoint would hold at each of its barriers."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.barriers: list[Barrier] = []
        self.chosen: list[int] = []

    def _open(self, inboxes: dict[str, list[Delivery]]) -> None:
        kept = deepcopy((self.memory.committed, inboxes, self.buffers, self.outputs, self.numbers))
        self.barriers.append(Barrier(self.superstep, *kept, logged=len(self.log), chosen=len(self.chosen)))
        super()._open(inboxes)


class Checker:
    """Watches a model go, and says which of the table's actions it took."""

    def __init__(self, program: Program) -> None:
        self.model = Kept(program)
        self.owner: dict[str, int] = {}
        self.seen: set[str] = set()
        self.committed = self.barrier_values()
        self.read_rows = 0

    def barrier_values(self) -> Any:
        """What only Commit changes."""
        return deepcopy((self.model.memory.committed, self.model.outputs, self.model.buffers))

    def run(self, chosen: random.Random) -> None:
        """One run under a random schedule."""
        model = self.model
        model.begin()
        self.after()
        for _ in range(STEPS):
            if model.over:
                return
            ready = model.ready()
            assert ready, "somebody can always go on, or a deadlock is reported (DLK-2)"
            number = chosen.choice(ready)
            self.guards(number)
            model.chosen.append(number)
            waited = {inv.number for inv in model.everyone() if inv.waits is not None}
            model.step(number)
            self.after()
            if number in waited and self.one(number).cancelled:
                self.seen.add("Withdraw(i, op)")

    def resumed(self) -> None:
        """From each barrier, under the same schedule, the same follows (BAR-5): a checkpoint holds enough (BAR-4)."""
        whole = self.model
        for barrier in whole.barriers:
            model = barrier.resume(whole.program)
            for number in whole.chosen[barrier.chosen :]:
                model.step(number)
            assert model.log == whole.log[barrier.logged :]
            assert (model.over, model.outputs, model.superstep) == (whole.over, whole.outputs, whole.superstep)
            assert model.memory.committed == whole.memory.committed

    def one(self, number: int) -> Invocation:
        """An invocation of this superstep, or of the one that has just ended."""
        return next((inv for inv in self.model.everyone() if inv.number == number), self.last[number])

    def guards(self, number: int) -> None:
        """Before a step: Start waits for the inbox before it (ORD-5), everything else for its own key (STA-5)."""
        self.last = {inv.number: inv for inv in self.model.everyone()}
        inv = self.last[number]
        if inv.script is None:
            assert not self.model.failures
            assert all(earlier.outcome for earlier in self.model.inboxes[inv.name][: inv.position])
        else:
            assert not inv.outcome
            assert inv.waits is None or self.model.failures

    def after(self) -> None:
        """After a step: its rows are actions of the table, and the invariants hold."""
        rows = self.model.log[self.read_rows :]
        self.read_rows = len(self.model.log)
        for row in rows:
            self.take(row)
        if not any(row[0] == "committed" for row in rows):
            assert self.barrier_values() == self.committed, "committed, outputs and buffer change in Commit only"
        self.committed = self.barrier_values()
        self.invariants(rows)

    def take(self, row: tuple[Any, ...]) -> None:
        """The action that a row shows."""
        match row:
            case ("superstep", k, _, _):
                assert k <= self.model.program.max_supersteps
                assert self.owner == {}, "no key has an owner at a barrier"
                self.seen.add("Deliver")
            case ("started", _):
                self.seen.add("Start(i)")
            case ("sent", *_):
                self.seen.add("Op(i, send v)")
            case ("output", *_):
                self.seen.add("Op(i, yield v)")
            case ("read", inv, key, _):
                self.free(inv, key)
                self.seen.add("Op(i, get key)")
            case ("written", inv, key, op, *_):
                self.free(inv, key)
                self.seen.add(
                    {"add": "Op(i, add key v)", "undo": "Op(i, leave block)"}.get(op, "Op(i, set/delete/update key)")
                )
            case ("waiting", inv, key, _, holder, _):
                assert self.owner.get(key) != inv
                assert holder != inv
                self.seen.add("Wait(i, op, key)")
            case ("acquired", inv, key, waited):
                assert key not in self.owner
                self.owner[key] = inv
                self.seen.add("HandOver(key)" if waited else "Op(i, enter keys)")
            case ("released", inv, key, *_):
                assert self.owner.pop(key) == inv
                self.seen.add("Op(i, leave block)")
            case ("ended", _, outcome, _):
                self.seen.add({"completed": "End(i)", "failed": "Fail(i, error)", "cancelled": "Cancel(i)"}[outcome])
            case ("committed", *_):
                assert self.model.failures == []
                self.seen.add("Commit")
            case ("failed", *_):
                self.seen.add("Abandon" if len(self.failed()) else "Conflict")
            case ("over", "completed", *_):
                self.seen.add("Quiesce")
            case ("over", *_) if isinstance(self.model.error, ConvergenceError):
                assert self.model.superstep == self.model.program.max_supersteps
                self.seen.add("Diverge")

    def failed(self) -> list[Invocation]:
        """Invocations of this superstep whose handlers raised."""
        return [inv for inv in self.model.everyone() if inv.outcome == "failed"]

    def free(self, inv: int, key: str) -> None:
        """An operation on a live key: nobody else holds it (STA-5)."""
        if access_of(key) == "live":
            assert self.owner.get(key, inv) == inv

    def invariants(self, rows: list[tuple[Any, ...]]) -> None:
        """Those under the table."""
        model = self.model
        for inbox in model.inboxes.values():
            assert sum(inv.script is not None and not inv.outcome for inv in inbox) <= 1
        active = {inv.number for inv in model.everyone() if inv.script is not None and not inv.outcome}
        held = {key: holders[0].number for key, holders in model.held.items() if holders}
        assert held == self.owner
        assert set(held.values()) <= active
        for inv in model.everyone():
            reached, at = {inv.number}, inv
            while at.waits is not None and model.held.get(at.waits.key):
                at = model.held[at.waits.key][0]
                assert at.number not in reached, "the wait-for graph has no cycle"
                reached.add(at.number)
        if any(row[0] in ("committed", "failed") for row in rows):
            for inv in self.last.values():
                assert bool(inv.outcome) == (inv.script is not None), "one outcome for each that started"


def _check(examples: int) -> set[str]:
    seen: set[str] = set()

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(programs() | lock_programs(fails=True), st.integers(0, 1000))
    def check(program: Program, seed: int) -> None:
        checker = Checker(program)
        checker.run(random.Random(seed))
        checker.resumed()
        seen.update(checker.seen)

    check()
    return seen


def test_the_model_does_what_the_table_says() -> None:
    _check(100)


@pytest.mark.slow
def test_every_action_of_the_table_is_taken() -> None:
    seen = _check(full(500, 20000))
    assert seen | FROM_OUTSIDE == actions_of_the_table()
    assert not seen & FROM_OUTSIDE
