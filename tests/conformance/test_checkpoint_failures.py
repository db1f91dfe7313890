"""BAR-6: a checkpoint that cannot be written fails the run, or is recorded and reported. And the executors' hooks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stepscope import (
    CheckpointError,
    CheckpointInfo,
    Executor,
    InMemoryCheckpointStorage,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowError,
    WorkflowExecutor,
    handler,
)
from stepscope.events import Checkpointed, Committed, Found, RunEnded, SuperstepCompleted
from support.resuming import committed, resumed
from support.ruled import ruled
from support.watching import Watcher
from support.workflows import Node, Options, Seen, build, give, in_every_mode, relay, run

pytestmark = pytest.mark.filterwarnings("ignore::stepscope.WorkflowWarning")


def three(*, first: Executor | None = None, last: Executor | None = None) -> Workflow:
    nodes = [first or Node("a", relay), Node("b", relay), last or Node("c", give)]
    return build(WorkflowBuilder(nodes[0], name="three").add_chain(nodes))


class Full(InMemoryCheckpointStorage):
    """Cannot write the checkpoints of some supersteps."""

    def __init__(self, *refused: int, error: BaseException | None = None) -> None:
        super().__init__()
        self.refused = set(refused)
        self.error = error or OSError("no space left on device")

    async def save(self, info: CheckpointInfo, body: bytes) -> None:
        if info.superstep in self.refused:
            raise self.error
        await super().save(info, body)


@in_every_mode
@pytest.mark.parametrize("refused", [0, 1, 2, 3])
async def test_BAR_6_the_run_fails_and_goes_on_from_the_last_that_was_written(refused: int, options: Options) -> None:
    storage = Full(refused)
    whole = await ruled(three(), 7, checkpoints=InMemoryCheckpointStorage(), **options)
    seen = await ruled(three(), 7, checkpoints=storage, **options)
    assert type(seen.error) is CheckpointError
    said = str(seen.error)
    assert f"superstep {refused} could not be written: OSError: no space left on device" in said
    assert "\n" not in said
    kept = await storage.list_checkpoints()
    assert [one.superstep for one in kept] == list(range(refused))
    assert [one.superstep for one in seen.of(SuperstepCompleted)] == list(range(1, refused)), "not announced"
    assert [one.superstep for one in seen.of(Committed)] == list(range(1, refused + 1))
    assert [one.error is None for one in seen.of(Checkpointed)] == [True] * refused + [False]
    (found,) = seen.of(Found)
    assert (found.finding, found.clause) == ("checkpoint-failed", "BAR-6")
    (ended,) = seen.of(RunEnded)
    assert (ended.status, ended.error and ended.error.type) == ("failed", "CheckpointError")
    if kept:
        assert f"resume from {kept[-1].checkpoint_id!r}" in said
        storage.refused = set()
        again, _ = await resumed(three(), storage)
        assert committed(again) == committed(whole)


async def test_BAR_6_a_resumed_run_goes_on_from_where_it_was_resumed() -> None:
    storage = Full(2, error=OSError("no space\nleft"))
    with pytest.raises(CheckpointError):
        await run(three(), 7, checkpoints=storage)
    (latest,) = (await storage.list_checkpoints())[-1:]
    with pytest.raises(CheckpointError, match=f"no space left; resume from '{latest.checkpoint_id}'"):
        await three().resume(storage)


@in_every_mode
async def test_BAR_6_with_continue_the_run_goes_on_and_says_so(options: Options) -> None:
    storage = Full(0, 2)
    seen = await ruled(three(), 7, checkpoints=storage, on_checkpoint_error="continue", **options)
    assert seen.result.outputs == [7]
    assert [one.superstep for one in await storage.list_checkpoints()] == [1, 3]
    assert [(one.superstep, one.clause) for one in seen.findings("checkpoint-failed")] == [(0, "BAR-6"), (2, "BAR-6")]
    assert [(one.superstep, one.error is None) for one in seen.of(Checkpointed)] == [
        (0, False), (1, True), (2, False), (3, True),
    ]  # fmt: skip
    again, _ = await resumed(three(), storage)
    assert committed(again) == committed(seen)


async def test_BAR_6_the_stream_of_a_run_that_fails_does_not_announce_the_superstep() -> None:
    types = []
    with pytest.raises(CheckpointError):
        async for event in three().stream(7, checkpoints=Full(2)):
            types.append((event.type, event.superstep))
    assert ("superstep_completed", 1) in types
    assert ("superstep_completed", 2) not in types
    assert types[-1] == ("finding", 2)


@pytest.mark.parametrize("how", ["ignore", "", None, 1])
async def test_BAR_6_another_way_to_go_on_is_refused(how: Any) -> None:
    with pytest.raises(WorkflowError, match=r"on_checkpoint_error .* is not one of 'fail', 'continue'"):
        await run(three(), 7, on_checkpoint_error=how)


async def test_BAR_6_a_run_that_is_cancelled_while_it_writes_is_cancelled() -> None:
    class Slow(InMemoryCheckpointStorage):
        reached = asyncio.Event()

        async def save(self, info: CheckpointInfo, body: bytes) -> None:
            if info.superstep == 2:
                self.reached.set()
                await asyncio.Event().wait()
            await super().save(info, body)

    storage, watcher = Slow(), Watcher()
    task = asyncio.create_task(three().run(7, checkpoints=storage, record=watcher, on_checkpoint_error="continue"))
    await storage.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watcher.events[-1].status == "cancelled"  # type: ignore[union-attr]
    assert [one.superstep for one in watcher.of(SuperstepCompleted)] == [1]
    assert [one.superstep for one in await storage.list_checkpoints()] == [0, 1]


async def test_BAR_6_a_cancellation_of_the_storages_own_is_a_failure_like_any_other() -> None:
    seen = await ruled(three(), 7, checkpoints=Full(1, error=asyncio.CancelledError()))
    assert isinstance(seen.error, CheckpointError)
    assert "CancelledError" in str(seen.error)


# -- hooks -------------------------------------------------------------------------------------------------------------


class Counter(Executor):
    """Remembers how often it was called, and all that it was given back."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.calls = 0
        self.saves: list[int] = []
        self.restored: list[Any] = []

    @handler
    async def count(self, message: int, ctx: WorkflowContext[int, int]) -> None:
        self.calls += 1
        await ctx.yield_output(self.calls)
        await ctx.send_message(message)

    async def on_checkpoint_save(self) -> dict[str, Any]:
        self.saves.append(self.calls)
        return {"calls": self.calls, "kept as it was": ({1, 2}, b"x", {3: "three"})}

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        self.restored.append(state)
        self.calls = state["calls"]


def loop(counter: Counter) -> Workflow:
    return build(WorkflowBuilder(counter, name="loop", max_supersteps=4).add_edge(counter, counter, counts_on))


def counts_on(message: int) -> bool:
    """Three more rounds for a message of 3."""
    counts_on.left -= 1  # type: ignore[attr-defined]
    return bool(counts_on.left >= 0)  # type: ignore[attr-defined]


async def counted(n: int, storage: InMemoryCheckpointStorage) -> Counter:
    counts_on.left = n  # type: ignore[attr-defined]
    counter = Counter("counter")
    await run(loop(counter), 7, checkpoints=storage)
    return counter


async def test_BAR_4_what_an_executor_remembers_is_asked_for_at_each_barrier() -> None:
    storage = InMemoryCheckpointStorage()
    counter = await counted(2, storage)
    assert counter.saves == [0, 1, 2, 3]
    for one in await storage.list_checkpoints():
        counts_on.left = 2 - one.superstep  # type: ignore[attr-defined]
        again = Counter("counter")
        result = await loop(again).resume(storage, one.checkpoint_id)
        assert result.outputs == [1, 2, 3]
        assert again.calls == 3
        (given,) = again.restored
        assert given == {"calls": one.superstep, "kept as it was": ({1, 2}, b"x", {3: "three"})}


async def test_BAR_4_nobody_is_asked_without_a_storage_and_nobody_else_is() -> None:
    counter = Counter("a")
    await run(three(first=counter), 7)
    assert counter.saves == []
    await run(three(first=counter), 7, checkpoints=InMemoryCheckpointStorage())
    assert counter.saves == [1, 2, 2, 2]


async def test_BAR_4_what_a_failed_superstep_did_to_an_executor_is_taken_back() -> None:
    class Fails(Counter):
        broken = True

        @handler
        async def count(self, message: int, ctx: WorkflowContext[int, int]) -> None:
            self.calls += 1
            if self.calls == 2 and self.broken:
                raise ValueError("no")
            await ctx.yield_output(self.calls)
            await ctx.send_message(message)

    counts_on.left = 2  # type: ignore[attr-defined]
    fails = Fails("counter")
    workflow, storage = loop(fails), InMemoryCheckpointStorage()
    with pytest.raises(ExceptionGroup):
        await run(workflow, 7, checkpoints=storage)
    assert fails.calls == 2
    fails.broken = False
    assert (await workflow.resume(storage)).outputs == [1, 2, 3]


async def test_SUB_1_executors_inside_a_sub_workflow_are_asked_at_the_runs_barriers() -> None:
    """Their attributes outlive the superstep, so they are remembered; ids read parent/child."""

    def workflow() -> tuple[Workflow, Counter]:
        counter = Counter("counter")
        inner = build(WorkflowBuilder(counter, name="inner").add_edge(counter, Node("x", relay)))
        host = WorkflowExecutor(inner, id="host")
        return three(last=host, first=Node("a", relay)), counter

    storage = InMemoryCheckpointStorage()
    whole, counter = workflow()
    await run(whole, 7, checkpoints=storage)
    assert counter.saves == [0, 0, 0, 1], "not at the barriers inside"
    again, counter = workflow()
    await again.resume(storage)
    assert (counter.calls, len(counter.restored)) == (1, 1)


class Broken(Counter):
    """Gives what it was made with, or raises it."""

    def __init__(self, given: Any) -> None:
        super().__init__("a")
        self.given = given

    async def on_checkpoint_save(self) -> dict[str, Any]:
        if isinstance(self.given, BaseException):
            raise self.given
        return self.given  # type: ignore[no-any-return]


class Plain(Counter):
    def on_checkpoint_save(self) -> dict[str, Any]:  # type: ignore[override]
        return {}


BROKEN = {
    "it raises": (Broken(ValueError("not now")), "executor 'a': on_checkpoint_save raised ValueError: not now"),
    "it cancels itself": (Broken(asyncio.CancelledError()), "CancelledError"),
    "no dict": (Broken([1]), "executor 'a': on_checkpoint_save gave a list instead of a dict"),
    "no data": (Broken({"k": [object()]}), "executor 'a': what on_checkpoint_save gave: the value at .k[0] is a builtins:object"),
    "not async": (Plain("a"), "executor 'a': on_checkpoint_save is not async"),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
async def test_BAR_6_a_hook_that_fails_is_a_checkpoint_that_cannot_be_written(how: str) -> None:
    broken, text = BROKEN[how]
    seen: Seen = await ruled(three(first=broken), 7, checkpoints=InMemoryCheckpointStorage())
    assert isinstance(seen.error, CheckpointError)
    assert text in str(seen.error)
    seen = await ruled(three(first=broken), 7, checkpoints=InMemoryCheckpointStorage(), on_checkpoint_error="continue")
    assert len(seen.findings("checkpoint-failed")) == 4
    assert text in seen.findings("checkpoint-failed")[0].message


async def test_BAR_4_a_hook_that_cannot_restore_is_told() -> None:
    class Refuses(Counter):
        async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
            raise KeyError("version")

    Refuses.__name__ = "Counter"
    storage = InMemoryCheckpointStorage()
    await run(three(first=Counter("a")), 7, checkpoints=storage)
    with pytest.raises(CheckpointError, match=r"on_checkpoint_restore of executor 'a' raised KeyError: 'version'"):
        await three(first=Refuses("a")).resume(storage)


async def test_BAR_4_a_snapshot_of_nobody_is_told() -> None:
    class Forgets(Executor):
        @handler
        async def count(self, message: int, ctx: WorkflowContext[int, int]) -> None:
            pass

    Forgets.__name__ = "Counter"
    storage = InMemoryCheckpointStorage()
    await run(three(first=Counter("a")), 7, checkpoints=storage)
    with pytest.raises(CheckpointError, match="holds what executor 'a' remembers"):
        await three(first=Forgets("a")).resume(storage)
