"""A reducer key with contributions that wait for the barrier is shown as such, not as absent (STA-2)."""

from __future__ import annotations

import operator

from stepscope import StateKey, WorkflowBuilder, WorkflowContext, executor
from stepscope.events import StateWritten
from stepscope_tracing import Run
from support.watching import Watcher


@executor(id="counts")
async def counts(_: int, ctx: WorkflowContext) -> None:
    await ctx.state.add("hits", 2)
    await ctx.state.add("hits", 5)


async def test_contributions_wait_with_their_executor() -> None:
    watcher = Watcher()
    keys = [StateKey("hits", initial=1, reducer=operator.add)]
    await WorkflowBuilder(counts, state=keys).build().run(0, record=watcher)
    run = Run.of_events(watcher.events)
    first, second = [event.seq for event in watcher.events if isinstance(event, StateWritten)]

    def seen(seq: int, executor: str | None) -> tuple[object, bool, list[object]]:
        cell = run.state_at(seq, executor=executor)["hits"]
        return cell.value.tree(), cell.pending, [value.tree() for value in cell.added]

    assert seen(first - 1, "counts") == (1, False, [])
    assert seen(first, "counts") == (1, True, [2])
    assert seen(second, "counts") == (1, True, [2, 5])
    assert seen(second, None) == (1, False, [])
    assert seen(run.last, "counts") == (8, False, [])
