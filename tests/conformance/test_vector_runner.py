"""How vectors are run: gates and schedules, what hangs, what cannot be expressed, and what tampering does."""

from __future__ import annotations

import asyncio
import pickle
import threading
from math import factorial
from typing import Any

import pytest
from pydantic import ValidationError

from stepscope.conformance import Operations, Ran, Stage, Unsupported, Vector, observe, try_vector
from stepscope.conformance.interpret import handle
from stepscope.conformance.program import Node, Program
from stepscope.conformance.tampering import MARK, Bomb, damaged
from stepscope.conformance.vector import Run


def vector(steps: list[dict[str, Any]], run: dict[str, Any], **more: Any) -> Vector:
    """A vector with executors ``a`` and ``b`` that do the same."""
    executors = [{"id": one, "steps": steps} for one in "ab"]
    edge = {"kind": "single", "source": "a", "target": "b"}
    return Vector.model_validate(
        {
            "id": "ord-1-made-up",
            "clause": "ORD-1",
            "title": "",
            "shows": "",
            "program": {"executors": executors, "edges": [edge]},
            "runs": [{"name": "run", **run}],
            "expect": [{"look": "missed", "equals": []}],
            **more,
        }
    )


class Side:
    """An engine that runs every executor at once, has no operations, and ignores what handlers raise."""

    async def run(self, program: Program, message: Any, how: Run, stage: Stage) -> Ran:
        await asyncio.gather(*(self._quietly(stage, node, message) for node in program.executors))
        return Ran()

    async def _quietly(self, stage: Stage, node: Node, message: Any) -> None:
        try:
            await handle(stage, node, Operations(), message)
        except Exception:
            return


GATE = [{"do": "gate"}, {"do": "note", "label": "on"}]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_gates_open_in_the_order_of_the_schedule(order: str) -> None:
    (seen,) = observe(Side(), vector(GATE, {"schedule": list(order)}))
    assert [one.who for one in seen.trace if one.what == "note"] == list(order)


def test_every_order_is_a_run_of_its_own() -> None:
    run = Run(name="any", each_order_of=list("abcd"))
    orders = [tuple(cue.release for cue in one.schedule) for one in run.each()]
    assert len(set(orders)) == len({one.name for one in run.each()}) == factorial(4)


def test_one_gate_lets_go_first_who_came_first() -> None:
    steps = [{"do": "gate", "gate": "door"}, {"do": "note", "label": "in"}]
    (seen,) = observe(Side(), vector(steps, {"schedule": ["door", {"ended": "a"}, "door"]}))
    assert [one.who for one in seen.trace if one.what == "note"] == ["a", "b"]


def test_what_does_not_come_is_missed_and_the_schedule_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepscope.conformance.stage.PATIENCE", 0.01)
    monkeypatch.setattr("stepscope.conformance.stage.IMPATIENCE", 0.01)
    (seen,) = observe(Side(), vector(GATE, {"schedule": ["nobody", {"arrived": "nowhere"}, "b"]}))
    assert [one.who for one in seen.trace if one.what == "missed"] == ["arrived nobody", "arrived nowhere"]
    assert [one.who for one in seen.trace if one.what == "note"] == ["b", "a"]


def test_jitter_needs_no_schedule() -> None:
    (seen,) = observe(Side(), vector(GATE, {"jitter": 3}))
    assert sorted(one.who for one in seen.trace if one.what == "note") == ["a", "b"]


def test_what_an_engine_has_not_got_is_unsupported_though_the_engine_swallows_the_error() -> None:
    steps = [{"do": "hold", "keys": ["k"], "steps": []}]
    verdict = try_vector(Side(), vector(steps, {}))
    assert verdict == ("unsupported", "there is no exclusive use of a key")


def test_a_try_step_does_not_catch_what_is_unsupported() -> None:
    steps = [{"do": "try", "steps": [{"do": "update", "key": "k", "plus": 1}]}]
    assert try_vector(Side(), vector(steps, {})).outcome == "unsupported"


class Hanging:
    """An engine that waits for ever, after the schedule is through."""

    async def run(self, program: Program, message: Any, how: Run, stage: Stage) -> Ran:
        await asyncio.Event().wait()
        raise AssertionError


def test_a_run_that_does_not_end_is_hung() -> None:
    (seen,) = observe(Hanging(), vector(GATE, {}, limit=0.05))
    assert seen.ran.error is not None
    assert seen.ran.error.kind == "hung"


class Stuck:
    """An engine that blocks its event loop for ever."""

    async def run(self, program: Program, message: Any, how: Run, stage: Stage) -> Ran:
        threading.Event().wait(30)
        raise AssertionError


def test_a_run_that_blocks_its_loop_for_ever_does_not_block_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepscope.conformance.runner.STUCK", 0.05)
    (seen,) = observe(Stuck(), vector(GATE, {}, limit=0.05))
    assert seen.ran.error is not None
    assert seen.ran.error.kind == "hung"


def test_a_run_that_is_stopped_says_so() -> None:
    (seen,) = observe(Hanging(), vector(GATE, {"schedule": [{"stop": True}]}, limit=5))
    assert seen.ran.error is not None
    assert seen.ran.error.text == "the run was cancelled"


class Broken:
    """An adapter with a mistake in it."""

    async def run(self, program: Program, message: Any, how: Run, stage: Stage) -> Ran:
        raise LookupError("a mistake of the adapter")


def test_a_mistake_of_an_adapter_is_no_verdict() -> None:
    with pytest.raises(LookupError):
        try_vector(Broken(), vector(GATE, {}))


def test_hostile_data_does_run_where_it_is_loaded_as_objects() -> None:
    stage = Stage()
    pickle.loads(pickle.dumps(Bomb(stage)))
    assert [str(one) for one in stage.trace] == ["note checkpoint.executed"]


def test_damage_is_one_bit_inside_the_marked_text() -> None:
    body = b"head " + MARK + b" tail"
    changed = [(place, x ^ y) for place, (x, y) in enumerate(zip(body, damaged(body), strict=True)) if x != y]
    assert changed == [(5, 1)]


def test_executors_are_listed_as_they_are_mentioned() -> None:
    executors = [{"id": one} for one in "acb"]
    edges = [{"kind": "fan-out", "source": "a", "targets": ["b", "c"]}]
    with pytest.raises(ValidationError, match="first mentioned"):
        Program.model_validate({"executors": executors, "edges": edges})


def test_unsupported_is_said_as_a_sentence_without_its_full_stop() -> None:
    for name in ("send", "output", "get", "set", "delete", "add", "update", "hold", "effect", "draw", "remember"):
        with pytest.raises(Unsupported, match=r"^[a-z].*[^.]$"):
            getattr(Operations(), name)(*["x"] * (2 if name in ("send", "set", "add", "update") else 1))
