"""BAR-5 on random workflows: resumed from any barrier, a run ends as if it had never been interrupted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepscope import InMemoryCheckpointStorage
from stepscope.checkpoints.fingerprint import difference, fingerprint
from support import drawn_programs, random_runs, random_workflows
from support.played_programs import workflow_of
from support.programs import Program
from support.random_workflows import Drawn
from support.resuming import committed, resumed, resumes_everywhere
from support.ruled import ruled
from support.workflows import Jitter, Options, full

pytestmark = pytest.mark.filterwarnings("ignore::stepscope.WorkflowWarning")
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
whole = settings(quick, max_examples=full(25, 500))
SEEDS = st.integers(0, 3)


def deterministic(program: random_runs.Program, seed: int) -> None:
    def make() -> Any:
        return random_runs.build(program)

    first = random_runs.first_message(program)
    asyncio.run(resumes_everywhere(make, first, same_events=True, mode="deterministic", seed=seed))


def concurrent(program: random_runs.Program, jitter: int, seed: int) -> None:
    """With other timing each time: what is committed must not hang on it (DET-2)."""
    jitters = iter(range(jitter, jitter + 100))

    def make() -> Any:
        return random_runs.build(program, random_runs.Jitter(next(jitters)))

    first = random_runs.first_message(program)
    asyncio.run(resumes_everywhere(make, first, same_events=False, seed=seed, max_concurrency=(None, 1, 2)[jitter % 3]))


@quick
@given(random_runs.programs(live=True), SEEDS)
def test_BAR_5_deterministic_runs(program: random_runs.Program, seed: int) -> None:
    deterministic(program, seed)


@settings(quick, max_examples=10)
@given(random_runs.programs(live=True, threads=True), SEEDS)
def test_BAR_5_deterministic_runs_with_threads(program: random_runs.Program, seed: int) -> None:
    deterministic(program, seed)


@quick
@given(random_runs.programs(), st.integers(0, 1000), SEEDS)
def test_BAR_5_concurrent_runs(program: random_runs.Program, jitter: int, seed: int) -> None:
    concurrent(program, jitter, seed)


@quick
@given(drawn_programs.programs(), SEEDS)
def test_BAR_5_runs_that_drop_conflict_and_fail(program: Program, seed: int) -> None:
    """Every edge kind, live keys, handlers, conditions and reducers that raise, strict runs, runs that do not end."""
    options: Options = {"mode": "deterministic", "seed": seed, "strict": program.strict}
    asyncio.run(resumes_everywhere(lambda: workflow_of(program), program.message, same_events=True, **options))


@quick
@given(random_workflows.drawn_workflows(threads=True), SEEDS)
def test_BAR_5_interrupted_at_every_barrier_in_turn(drawn: Drawn, seed: int) -> None:
    """What a resumed run writes can be resumed: a chain of runs that each get one superstep further."""

    async def chain() -> None:
        storage = InMemoryCheckpointStorage()
        options: Options = {"mode": "deterministic", "seed": seed, "checkpoints": storage}
        whole = await ruled(drawn.workflow(Jitter(seed)), drawn.hops, **options)
        run_id = whole.result.run_id
        for superstep in range(whole.result.supersteps + 1):
            first = (await storage.list_checkpoints(run_id=run_id))[0]
            assert first.superstep == superstep
            again, _ = await resumed(drawn.workflow(Jitter(seed)), storage, first.checkpoint_id)
            assert committed(again) == committed(whole)
            run_id = again.result.run_id
        assert not await storage.list_checkpoints(run_id=run_id)

    asyncio.run(chain())


@quick
@given(random_workflows.drawn_workflows(threads=True), random_workflows.drawn_workflows(threads=True))
def test_BAR_4_a_checkpoint_fits_its_own_workflow_and_no_other(one: Drawn, other: Drawn) -> None:
    prints = [fingerprint(drawn.workflow(Jitter(0)).graph) for drawn in (one, other)]
    assert difference(prints[0], prints[0]) == ""
    assert bool(difference(*prints)) == bool(difference(*prints[::-1])) == (prints[0] != prints[1])


@pytest.mark.slow
@whole
@given(random_runs.programs(live=True, threads=True), st.integers(0, 1000))
def test_BAR_5_many_deterministic_runs(program: random_runs.Program, seed: int) -> None:
    deterministic(program, seed)


@pytest.mark.slow
@whole
@given(random_runs.programs(threads=True), st.integers(0, 1000), SEEDS)
def test_BAR_5_many_concurrent_runs(program: random_runs.Program, jitter: int, seed: int) -> None:
    concurrent(program, jitter, seed)


@pytest.mark.slow
@whole
@given(drawn_programs.programs(threads=True), st.integers(0, 1000))
def test_BAR_5_many_runs_that_go_wrong(program: Program, seed: int) -> None:
    options: Options = {"mode": "deterministic", "seed": seed, "strict": program.strict}
    asyncio.run(resumes_everywhere(lambda: workflow_of(program), program.message, same_events=True, **options))
