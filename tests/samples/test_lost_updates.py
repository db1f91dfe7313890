"""The lost update is really lost, and each cure really gives the sum."""

from __future__ import annotations

import itertools
from pathlib import Path

import lost_updates
import pytest

from stepscope import Executor
from stepscope_tracing import Recording

TOTAL = sum(lost_updates.COSTS)
CURES = [lost_updates.UpdatingAgent, lost_updates.HoldingAgent, lost_updates.ContributingAgent]


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3, 4])
async def test_two_of_three_updates_are_lost(seed: int | None) -> None:
    mode = "concurrent" if seed is None else "deterministic"
    result = await lost_updates.make().run(lost_updates.COSTS, mode=mode, seed=seed)
    assert result.state["spent"] in lost_updates.COSTS


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3, 4])
@pytest.mark.parametrize("cure", CURES)
async def test_no_update_is_lost_with_a_cure(cure: type[Executor], seed: int | None) -> None:
    mode = "concurrent" if seed is None else "deterministic"
    result = await lost_updates.make(cure).run(lost_updates.COSTS, mode=mode, seed=seed)
    assert result.state["spent"] == TOTAL


async def test_the_recording_shows_that_all_three_started_from_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lost.stepscope"
    await lost_updates.make().run(lost_updates.COSTS, record=path)
    with Recording.open(path) as recording:
        run = recording.run()
        reads = run.events(kinds=["state-read"])
        assert [read.value.tree() for read in reads] == [0, 0, 0]  # type: ignore[union-attr]
        writes = run.writes("spent")
        assert sorted(write.new.tree() for write in writes if write.new) == lost_updates.COSTS
        assert [write.old.tree() for write in writes if write.old] == [0, *(w.new.tree() for w in writes[:-1] if w.new)]


async def test_agents_that_hold_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "hold.stepscope"
    await lost_updates.make(lost_updates.HoldingAgent).run(lost_updates.COSTS, record=path)
    with Recording.open(path) as recording:
        uses = sorted(recording.run().locks(), key=lambda use: use.acquired_seq)
    assert [use.key for use in uses] == ["spent"] * 3
    assert all(a.released_seq < b.acquired_seq for a, b in itertools.pairwise(uses))
    assert [use.wait_seq > 0 for use in uses] == [False, True, True]
