"""Random lock programs never hang: each cycle is reported as it forms, in whom closes it, and all else goes on (DLK-2).

The oracle is a wait-for graph made from the events alone (`support.wait_for`); whatever does not come back fails with the
stacks of all tasks and threads (`support.watchdog`).
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from stepscope import DeadlockError, SuperstepError
from stepscope.events import AnyEvent, Found, HandlerEnded, HandlerStarted, LockReleased, LockWaiting
from support.contending import Caught, Sibling, Stage, siblings
from support.stream_rules import check_stream
from support.wait_for import Asked, deadlocks_of
from support.watchdog import watchdog
from support.watching import Watcher
from support.workflows import Jitter, full

SECONDS = 10.0
"""For one run, which takes milliseconds. A program that hangs is not made smaller: each try would take as long."""
KINDS: dict[str, dict[str, bool]] = {
    "tasks": {"threads": False, "forks": False, "inside": False},
    "child-tasks": {"threads": False, "forks": True, "inside": False},
    "threads": {"threads": True, "forks": False, "inside": False},
    "sub-workflows": {"threads": False, "forks": True, "inside": True},
    "everything": {"threads": True, "forks": True, "inside": True},
}
"""Half of the programs are of the first kind: it is the commonest, and the one whose every step can be checked."""


def _deadlocks_in(error: BaseException | None) -> list[DeadlockError]:
    if isinstance(error, BaseExceptionGroup):
        return [found for one in error.exceptions for found in _deadlocks_in(one)]
    return [error] if isinstance(error, DeadlockError) else []


def _raised_in_that_step(caught: Caught, closed: Asked, events: list[AnyEvent], at: int) -> None:
    """Between the report and the requester's learning of it, only what it had taken on its way goes on to others."""
    assert caught.executor == closed.executor
    mine = [one for one in events[caught.before : caught.then] if isinstance(one, LockWaiting)]
    mine = [one for one in mine if one.inv == closed.inv]
    if not caught.alone or len(mine) > 1:  # it had waited before, and was told when its turn came
        return
    assert mine == [closed]
    between = events[at + 1 : caught.then]
    assert all(isinstance(one, LockReleased) for one in between if getattr(one, "inv", 0) == closed.inv)
    if not between or not isinstance(between[0], LockReleased):
        assert between == []


def _check(stage: Stage, watcher: Watcher, program: tuple[Sibling, ...], error: Exception | None) -> None:
    events = watcher.events
    check_stream(events)
    assert len(watcher.of(HandlerEnded)) == len(watcher.of(HandlerStarted))
    deadlocks = deadlocks_of(events)
    failed = error is not None
    if not failed:
        assert len(stage.caught) == len(deadlocks)
    remaining = list(stage.caught)
    for closed, found in deadlocks:
        told = [one for one in remaining if str(one.error).startswith(found.message)]
        if told:  # not if it was cancelled with its superstep before it learned of it
            remaining.remove(told[0])
            _raised_in_that_step(told[0], closed, events, events.index(found))
        assert told or failed
    findings = watcher.of(Found)
    if failed:
        assert isinstance(error, SuperstepError)
        assert _deadlocks_in(error)
        assert stage.joined == []
        return
    assert {one.finding for one in findings} <= {"deadlock", "starved-fan-in", "nondeterminism"}
    quiet = _quiet(program, "e", {one.executor for one in stage.caught})
    starved = [one for one in findings if one.finding == "starved-fan-in" and one.scope == 0]
    if not quiet:
        assert stage.joined == [
            [f"e{number}/join" if one.inside else f"e{number}" for number, one in enumerate(program)]
        ]
        assert starved == []
        return
    assert stage.joined == []
    assert (starved == []) == (len(quiet) == len(program))
    for one in starved:  # the fan-in waits for those who gave up, and says for whom
        assert set(one.executors) == {"join", *quiet}


def _quiet(program: tuple[Sibling, ...], prefix: str, caught: set[str]) -> set[str]:
    """Who sent nothing to the fan-in, having caught a deadlock; of a sub-workflow that anybody inside it did."""
    quiet = set()
    for number, one in enumerate(program):
        name = f"{prefix}{number}"
        if _quiet(one.inside, f"{name}/i", caught) or (name in caught and not one.sends):
            quiet.add(name)
    return quiet


def _run(program: tuple[Sibling, ...], jitter: Jitter, **options: Any) -> None:
    watcher = Watcher()
    stage = Stage(jitter, lambda: len(watcher.events))
    workflow = stage.workflow(program)
    error: Exception | None = None
    with watchdog(SECONDS):
        try:
            asyncio.run(workflow.run(0, record=watcher, block_threshold=None, **options))  # time is no subject here
        except Exception as raised:
            error = raised
    _check(stage, watcher, program, error)


def _programs(count: int, kind: str) -> None:
    @settings(
        max_examples=count,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @drawn(siblings(**KINDS[kind]), st.integers(0, 1 << 20))
    def check(program: tuple[Sibling, ...], seed: int) -> None:
        _run(program, Jitter(seed), mode="concurrent")
        _run(program, Jitter(seed, most=0), mode="deterministic", seed=seed)

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_dlk_2_random_lock_programs_never_hang(kind: str) -> None:
    _programs(12, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_dlk_2_many_random_lock_programs_never_hang(kind: str) -> None:
    whole = 5000 if kind == "tasks" else 1250
    _programs(full(whole // 20, whole), kind)


def test_a_hang_is_a_failure_that_shows_who_stands_where() -> None:
    async def waits_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    def turns_for_ever() -> None:
        while True:
            pass

    with pytest.raises(AssertionError, match=r"nothing came back(.|\n)*waits_for_ever"), watchdog(0.05):
        asyncio.run(waits_for_ever())
    with pytest.raises(AssertionError, match=r"nothing came back(.|\n)*turns_for_ever"), watchdog(0.05):
        turns_for_ever()
    with watchdog(5):
        pass
