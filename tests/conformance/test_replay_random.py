"""DET-4 at large: recorded random runs of every kind replay identically."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from stepscope import Workflow
from stepscope.events import AnyEvent, LockWaiting, StateRead, StateWritten
from support import drawn_programs, played_programs, programs, random_runs, random_workflows
from support.replays import check_identical, recorded, replayed
from support.workflows import Jitter, full

MODES = ["concurrent", "deterministic"]


def _mixed(program: random_runs.Program, jitter: int) -> tuple[Workflow, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return random_runs.build(program, random_runs.Jitter(jitter)), random_runs.first_message(program)


def _played(program: programs.Program, jitter: int) -> tuple[Workflow, Any]:
    return played_programs.workflow_of(program, Jitter(jitter)), program.message


def _drawn(program: random_workflows.Drawn, jitter: int) -> tuple[Workflow, Any]:
    return program.workflow(Jitter(jitter)), program.hops


FAMILIES: dict[str, tuple[st.SearchStrategy[Any], Any]] = {
    "effects and sub-workflows": (random_runs.programs(live=True, threads=True), _mixed),
    "every edge kind, failures, strict runs": (drawn_programs.programs(threads=True), _played),
    "holds, deadlocks, failures": (drawn_programs.lock_programs(fails=True, threads=True), _played),
    "reducers and cycles": (random_workflows.drawn_workflows(threads=True), _drawn),
}


def _races(events: list[AnyEvent]) -> bool:
    """Whether executors were at one live key in one superstep."""
    users: dict[tuple[int, int, str], set[str]] = {}
    for event in events:
        if isinstance(event, LockWaiting) or (isinstance(event, (StateRead, StateWritten)) and event.access == "live"):
            users.setdefault((event.scope, event.superstep, event.key), set()).add(event.executor)
    return any(len(names) > 1 for names in users.values())


def _replay_many(family: str, mode: str, count: int, first: int) -> int:
    """Record and replay random runs, the replay with pauses of its own; how many of them raced."""
    strategy, make = FAMILIES[family]
    raced = 0

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @seed(first)
    @given(strategy, st.integers(0, 1 << 30))
    def one(program: Any, number: int) -> None:
        nonlocal raced

        async def main() -> None:
            nonlocal raced
            workflow, message = make(program, number)
            strict = bool(getattr(program, "strict", False))
            events = await recorded(workflow, message, mode=mode, seed=number, strict=strict)
            check_identical(await replayed(make(program, number + 1)[0], events), events)
            raced += _races(events)

        asyncio.run(main())

    one()
    return raced


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_DET_4_recorded_random_runs_replay_identically(family: str, mode: str) -> None:
    _replay_many(family, mode, 6, 1)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_DET_4_many_recorded_random_runs_replay_identically(family: str, mode: str) -> None:
    """1,000 in all at full count, half of them concurrent, whose live keys race."""
    raced = _replay_many(family, mode, full(8, 125), 2)
    assert raced > full(1, 20) or family == "reducers and cycles", "hardly any run raced: this proves little"
