"""One program, cancelled at each of its events, one run for each: nothing is left behind and nothing is half done."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from stepscope import Executor, StateKey, Workflow, WorkflowExecutor
from stepscope.events import AnyEvent, HandlerEnded, HandlerStarted
from support.stream_rules import check_stream
from support.watching import Watcher
from support.workflows import Act, Context, Options, ThreadNode, give, in_every_mode, siblings

KEYS = [StateKey("outer", 0, access="live"), StateKey("inner", 0, access="live")]


class Trap(Watcher):
    """Cancels the run when its n-th event comes."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.task: asyncio.Task[Any] | None = None

    def append(self, event: AnyEvent) -> None:
        super().append(event)
        if len(self.events) == self.at and self.task is not None:
            self.task.cancel()


async def _works(message: Any, ctx: Context) -> None:
    async with ctx.state.hold("outer"):
        await ctx.state.set("outer", 1)
        async with ctx.state.hold("inner"):
            await ctx.state.update("inner", lambda n: n + 1)
            await ctx.effect(asyncio.sleep, 0)
        await ctx.send_message(message)
    await asyncio.gather(ctx.sleep(0), ctx.sleep(0))
    await ctx.yield_output(message)


async def _swallows(message: Any, ctx: Context) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await _works(message, ctx)
    await ctx.state.get("outer")


async def _has_children(message: Any, ctx: Context) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_works(message, ctx))
        group.create_task(asyncio.sleep(0))


def _in_a_thread(message: Any, ctx: Any) -> None:
    with ctx.state.hold("outer"):
        ctx.state.set("outer", 1)
        with ctx.state.hold("inner"):
            ctx.state.update("inner", lambda n: n + 1)
            ctx.sleep(0)
        ctx.send_message(message)
    ctx.yield_output(message)


def _workflow(kind: str) -> Workflow:
    acts: dict[str, Act | Executor]
    if kind == "threads":
        acts = {name: ThreadNode(name, _in_a_thread) for name in "ab"}
    elif kind == "sub-workflow":
        acts = {"sub": WorkflowExecutor(siblings({"a": _works, "b": _works}, state=KEYS), id="sub"), "c": _works}
    else:
        act = {"plain": _works, "swallowing": _swallows, "children": _has_children}[kind]
        acts = {"a": act, "b": act}
    return siblings(acts, state=KEYS, then=give)


async def _cancelled_at(kind: str, at: int, options: Options) -> tuple[Trap, bool]:
    trap = Trap(at)
    run = asyncio.create_task(_workflow(kind).run(0, record=trap, **options))
    trap.task = run
    async with asyncio.timeout(20):
        await asyncio.wait([run])
    return trap, run.cancelled()


@pytest.mark.parametrize("kind", ["plain", "swallowing", "children", "sub-workflow", "threads"])
@in_every_mode
async def test_cancelled_at_each_event(kind: str, options: Options) -> None:
    whole, cancelled = await _cancelled_at(kind, 0, options)
    assert not cancelled
    caught = 0
    for at in range(1, len(whole.events) + 1):
        trap, cancelled = await _cancelled_at(kind, at, options)
        caught += cancelled
        check_stream(trap.events)
        assert not trap.late, at
        started = {event.inv for event in trap.of(HandlerStarted)}
        assert started == {event.inv for event in trap.of(HandlerEnded)}, at
        assert "abandoned" not in [outcome for _, outcome in trap.ends()], at
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for _ in range(5):
            await asyncio.sleep(0)
        assert all(task.done() for task in left), at
    assert caught > len(whole.events) // 2, "most of these runs were cancelled indeed"
