"""Random programs on the runtime and on the reference model: the same, event by event (every ORD, STA, BAR, DET, DLK clause).

The model (`conformance.model`) follows the schedule of each recorded run; see `replay` for what is compared.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from conformance.model.machine import Model
from conformance.model.replay import replay, run_alone
from stepscope import (
    ConvergenceError,
    DeadlockError,
    StateConflictError,
    StateUsageError,
    SuperstepError,
)
from stepscope.digest import digest_of_events
from stepscope.events import Committed, HandlerEnded, HandlerStarted, StateWritten
from support.drawn_programs import lock_programs, programs
from support.played_programs import workflow_of
from support.programs import Actor, Fail, Hold, Link, Program, Send, Use
from support.workflows import Jitter, Seen, full, watch

MOST = 60
"""Deliveries of a program that is not too big to be run."""
OURS = (StateConflictError, DeadlockError, StateUsageError)


async def _both(program: Program, jitter: Jitter | None, **options: Any) -> tuple[Model, Seen]:
    """Run it and replay it on the model; what the run gave or raised has to be what the model says."""
    seen = await watch(workflow_of(program, jitter), program.message, strict=program.strict, **options)
    model = replay(program, seen.events, options.get("max_concurrency"))
    if model.error is None:
        result = seen.result
        assert result.outputs == model.outputs
        assert result.state == dict(sorted(model.memory.committed.items()))
        assert result.supersteps == model.superstep
        assert result.digest == digest_of_events(seen.events)
    else:
        _same_error(model, seen)
    return model, seen


def _same_error(model: Model, seen: Seen) -> None:
    """One failure of the runtime's own kind can be caught by its own name; several are a group in rank order (BAR-3)."""
    error = seen.error
    if not model.failures:
        assert type(error) is type(model.error)
        if isinstance(error, ConvergenceError):
            _on_a_cycle(model, error)
        return
    assert isinstance(error, SuperstepError)
    failures = [one for _, one in sorted(model.failures, key=lambda failure: failure[0])]
    assert [type(one).__name__ for one in error.exceptions] == [type(one).__name__ for one in failures]
    assert error.superstep == model.superstep + 1
    if len(failures) == 1 and isinstance(failures[0], OURS):
        assert isinstance(error, type(failures[0]))
    if isinstance(failures[0], StateConflictError) and isinstance(error, StateConflictError):
        same = failures[0]
        assert (error.key, error.executors, error.values) == (same.key, same.executors, same.values)
    if isinstance(failures[0], DeadlockError) and isinstance(error, DeadlockError):
        assert list(error.cycle) in model.cycles


def _on_a_cycle(model: Model, error: ConvergenceError) -> None:
    """The executors named are a cycle of the graph with one of them active; or none that is active is on one (DLK-1)."""
    after: dict[str, set[str]] = {}
    for link in model.program.links:
        for source in link.sources:
            after.setdefault(source, set()).update(link.targets)
    named = list(error.executors)
    if all(follows in after.get(name, ()) for name, follows in zip(named, [*named[1:], named[0]], strict=True)):
        return
    for name in named:
        reached: set[str] = set()
        todo = list(after.get(name, ()))
        while todo:
            one = todo.pop()
            if one not in reached:
                reached.add(one)
                todo += after.get(one, ())
        assert name not in reached, f"{name} is on a cycle, but {named} were named"


def _history(seen: Seen) -> list[Any]:
    """What was committed, superstep by superstep: as far as it says the same in every legal order."""
    commits = seen.of(Committed)
    changes = [[(one.key, None if one.new is None else one.new.tree()) for one in event.changes] for event in commits]
    return [changes, [(event.messages, event.outputs) for event in commits], digest_of_events(seen.events)]


def _starts_in_rank_order(seen: Seen) -> None:
    """ORD-3: unbounded, the first invocations of all executors start in rank order, before any second one."""
    rank = {executor.id: at for at, executor in enumerate(seen.events[0].graph.executors)}  # type: ignore[union-attr]
    superstep, started = 0, list[str]()
    for event in seen.of(HandlerStarted):
        if event.superstep != superstep:
            superstep, started = event.superstep, []
        if event.executor not in started:
            assert all(rank[one] < rank[event.executor] for one in started)
            started.append(event.executor)


async def _every_way(program: Program, seed: int, bound: int | None, live: bool) -> None:
    alone = run_alone(program, MOST)
    assume(alone is not None)
    assert alone is not None
    histories = []
    for number in range(2):
        options = {"mode": "deterministic", "seed": seed + number, "max_concurrency": bound if number else None}
        _, seen = await _both(program, None, **options)
        histories.append(_history(seen))
    model, seen = await _both(program, Jitter(seed), mode="concurrent", max_concurrency=bound)
    histories.append(_history(seen))
    if bound is None:
        _starts_in_rank_order(seen)
    if not live:  # DET-2: order comes from the barrier, not from timing
        assert histories[1:] == histories[:-1]
        assert alone.memory.committed == model.memory.committed
        assert alone.outputs == model.outputs
        assert (alone.superstep, alone.error is None) == (model.superstep, model.error is None)


def _check(examples: int, live: bool, threads: bool = False) -> None:
    drawn = programs(live=live, threads=threads)
    if live:  # often enough, a superstep that fails while others hold and wait
        drawn = drawn | lock_programs(fails=True, threads=threads)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(drawn, st.integers(0, 1000), st.sampled_from((None, None, 1, 2, 3)))
    def check(program: Program, seed: int, bound: int | None) -> None:
        asyncio.run(_every_way(program, seed, bound, live))

    check()


def _check_locks(examples: int) -> None:
    """DLK-2: no hang, ever. Each run ends well, or with a cycle that is in the model's wait-for graph at that moment."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(lock_programs(), st.integers(0, 1000))
    def check(program: Program, seed: int) -> None:
        async def run(jitter: Jitter | None, **options: Any) -> None:
            model, seen = await _both(program, jitter, **options)
            assert model.error is None or isinstance(model.error, DeadlockError)
            assert isinstance(seen.error, DeadlockError) == isinstance(model.error, DeadlockError)
            assert len(seen.of(HandlerEnded)) == len(seen.of(HandlerStarted))

        asyncio.run(run(None, mode="deterministic", seed=seed))
        asyncio.run(run(Jitter(seed), mode="concurrent"))

    check()


def test_a_block_that_was_left_before_its_handler_was_cancelled_left_no_event() -> None:
    """Leaving the inner of two blocks with one key is no event. Where the sibling fails after that, both blocks' writes are
    taken back at once, by the outer one.
    """
    inner = Hold(("l0",), (Use("set", "l0"),))
    acting = Actor("f", "all", (Hold(("l0",), (Use("set", "l0"), inner)),))
    actors = (Actor("h", "all", (Send(),)), Actor("c", "all", (Fail(0),)), acting)
    program = Program(actors, (Link("fan-out", ("h",), ("c", "f"), (None, None)),), 1)

    async def undone(seed: int) -> tuple[int, int]:
        """How many writes there were, and how many were taken back."""
        _, seen = await _both(program, None, mode="deterministic", seed=seed)
        ops = [one.op for one in seen.of(StateWritten)]
        return ops.count("set"), ops.count("undo")

    seen = {asyncio.run(undone(seed)) for seed in range(300)}
    assert {(1, 1), (2, 2), (2, 1)} <= seen


IN_EITHER_STATE = pytest.mark.parametrize("live", [False, True], ids=["snapshot", "live"])


@IN_EITHER_STATE
def test_random_programs_do_what_the_model_says(live: bool) -> None:
    _check(40, live)


@pytest.mark.slow
@IN_EITHER_STATE
def test_many_random_programs_do_what_the_model_says(live: bool) -> None:
    _check(full(480, 9000), live)


@pytest.mark.slow
@IN_EITHER_STATE
def test_random_programs_with_sync_handlers_do_what_the_model_says(live: bool) -> None:
    _check(full(50, 1000), live, threads=True)


def test_random_lock_programs_end_or_name_a_cycle() -> None:
    _check_locks(20)


@pytest.mark.slow
def test_many_random_lock_programs_end_or_name_a_cycle() -> None:
    _check_locks(full(500, 10000))
