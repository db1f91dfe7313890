"""BAR-7: what is streamed before the barrier is provisional, retracted by a failure, and announced once it is durable."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stepscope import StateKey, SuperstepError, Workflow, WorkflowEvent, WorkflowExecutor, WorkflowResult
from stepscope.events import HandlerEnded, RunEnded, SuperstepCompleted
from support.ruled import check_run, spin, until
from support.watching import Watcher
from support.workflows import Context, Options, Seen, alone, give, in_every_mode, relay, siblings

TERMINAL = {"executor_completed", "executor_failed", "executor_cancelled", "executor_abandoned"}


async def collect(events: AsyncIterator[WorkflowEvent]) -> list[WorkflowEvent]:
    return [event async for event in events]


@in_every_mode
async def test_BAR_7_a_run_as_a_stream(options: Options) -> None:
    workflow = siblings({"a": give, "b": relay}, then=give)
    watcher = Watcher()
    events = await collect(workflow.stream("x", record=watcher, **options))
    types = [event.type for event in events]
    assert types[:3] == ["run_started", "superstep_started", "executor_invoked"]
    assert types.count("superstep_started") == types.count("superstep_completed") == 3
    result = events[-1].data
    assert events[-1].type == "run_completed"
    assert isinstance(result, WorkflowResult)
    assert events[0].data == result.run_id
    assert [event.data for event in events if event.type == "output"] == result.outputs == ["x", "x"]
    assert [event.superstep for event in events] == sorted(event.superstep for event in events)
    assert sum(kind in TERMINAL for kind in types) == types.count("executor_invoked") == 4
    assert {event.data for event in events if event.type == "executor_invoked"} == {"x"}
    check_run(watcher, Seen(watcher.events, result))


@in_every_mode
async def test_BAR_7_outputs_come_before_their_superstep_is_over_and_are_provisional(options: Options) -> None:
    released = asyncio.Event()

    async def yields_then_waits(_: Any, ctx: Context) -> None:
        await ctx.yield_output("early")
        await ctx.effect(released.wait)

    types = []
    async for event in alone(yields_then_waits).stream(0, **options):
        types.append(event.type)
        if event.type == "output":
            assert (event.data, event.executor_id, event.provisional) == ("early", "only", True)
            released.set()
    assert types.index("output") < types.index("executor_completed") < types.index("superstep_completed")


@in_every_mode
async def test_BAR_7_a_failed_superstep_retracts_what_it_streamed(options: Options) -> None:
    async def first(message: Any, ctx: Context) -> None:
        await ctx.yield_output("kept")
        await ctx.send_message(message)

    async def fails(_: Any, ctx: Context) -> None:
        await ctx.yield_output("lost")
        await spin(ctx)
        raise ValueError("on purpose")

    async def endless(_: Any, ctx: Context) -> None:
        while True:
            await spin(ctx)

    events: list[WorkflowEvent] = []
    with pytest.raises(SuperstepError):
        async for event in siblings({"fails": fails, "other": endless}, first=first).stream(0, **options):
            events.append(event)
    kept = [event for event in events if event.type == "output"]
    assert [(event.superstep, event.data) for event in kept] == [(1, "kept"), (2, "lost")]
    types = [(event.type, event.superstep) for event in events]
    assert ("superstep_completed", 1) in types
    assert ("superstep_completed", 2) not in types
    assert types[-1] == ("superstep_failed", 2)
    assert [error.message for error in events[-1].data] == ["on purpose"]
    failed = next(event for event in events if event.type == "executor_failed")
    assert (failed.executor_id, failed.data.type) == ("fails", "ValueError")
    invoked = Counter(event.executor_id for event in events if event.type == "executor_invoked")
    assert invoked == Counter(event.executor_id for event in events if event.type in TERMINAL)


@in_every_mode
async def test_BAR_7_completed_is_announced_only_once_it_is_durable(options: Options) -> None:
    release = asyncio.Event()
    watcher = Watcher(durable=0)

    async def first(message: Any, ctx: Context) -> None:
        await ctx.send_message(message)

    async def second(_: Any, ctx: Context) -> None:
        await ctx.effect(release.wait)

    told: asyncio.Queue[str] = asyncio.Queue()
    seen: list[str] = []

    async def follow() -> None:
        workflow = siblings({"second": second}, first=first)
        async for event in workflow.stream(0, record=watcher, **options):
            seen.append(event.type)
            told.put_nowait(event.type)

    following = asyncio.create_task(follow())
    await until(lambda: watcher.of(SuperstepCompleted))
    (completed,) = watcher.of(SuperstepCompleted)
    offered = len(watcher.flushed)
    await until(lambda: len(watcher.flushed) >= offered + 3)  # it asks again while the superstep lasts
    assert "superstep_completed" not in seen
    assert seen[-1] == "executor_completed", "what comes after waits behind it"
    watcher.durable = completed.seq - 1
    offered = len(watcher.flushed)
    await until(lambda: len(watcher.flushed) >= offered + 3)
    assert "superstep_completed" not in seen
    watcher.durable = completed.seq
    while (await told.get()) != "superstep_completed":
        pass
    release.set()
    await following
    assert seen.count("superstep_completed") == 2
    assert seen[-1] == "run_completed"


async def test_BAR_7_every_observer_has_to_have_it() -> None:
    slow, quick = Watcher(durable=0), Watcher()
    types = []
    async for event in siblings({"a": relay}).stream(0, record=[quick, slow]):
        types.append((event.type, slow.closed))
    assert [closed for kind, closed in types if kind == "superstep_completed"] == [1, 1], "only its close made it so"


@in_every_mode
async def test_BAR_7_leaving_the_stream_cancels_the_run_and_waits_for_it(options: Options) -> None:
    watcher = Watcher()
    cleaned: list[str] = []

    async def endless(_: Any, ctx: Context) -> None:
        try:
            while True:
                await spin(ctx)
        finally:
            await spin(ctx)
            cleaned.append("up")

    async with contextlib.aclosing(alone(endless).stream(0, record=watcher, **options)) as events:
        async for event in events:
            if event.type == "executor_invoked":
                break
    assert cleaned == ["up"]
    check_run(watcher, Seen(watcher.events))
    assert watcher.events[-1].status == "cancelled"  # type: ignore[union-attr]
    assert watcher.ends() == [("only", "cancelled")]


@pytest.mark.parametrize("leave_at", ["run_started", "executor_failed", "superstep_failed"])
async def test_BAR_7_leaving_the_stream_of_a_failing_run_leaves_no_complaint(leave_at: str) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    watcher = Watcher()

    async def fails(_: Any, ctx: Context) -> None:
        raise ValueError("on purpose")

    async with contextlib.aclosing(alone(fails).stream(0, record=watcher)) as events:
        async for event in events:
            if event.type == leave_at:
                break
    assert watcher.closed == 1
    await asyncio.sleep(0)
    assert complaints == []
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_BAR_7_cancelling_the_one_who_reads_the_stream_cancels_the_run() -> None:
    watcher = Watcher()
    invoked = asyncio.Event()

    async def endless(_: Any, ctx: Context) -> None:
        while True:
            await spin(ctx)

    async def read() -> None:
        async for event in alone(endless).stream(0, record=watcher):
            if event.type == "executor_invoked":
                invoked.set()

    reading = asyncio.create_task(read())
    await invoked.wait()
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
    await until(lambda: watcher.closed)
    check_run(watcher, Seen(watcher.events))


async def test_BAR_7_findings_and_drops_are_in_the_stream() -> None:
    async def sends_nowhere(_: Any, ctx: Context) -> None:
        await ctx.send_message("into the void")

    events = await collect(alone(sends_nowhere).stream(0))
    dropped = next(event for event in events if event.type == "message_dropped")
    assert (dropped.executor_id, dropped.data, dropped.superstep) == ("only", "into the void", 1)
    finding = next(event for event in events if event.type == "finding")
    assert (finding.data.kind, finding.data.run_id) == ("dropped-message", events[-1].data.run_id)
    assert events[-1].data.findings == [finding.data]


@in_every_mode
async def test_BAR_7_a_sub_workflow_streams_its_executors_and_not_its_supersteps(options: Options) -> None:
    inner: Workflow = alone(give)
    events = await collect(siblings({"sub": WorkflowExecutor(inner, id="sub")}, then=give).stream("x", **options))
    assert ("executor_invoked", "sub/only") in [(event.type, event.executor_id) for event in events]
    assert [event.data for event in events if event.type == "output"] == ["x"], "its outputs are its host's sends"
    assert [event.superstep for event in events if event.type == "superstep_started"] == [1, 2, 3]


async def test_BAR_7_values_in_the_stream_are_copies() -> None:
    async def keeps(_: Any, ctx: Context) -> None:
        await ctx.state.set("k", [1])
        await ctx.yield_output(await ctx.state.get("k"))
        await ctx.send_message([2])

    async def then(message: list[int], ctx: Context) -> None:
        await ctx.yield_output(message)

    result: Any = None
    async for event in siblings({"keeps": keeps}, then=then, state=[StateKey("k")]).stream(0):
        if isinstance(event.data, list):
            event.data.append("changed by the reader")
        result = event.data
    assert result.state == {"k": [1]}
    assert result.outputs == [[1], [2]]


async def test_BAR_7_a_handler_that_ends_after_the_stream_was_left_is_in_the_events() -> None:
    watcher = Watcher()

    async def stubborn(_: Any, ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await ctx.yield_output("last words")

    async with contextlib.aclosing(alone(stubborn).stream(0, record=watcher)) as events:
        async for event in events:
            if event.type == "executor_invoked":
                break
    check_run(watcher, Seen(watcher.events))
    assert watcher.of(HandlerEnded)[0].outcome == "cancelled"
    assert watcher.of(RunEnded)[0].outputs == 0
