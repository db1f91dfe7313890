"""A fan-in that can never fire is reported, and is an error in a strict run."""

from __future__ import annotations

from pathlib import Path

import pytest
import waiting_for_each_other as waiting

from stepscope import StarvedFanInError
from stepscope_tracing import Recording
from support.schedules import mode_of


async def test_the_finding_names_who_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "waiting.stepscope"
    result = await waiting.make().run("locks", record=path)
    assert result.outputs == []
    with Recording.open(path) as recording:
        (finding,) = recording.run().findings()
    assert finding.kind == "starved-fan-in"
    assert "critic" in finding.message
    assert "publish" in finding.executors


async def test_strict_makes_it_an_error() -> None:
    with pytest.raises(StarvedFanInError, match="critic"):
        await waiting.make().run("locks", strict=True)


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
async def test_the_conversation_over_supersteps_comes_to_an_end(seed: int | None) -> None:
    result = await waiting.make_cured().run("locks", mode=mode_of(seed), seed=seed, strict=True)
    assert result.outputs == ["draft about locks + review of the draft about locks"]
    assert result.supersteps == 4
