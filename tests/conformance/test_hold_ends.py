"""How holds of live keys end: waiters and owners that are cancelled, and holds that were forgotten (STA-5, STA-7)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stepscope import SuperstepOverError, WorkflowBuilder
from stepscope.events import LockReleased, StateWritten
from support.holds import LIVE, Stage, increment, lock_story
from support.workflows import CONCURRENT, MODES, Context, Log, Node, Options, alone, in_every_mode, siblings, watch


async def test_sta_5_a_waiter_that_is_cancelled_leaves_the_queue() -> None:
    log = Log()
    stage = Stage(waiters=2)

    async def impatient(_: Any, ctx: Context) -> None:
        waiting = asyncio.create_task(_enter(ctx, log))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await stage.ask(0)

    async def patient(_: Any, ctx: Context) -> None:
        await stage.ask(1)
        await _enter(ctx, log)

    acts = {"owner": stage.owner, "a": impatient, "b": patient}
    seen = await watch(siblings(acts, state=LIVE), 0, **CONCURRENT)
    assert seen.error is None
    assert log.lines == ["b"]
    assert [who for who, what in lock_story(seen) if what == "acquired"] == ["owner", "b"]


async def _enter(ctx: Context, log: Log) -> None:
    async with ctx.state.hold("key"):
        log(ctx.executor_id)


@pytest.mark.parametrize("more_keys", [False, True])
async def test_sta_5_an_owner_cancelled_before_it_wakes_passes_the_lock_on(more_keys: bool) -> None:
    """The key is handed to a's task; before that runs again it is cancelled; b, next in the queue, gets the key."""
    log = Log()
    stage = Stage(waiters=2)
    waiting: list[asyncio.Task[None]] = []

    async def enter(ctx: Context) -> None:
        async with ctx.state.hold("key", "other") if more_keys else ctx.state.hold("key"):
            log("the cancelled one entered")

    async def owner(_: Any, ctx: Context) -> None:
        await stage.owner(_, ctx)
        waiting[0].cancel()  # nothing ran between the hand-over and this

    async def a(_: Any, ctx: Context) -> None:
        await stage.held.wait()
        waiting.append(asyncio.create_task(enter(ctx)))
        await asyncio.sleep(0)
        await stage.ask(0)
        await asyncio.wait(waiting)
        log("a goes on")
        await stage_b_done.wait()  # so that it is not the end of a that frees the key

    async def b(_: Any, ctx: Context) -> None:
        await stage.ask(1)
        await _enter(ctx, log)
        stage_b_done.set()

    stage_b_done = asyncio.Event()
    seen = await watch(siblings({"owner": owner, "a": a, "b": b}, state=LIVE), 0, **CONCURRENT)
    assert seen.error is None
    assert sorted(log.lines) == ["a goes on", "b"]
    assert [who for who, what in lock_story(seen) if what == "acquired"] == ["owner", "a", "b"]
    assert seen.result.findings == []


@pytest.mark.parametrize("modes", [[CONCURRENT], MODES[1:]], ids=["concurrent", "deterministic"])
async def test_sta_5_a_hold_cancelled_at_any_moment_is_not_left_behind(modes: list[Options]) -> None:
    """Before it asks, while it waits, when it has the key, inside the block: the key is free before the handler's end."""

    async def b(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            await ctx.state.update("key", increment)

    for options in modes:
        for rounds in range(12):

            async def a(_: Any, ctx: Context, rounds: int = rounds) -> None:
                entering = asyncio.create_task(_hold_long(ctx))
                for _ in range(rounds):
                    await asyncio.sleep(0)
                entering.cancel()
                await asyncio.wait([entering])
                await ctx.state.set("other", 1)

            seen = await watch(siblings({"a": a, "b": b}, state=LIVE), 0, **options)
            assert seen.result.state["key"] == 1
            assert [finding for finding in seen.result.findings if finding.kind == "lock-not-released"] == []
            (after,) = seen.of(StateWritten, "a")
            assert all(released.seq < after.seq for released in seen.of(LockReleased, "a"))


async def _hold_long(ctx: Context) -> None:
    async with ctx.state.hold("key"):
        for _ in range(100):
            await asyncio.sleep(0)


# -- STA-7: its end ----------------------------------------------------------------------------------------------------


@in_every_mode
async def test_sta_7_a_forgotten_hold_ends_with_its_invocation_and_is_reported(options: Options) -> None:
    async def forget(_: Any, ctx: Context) -> None:
        await ctx.state.hold("key", "other").__aenter__()
        await ctx.state.set("key", 1)

    async def other(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            await ctx.state.update("other", increment)

    seen = await watch(siblings({"a": forget, "b": other}, state=LIVE), 0, **options)
    assert seen.result.state == {"key": 1, "other": 1, "third": 0}  # its writes stay
    (finding,) = seen.findings("lock-not-released")
    assert (finding.clause, finding.executors, finding.locks) == ("STA-7", ["a"], ["key", "other"])
    assert [one.reason for one in seen.of(LockReleased, "a")] == ["ended", "ended"]


@in_every_mode
async def test_sta_7_an_orderly_hold_is_not_reported(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            return

    seen = await watch(alone(act, state=LIVE), **options)
    assert seen.result.findings == []
    assert [one.reason for one in seen.of(LockReleased)] == ["exit"]


@in_every_mode
async def test_sta_7_a_task_left_behind_inside_a_hold_loses_it(options: Options) -> None:
    """The key is free when the handler has ended; what the task still does is refused (BAR-2)."""
    log, inside, go = Log(), asyncio.Event(), asyncio.Event()
    left: list[asyncio.Task[None]] = []

    async def child(ctx: Context) -> None:
        try:
            async with ctx.state.hold("key"):
                await ctx.state.set("key", 1)
                inside.set()
                await go.wait()
                await ctx.state.set("key", 2)
        except SuperstepOverError:
            log("refused")

    async def leave(_: Any, ctx: Context) -> None:
        left.append(asyncio.create_task(child(ctx)))
        await inside.wait()
        await ctx.send_message(0)

    async def later(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            log(await ctx.state.get("key"))
        go.set()
        await asyncio.wait(left)

    a, b = Node("a", leave), Node("b", later)
    seen = await watch(WorkflowBuilder(a, state=LIVE).add_edge(a, b).build(), **options)
    assert seen.error is None
    assert log.lines == [1, "refused"]
    assert seen.findings("lock-not-released")
    assert seen.findings("escaped-task")
    assert seen.result.state["key"] == 1
