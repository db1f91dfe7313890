"""What ran one after another and what ran side by side, as the recording has it."""

from __future__ import annotations

import itertools
from pathlib import Path

import not_parallel
import pytest

from stepscope import Workflow
from stepscope_tracing import Recording


async def spans(workflow: Workflow, jobs: list[float], path: Path) -> list[tuple[int, int]]:
    """Start and end (ns) of the second superstep's handlers, in order of start."""
    await workflow.run(jobs, record=path)
    with Recording.open(path) as recording:
        return sorted((one.t_started, one.t_ended) for one in recording.run().deliveries(superstep=2))


def overlapping(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


async def test_blocking_handlers_stand_in_line(tmp_path: Path) -> None:
    handlers = await spans(not_parallel.make(), not_parallel.THREE_EQUAL, tmp_path / "run.stepscope")
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(handlers))


async def test_threads_run_side_by_side(tmp_path: Path) -> None:
    threads = not_parallel.make(not_parallel.ThreadWorker)
    handlers = await spans(threads, not_parallel.THREE_EQUAL, tmp_path / "run.stepscope")
    assert all(overlapping(handlers[0], other) for other in handlers[1:])


@pytest.mark.parametrize(("workers", "waits"), [(1, True), (4, False)])
async def test_quick_jobs_behind_a_slow_one(workers: int, waits: bool, tmp_path: Path) -> None:
    workflow = not_parallel.make(not_parallel.ThreadWorker, workers=workers)
    slow, *quick = await spans(workflow, not_parallel.SLOW_FIRST, tmp_path / "run.stepscope")
    assert len(quick) == 3
    assert all((one[0] >= slow[1]) == waits for one in quick)
