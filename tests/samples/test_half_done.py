"""Neither a look nor a failure in the middle of a superstep finds anything half-done."""

from __future__ import annotations

from pathlib import Path

import half_done
import pytest

from stepscope import SuperstepError
from stepscope_tracing import Recording
from support.schedules import mode_of

GOOD = {"checking": 30, "savings": 70}


@pytest.mark.parametrize("seed", [None, *range(6)])
async def test_the_audit_counts_all_the_money(seed: int | None) -> None:
    result = await half_done.make().run(30, mode=mode_of(seed), seed=seed)
    assert result.state == GOOD
    assert result.outputs == ["audit: 100", "receipt: moved 30"]


async def test_the_audit_looks_while_the_transfer_is_half_done(tmp_path: Path) -> None:
    path = tmp_path / "good.stepscope"
    await half_done.make().run(30, record=path)
    with Recording.open(path) as recording:
        run = recording.run()
        taken, given = run.writes("checking")[0].seq, run.writes("savings")[0].seq
        looks = [event.seq for event in run.events(kinds=["state-read"], executor="audit")]
    assert len(looks) == 2
    assert all(taken < look < given for look in looks)
    assert half_done.captured(path) == half_done.START
    assert half_done.captured(path, executor="transfer") == {"checking": 30, "savings": 40}
    assert half_done.captured(path, at_the_end=True) == GOOD


async def test_the_failure_takes_everything_back(tmp_path: Path) -> None:
    path = tmp_path / "failed.stepscope"
    with pytest.raises(SuperstepError) as caught:
        await half_done.make(bank_is_up=False).run(30, record=path)
    assert caught.value.superstep == 2
    assert [type(error) for error in caught.value.exceptions] == [half_done.BankDown]
    assert half_done.captured(path) == half_done.captured(path, at_the_end=True) == half_done.START
    with Recording.open(path) as recording:
        run = recording.run()
        assert run.info.status == "failed"
        assert len(run.events(kinds=["output"])) == 1  # the audit had spoken ...
        assert run.outputs() == []  # ... and it was taken back
        assert len(run.events(kinds=["sent"], executor="transfer")) == 1
        assert run.deliveries(executor="receipt") == []
