"""The cycle is named as it forms; taking both keys at once cannot form one."""

from __future__ import annotations

import deadlock
import pytest

from stepscope import DeadlockError
from support.schedules import mode_of

HOLDS_AND_WANTS = {("import", "orders", "stock"), ("export", "stock", "orders")}


@pytest.mark.parametrize("seed", [None, *range(6)])
async def test_the_error_names_who_holds_and_wants_what(seed: int | None) -> None:
    with pytest.raises(DeadlockError) as caught:
        await deadlock.make().run(5, mode=mode_of(seed), seed=seed)
    assert set(caught.value.cycle) == HOLDS_AND_WANTS
    for name in ("import", "export", "orders", "stock"):
        assert name in str(caught.value)


@pytest.mark.parametrize("seed", [None, *range(6)])
async def test_both_keys_at_once(seed: int | None) -> None:
    result = await deadlock.make(deadlock.AtOnce).run(5, mode=mode_of(seed), seed=seed)
    assert result.state == {"orders": 50, "stock": 50}
