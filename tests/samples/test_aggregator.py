"""What was made from the order of arrival differs from run to run; what came through the barrier does not."""

from __future__ import annotations

import aggregator
import pytest

DECLARED = "; ".join(f"{name}'s view" for name in aggregator.NAMES)


async def test_only_the_summary_by_arrival_follows_the_speed() -> None:
    one = (await aggregator.make().run(aggregator.ARCHIVE_IS_FIRST)).outputs[0]
    other = (await aggregator.make().run(aggregator.INTERVIEW_IS_FIRST)).outputs[0]
    assert one["by arrival"] == DECLARED
    assert other["by arrival"] == "; ".join(reversed(DECLARED.split("; ")))
    for how in ("by fan-in", "by reducer"):
        assert one[how] == other[how] == DECLARED


async def test_schedules_reorder_arrivals_and_nothing_else() -> None:
    arrivals = set()
    for seed in range(12):
        equally_fast = dict.fromkeys(aggregator.NAMES, 0.0)
        result = await aggregator.make().run(equally_fast, mode="deterministic", seed=seed)
        arrivals.add(result.outputs[0]["by arrival"])
        assert result.outputs[0]["by fan-in"] == result.outputs[0]["by reducer"] == DECLARED
    assert len(arrivals) > 1


@pytest.mark.parametrize("seconds", [aggregator.ARCHIVE_IS_FIRST, aggregator.INTERVIEW_IS_FIRST])
async def test_nothing_is_forgotten_on_arrival(seconds: dict[str, float]) -> None:
    summary = (await aggregator.make().run(seconds)).outputs[0]["by arrival"]
    assert sorted(summary.split("; ")) == sorted(DECLARED.split("; "))
