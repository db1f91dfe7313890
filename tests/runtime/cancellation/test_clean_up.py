"""What a cancelled handler does before it ends: it may await effects and operations, within its grace (BAR-3, DET-3)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stepscope import StateKey, SuperstepError, WorkflowExecutor
from stepscope.events import HandlerEnded
from support.stream_rules import check_stream
from support.virtual_time import run_virtual
from support.watching import Watcher
from support.workflows import Act, Context, Options, alone, in_every_mode, relay, siblings

GRACE = 5.0


async def _effect(ctx: Context) -> None:
    await ctx.sleep(1)


async def _two_at_once(ctx: Context) -> None:
    await asyncio.gather(ctx.sleep(1), ctx.sleep(2))


async def _effects_and_operations(ctx: Context) -> None:
    for _ in range(2):
        await ctx.sleep(0.5)
        async with ctx.state.hold("ledger"):
            await ctx.sleep(0.25)


async def _children(ctx: Context) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_effect(ctx))
        group.create_task(_two_at_once(ctx))


@pytest.mark.parametrize("tidy", [_effect, _two_at_once, _effects_and_operations, _children])
@in_every_mode
def test_a_cancelled_handler_may_clean_up_with_effects(options: Options, tidy: Any) -> None:
    caught: list[str] = []
    tidied: list[str] = []

    def cleans(name: str) -> Act:
        async def act(_: Any, ctx: Context) -> None:
            try:
                await ctx.sleep(100)
            except asyncio.CancelledError:
                caught.append(name)
                await tidy(ctx)
                tidied.append(name)
                raise

        return act

    async def fails(_: Any, ctx: Context) -> None:
        await ctx.effect(asyncio.sleep, 0.01)
        raise ValueError("no")

    async def main() -> Watcher:
        watcher = Watcher()
        acts: dict[str, Act] = {"fails": fails, "a": cleans("a"), "b": cleans("b")}
        state = [StateKey("ledger", 0, access="live")]
        with pytest.raises(SuperstepError):
            await siblings(acts, state=state).run(0, record=watcher, cancel_grace=GRACE, **options)
        return watcher

    watcher = run_virtual(main())
    check_stream(watcher.events)
    assert {end.outcome for end in watcher.of(HandlerEnded)} == {"completed", "failed", "cancelled"}
    assert sorted(tidied) == sorted(caught)
    assert caught, "the sibling of the one that fails was waiting"


@in_every_mode
def test_waiting_on_for_a_task_that_was_not_cancelled(options: Options) -> None:
    """The task's effect was waited for before the handler was cancelled: nothing new is waited for afterwards."""
    waits = asyncio.Event()

    async def act(_: Any, ctx: Context) -> None:
        async def child() -> None:
            await ctx.sleep(2)

        task = asyncio.create_task(child())
        waits.set()
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue

    async def main() -> Watcher:
        watcher = Watcher()
        run = asyncio.create_task(alone(act).run(0, record=watcher, cancel_grace=GRACE, **options))
        await waits.wait()
        await asyncio.sleep(1)
        run.cancel()
        await asyncio.wait([run])
        assert run.cancelled()
        return watcher

    watcher = run_virtual(main())
    check_stream(watcher.events)
    assert watcher.ends() == [("only", "cancelled")]


@in_every_mode
def test_inside_a_sub_workflow(options: Options) -> None:
    async def tidies(_: Any, ctx: Context) -> None:
        try:
            await ctx.sleep(100)
        finally:
            await ctx.sleep(1)

    async def fails(_: Any, ctx: Context) -> None:
        for _ in range(40):
            await ctx.state.get("x")
        await ctx.effect(asyncio.sleep, 0)
        raise ValueError("no")

    async def main() -> Watcher:
        watcher = Watcher()
        inner = siblings({"x": tidies, "y": tidies})
        workflow = siblings({"fails": fails, "sub": WorkflowExecutor(inner, id="sub"), "beside": relay})
        with pytest.raises(SuperstepError):
            await workflow.run(0, record=watcher, cancel_grace=GRACE, **options)
        return watcher

    watcher = run_virtual(main())
    check_stream(watcher.events)
    assert "abandoned" not in [outcome for _, outcome in watcher.ends()]


@in_every_mode
def test_an_effect_that_takes_longer_than_the_grace_is_not_waited_for(options: Options) -> None:
    async def dawdles(_: Any, ctx: Context) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await ctx.sleep(1000)

    async def main() -> tuple[Watcher, float]:
        watcher = Watcher()
        with pytest.raises(SuperstepError):
            await alone(dawdles).run(0, record=watcher, cancel_grace=GRACE, timeout=1, **options)
        return watcher, asyncio.get_running_loop().time()

    watcher, took = run_virtual(main())
    assert watcher.ends() == [("only", "abandoned")]
    assert took == pytest.approx(1 + GRACE, abs=0.1)
