"""BAR-1 and BAR-2: when a superstep is complete, in which order a barrier does its work, and the fence behind it."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stepscope import StateKey, SuperstepOverError, WorkflowBuilder
from stepscope.events import AnyEvent, Committed, EffectEnded, HandlerEnded, HandlerStarted, SuperstepCompleted
from support.ruled import ruled, spin
from support.watching import Watcher
from support.workflows import Act, Context, Node, Options, ThreadNode, alone, in_every_mode, relay, siblings


@in_every_mode
async def test_BAR_1_a_superstep_completes_when_every_invocation_has_finished(options: Options) -> None:
    async def quick(_: Any, ctx: Context) -> None:
        await ctx.state.set("quick", 1)
        await ctx.send_message("quick")

    async def slow(_: Any, ctx: Context) -> None:
        for _round in range(20):
            await spin(ctx)
        assert await ctx.state.get("quick") is None  # committed only when this one has ended too
        await ctx.send_message("slow")

    async def then(message: Any, ctx: Context) -> None:
        assert await ctx.state.get("quick") == 1
        await ctx.yield_output(message)

    seen = await ruled(siblings({"quick": quick, "slow": slow}, then=then), 0, **options)
    assert seen.result.outputs == ["quick", "slow"]
    (commit,) = [event for event in seen.of(Committed) if event.superstep == 2]
    assert all(event.seq < commit.seq for event in seen.of(HandlerEnded) if event.superstep == 2)
    assert all(event.seq > commit.seq for event in seen.of(HandlerStarted) if event.superstep == 3)


@in_every_mode
async def test_BAR_1_a_handler_that_waits_for_an_effect_has_not_finished(options: Options) -> None:
    async def answer() -> str:
        for _ in range(30):
            await asyncio.sleep(0)
        return "answer"

    async def asks(_: Any, ctx: Context) -> None:
        await ctx.state.set("answer", await ctx.effect(answer))

    async def quick(_: Any, ctx: Context) -> None: ...

    seen = await ruled(siblings({"quick": quick, "asks": asks}), 0, **options)
    assert seen.result.state == {"answer": "answer"}
    (ended,) = seen.of(EffectEnded)
    assert ended.seq < seen.of(Committed)[-1].seq


class _Diary(Watcher):
    """Notes when a barrier does what, among what the program's own functions note."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def append(self, event: AnyEvent) -> None:
        super().append(event)
        if isinstance(event, (Committed, SuperstepCompleted, HandlerEnded)):
            self.notes.append(event.kind)

    def flush(self, *, barrier: bool) -> None:
        super().flush(barrier=barrier)
        if barrier:
            self.notes.append("written")


@in_every_mode
async def test_BAR_1_merge_then_commit_then_write_then_announce(options: Options) -> None:
    diary = _Diary()

    def add(a: int, b: int) -> int:
        diary.notes.append("merge")
        return a + b

    def condition(_: Any) -> bool:
        diary.notes.append("condition")
        return True

    async def first(_: Any, ctx: Context) -> None:
        await ctx.state.add("n", 1)
        await ctx.send_message("on")

    async def second(_: Any, ctx: Context) -> None: ...

    start = Node("first", first)
    workflow = WorkflowBuilder(start, state=[StateKey("n", 0, reducer=add)])
    workflow.add_edge(start, Node("second", second), condition)
    announced = []
    async for event in workflow.build().stream("go", record=diary, **options):
        announced.append((event.type, len(diary.notes)))
    one = ["handler-ended", "merge", "condition", "committed", "superstep-completed", "written"]
    assert diary.notes[: len(one)] == one
    told = next(at for kind, at in announced if kind == "superstep_completed")
    assert told >= len(one), "announced before it was written"


@in_every_mode
async def test_BAR_1_a_superstep_of_nothing_but_handlers_that_do_nothing_still_commits(options: Options) -> None:
    async def nothing(_: Any, ctx: Context) -> None: ...

    seen = await ruled(alone(nothing), 0, **options)
    assert [event.changes for event in seen.of(Committed)] == [[]]
    assert seen.result.supersteps == 1


Operation = Callable[[Context], Any]
OPERATIONS: dict[str, Operation] = {
    "send": lambda ctx: ctx.send_message("late"),
    "output": lambda ctx: ctx.yield_output("late"),
    "get": lambda ctx: ctx.state.get("k"),
    "set": lambda ctx: ctx.state.set("k", "late"),
    "delete": lambda ctx: ctx.state.delete("k"),
    "update": lambda ctx: ctx.state.update("live", lambda _: "late"),
    "add": lambda ctx: ctx.state.add("sum", 1000),
    "hold": lambda ctx: ctx.state.hold("live").__aenter__(),
    "effect": lambda ctx: ctx.effect(str),
    "sleep": lambda ctx: ctx.sleep(0),
    "random": lambda ctx: ctx.random(),
    "uuid": lambda ctx: ctx.uuid(),
    "now": lambda ctx: ctx.now(),
}
KEYS = [StateKey("k", "as it was"), StateKey("live", 0, access="live"), StateKey("sum", 0, reducer=operator.add)]
UNTOUCHED = {"k": "as it was", "live": 0, "sum": 0}


async def _refused(operation: Operation, ctx: Context) -> bool:
    try:
        awaitable = operation(ctx)
        if isinstance(awaitable, Awaitable):
            await awaitable
    except SuperstepOverError as error:
        return "leaves" in str(error)
    return False


@pytest.mark.parametrize("name", OPERATIONS)
@in_every_mode
async def test_BAR_2_an_operation_of_a_task_left_behind_is_refused_while_siblings_run(
    name: str, options: Options
) -> None:
    watcher = Watcher()
    go = asyncio.Event()
    left: list[asyncio.Task[bool]] = []

    async def leaves(_: Any, ctx: Context) -> None:
        async def late() -> bool:
            await go.wait()
            return await _refused(OPERATIONS[name], ctx)

        left.append(asyncio.create_task(late()))

    async def stays(_: Any, ctx: Context) -> None:
        while not watcher.of(HandlerEnded, executor="leaves"):
            await spin(ctx)
        go.set()
        assert await left[0], "the operation was performed"

    workflow = siblings({"leaves": leaves, "stays": stays}, state=KEYS)
    seen = await ruled(workflow, 0, watcher=watcher, **options)
    assert seen.result.state == UNTOUCHED
    assert seen.result.outputs == []
    (finding,) = seen.findings("escaped-task")
    assert (finding.clause, finding.executors, finding.superstep) == ("BAR-2", ["leaves"], 2)


@in_every_mode
async def test_BAR_2_neither_the_next_superstep_nor_the_end_of_the_run_lifts_the_fence(options: Options) -> None:
    kept: list[Context] = []
    refused: list[bool] = []

    async def leaves(_: Any, ctx: Context) -> None:
        kept.append(ctx)
        await ctx.send_message("on")

    async def then(_: Any, ctx: Context) -> None:
        refused.append(await _refused(OPERATIONS["set"], kept[0]))

    workflow = siblings({"leaves": leaves}, state=KEYS, then=then)
    seen = await ruled(workflow, 0, **options)
    assert seen.result.state == UNTOUCHED
    refused.append(await _refused(OPERATIONS["set"], kept[0]))
    assert refused == [True, True]
    assert len(seen.findings("escaped-task")) == 1


async def _first_after_the_run(name: str, options: Options, act: Act, kept: list[Context]) -> None:
    """Use a context for the first time when its run is over: it is refused, and no observer hears of it."""
    watcher = Watcher()
    seen = await ruled(siblings({"leaves": act}, state=KEYS), 0, watcher=watcher, **options)
    (ctx,) = kept
    before = list(watcher.events)
    for _ in range(2):
        assert await _refused(OPERATIONS[name], ctx)
    assert watcher.events == before
    assert not watcher.late, f"after the end came {[event.kind for event in watcher.late]}"
    if seen.outcome is not None:
        assert seen.result.state == UNTOUCHED
        assert seen.findings("escaped-task") == []


@pytest.mark.parametrize("name", OPERATIONS)
@in_every_mode
async def test_BAR_2_what_is_first_asked_after_the_run_is_refused_and_reaches_no_observer(
    name: str, options: Options
) -> None:
    kept: list[Context] = []

    async def leaves(_: Any, ctx: Context) -> None:
        kept.append(ctx)

    await _first_after_the_run(name, options, leaves, kept)


@in_every_mode
async def test_BAR_2_nor_after_a_run_that_failed(options: Options) -> None:
    kept: list[Context] = []

    async def fails(_: Any, ctx: Context) -> None:
        kept.append(ctx)
        raise ValueError("of the test")

    await _first_after_the_run("set", options, fails, kept)


@in_every_mode
async def test_BAR_2_a_task_left_behind_while_it_waits_is_refused_where_it_waits(options: Options) -> None:
    watcher = Watcher()
    left: list[asyncio.Task[bool]] = []
    held = asyncio.Event()

    async def holds(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("live"):
            held.set()
            while not watcher.of(HandlerEnded, executor="leaves"):
                await spin(ctx)

    async def leaves(_: Any, ctx: Context) -> None:
        while not held.is_set():
            await spin(ctx)
        left.append(asyncio.create_task(_refused(OPERATIONS["update"], ctx)))
        await asyncio.sleep(0)

    workflow = siblings({"holds": holds, "leaves": leaves}, state=KEYS)
    seen = await ruled(workflow, 0, watcher=watcher, **options)
    assert seen.result.state == UNTOUCHED
    async with asyncio.timeout(5):
        assert await left[0], "the operation was performed"
    assert len(seen.findings("escaped-task")) == 1


async def test_BAR_2_a_thread_left_behind_by_a_sync_handler_is_refused() -> None:
    watcher = Watcher()
    go = threading.Event()
    refused: list[bool] = []
    threads: list[threading.Thread] = []

    def late(ctx: Any) -> None:
        go.wait(20)
        try:
            ctx.state.set("k", "late")
        except SuperstepOverError:
            refused.append(True)

    def leaves(_: Any, ctx: Context) -> None:
        threads.append(threading.Thread(target=late, args=(ctx,)))
        threads[0].start()

    async def stays(_: Any, ctx: Context) -> None:
        while not watcher.of(HandlerEnded, executor="leaves"):
            await spin(ctx)
        go.set()
        while threads[0].is_alive():
            await spin(ctx)

    workflow = siblings({"leaves": ThreadNode("leaves", leaves), "stays": stays}, state=KEYS)
    seen = await ruled(workflow, 0, watcher=watcher)
    assert refused == [True]
    assert seen.result.state == UNTOUCHED


async def test_BAR_2_a_child_task_that_is_awaited_may_do_everything() -> None:
    async def parent(_: Any, ctx: Context) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(_child(ctx, number))

    async def _child(ctx: Context, number: int) -> None:
        async with ctx.state.hold("live"):
            await ctx.state.set("live", (await ctx.state.get("live")) + 1)
        await ctx.state.add("sum", number)

    seen = await ruled(siblings({"parent": parent, "other": relay}, state=KEYS), 0)
    assert seen.result.state == {"k": "as it was", "live": 3, "sum": 3}
    assert not seen.findings("escaped-task")
