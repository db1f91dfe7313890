"""The lost update is really lost, and each cure really gives the sum."""

from __future__ import annotations

import itertools
from pathlib import Path

import lost_updates
import pytest

from stepscope import Executor
from stepscope.events import StateRead
from stepscope_tracing import Recording
from stepscope_tui.demo.lost_update import COSTS
from support.schedules import mode_of

SUMS = sorted(COSTS.values())
CURES = [lost_updates.UpdatingAgent, lost_updates.HoldingAgent, lost_updates.ContributingAgent]


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3, 4])
async def test_two_of_three_updates_are_lost(seed: int | None) -> None:
    result = await lost_updates.make().run("locks", mode=mode_of(seed), seed=seed)
    assert result.state["spent"] in SUMS


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3, 4])
@pytest.mark.parametrize("cure", CURES)
async def test_no_update_is_lost_with_a_cure(cure: type[Executor], seed: int | None) -> None:
    result = await lost_updates.make(cure).run("locks", mode=mode_of(seed), seed=seed)
    assert result.state["spent"] == sum(SUMS)
    assert len(result.outputs) == 1


async def test_the_recording_shows_that_all_three_started_from_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lost.stepscope"
    await lost_updates.make().run("locks", record=path)
    with Recording.open(path) as recording:
        run = recording.run()
        reads = [event for event in run.events(superstep=2) if isinstance(event, StateRead)]
        assert [read.value.tree() if read.value else None for read in reads] == [0, 0, 0]
        writes = run.writes("spent")
        new = [write.new.tree() for write in writes if write.new]
        old = [write.old.tree() for write in writes if write.old]
    assert sorted(new) == SUMS
    assert old == [0, *new[:-1]]


async def test_agents_that_hold_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "hold.stepscope"
    await lost_updates.make(lost_updates.HoldingAgent).run("locks", record=path)
    with Recording.open(path) as recording:
        held = sorted((use for use in recording.run().locks() if use.op == "hold"), key=lambda use: use.acquired_seq)
    assert [use.key for use in held] == ["spent"] * 3
    assert all(a.released_seq < b.acquired_seq for a, b in itertools.pairwise(held))
    assert [use.wait_seq > 0 for use in held] == [False, True, True]
