"""DET-4 at large: recorded random runs of every kind replay identically."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
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


def _replay_many(family: str, mode: str, count: int, number: int, *, racing: bool = False) -> int:
    """Record and replay `count` random runs, the replay with pauses of its own; with `racing`, that many that raced."""
    strategy, make = FAMILIES[family]
    done = 0

    @settings(
        max_examples=60 * count, deadline=None, database=None, suppress_health_check=_ALL, phases=[Phase.generate]
    )
    @seed(number)
    @given(strategy, st.integers(0, 1 << 30))
    def one(program: Any, jitter: int) -> None:
        nonlocal done
        if done == count:
            raise _Enough

        async def main() -> bool:
            workflow, message = make(program, jitter)
            strict = bool(getattr(program, "strict", False))
            events = await recorded(workflow, message, mode=mode, seed=jitter, strict=strict)
            check_identical(await replayed(make(program, jitter + 1)[0], events), events)
            return _races(events)

        done += asyncio.run(main()) or not racing

    with suppress(_Enough):
        one()
    return done


_ALL = list(HealthCheck)


class _Enough(Exception):
    """As many runs as wanted have been replayed."""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_DET_4_recorded_random_runs_replay_identically(family: str, mode: str) -> None:
    _replay_many(family, mode, 6, 1)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_DET_4_500_deterministic_runs_replay_identically(family: str) -> None:
    wanted = full(7, 125)
    assert _replay_many(family, "deterministic", wanted, 2) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "count"),
    [
        ("effects and sub-workflows", 30),
        ("every edge kind, failures, strict runs", 120),
        ("holds, deadlocks, failures", 350),
    ],
)
def test_DET_4_500_concurrent_runs_whose_live_keys_race_replay_identically(family: str, count: int) -> None:
    wanted = full(count // 20, count)
    assert _replay_many(family, "concurrent", wanted, 3, racing=True) == wanted, "too few runs raced"
