"""Neither a look nor a failure in the middle of a superstep finds anything half-done."""

from __future__ import annotations

from pathlib import Path

import half_done
import pytest

from stepscope import InMemoryCheckpointStorage, SuperstepError
from stepscope_tracing import Recording

GOOD = {"checking": 30, "savings": 70}


@pytest.mark.parametrize("seed", [None, *range(6)])
async def test_the_audit_counts_all_the_money(seed: int | None) -> None:
    mode = "concurrent" if seed is None else "deterministic"
    result = await half_done.make().run(30, mode=mode, seed=seed)
    assert result.state == GOOD
    assert result.outputs == ["audit: 100", "receipt: moved 30"]


async def test_the_audit_looks_while_the_transfer_is_half_done(tmp_path: Path) -> None:
    path = tmp_path / "good.stepscope"
    await half_done.make().run(30, record=path)
    with Recording.open(path) as recording:
        run = recording.run()
        taken, given = run.writes("checking")[0].seq, run.writes("savings")[0].seq
        looks = [event.seq for event in run.events(kinds=["state-read"], executor="audit")]
        assert all(taken < look < given for look in looks)
        cell = run.state_at(looks[0])["checking"]
        assert cell.value.tree() == half_done.START["checking"]
        mine = run.state_at(looks[0], executor="transfer")["checking"]
        assert (mine.value.tree(), mine.pending) == (GOOD["checking"], True)


async def test_the_failure_takes_everything_back_and_the_run_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "failed.stepscope"
    storage = InMemoryCheckpointStorage()
    with pytest.raises(SuperstepError) as caught:
        await half_done.make(bank_is_up=False).run(30, checkpoints=storage, record=path)
    assert caught.value.superstep == 2
    assert [type(error) for error in caught.value.exceptions] == [half_done.BankDown]

    with Recording.open(path) as recording:
        run = recording.run()
        assert run.info.status == "failed"
        final = {key: cell.value.tree() for key, cell in run.state_at(run.last).items()}
        assert final == half_done.START
        assert run.outputs() == []
        assert run.deliveries(executor="receipt") == []

    result = await half_done.make().resume(storage)
    assert (result.state, result.outputs) == (GOOD, ["audit: 100", "receipt: moved 30"])
