"""A hold block is all-or-nothing for the keys it holds (STA-6)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stepscope import DeadlockError, StateKey
from stepscope.events import LockReleased, Sent, StateRead, StateWritten
from support.holds import LIVE, Stage, increment
from support.workflows import (
    CONCURRENT,
    Context,
    Log,
    Options,
    Seen,
    ThreadContext,
    ThreadNode,
    alone,
    in_every_mode,
    siblings,
    watch,
)

KEYS = [*LIVE, StateKey("sum", initial=0, reducer=lambda old, new: old + new)]


class Bang(Exception):
    """What leaves the blocks of these tests."""


def undone(seen: Seen) -> list[tuple[str, Any, Any]]:
    """Key, value taken back and value restored, of each undo, in order."""
    return [
        (one.key, one.old and one.old.tree(), one.new and one.new.tree())
        for one in seen.of(StateWritten)
        if one.op == "undo"
    ]


@in_every_mode
async def test_sta_6_an_exception_undoes_the_writes_to_the_held_keys(options: Options) -> None:
    """Set, update and delete; recorded as undo, each with what it took back; the handler that catches goes on."""
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        with pytest.raises(Bang):
            async with ctx.state.hold("third", "key", "other"):
                await ctx.state.set("key", 1)
                await ctx.state.update("key", increment)
                await ctx.state.update("other", increment)
                await ctx.state.delete("third")
                raise Bang
        for name in ("key", "other", "third"):
            log(await ctx.state.get(name))

    seen = await watch(alone(act, state=KEYS), **options)
    assert log.lines == [0, 0, 0]
    assert seen.result.state == {"key": 0, "other": 0, "third": 0, "sum": 0}
    assert undone(seen) == [("key", 2, 0), ("other", 1, 0), ("third", None, 0)]
    assert [one.reason for one in seen.of(LockReleased)] == ["error"] * 3
    last_undo = [one.seq for one in seen.of(StateWritten)][-1]
    assert last_undo < seen.of(LockReleased)[0].seq


@in_every_mode
async def test_sta_6_a_key_that_was_absent_is_absent_again(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.delete("key")
        with pytest.raises(Bang):
            async with ctx.state.hold("key"):
                await ctx.state.set("key", 1)
                raise Bang

    seen = await watch(alone(act, state=LIVE), **options)
    assert seen.result.state == {"other": 0, "third": 0}
    assert undone(seen) == [("key", 1, None)]


@in_every_mode
async def test_sta_6_sends_outputs_and_other_keys_stay(options: Options) -> None:
    """Keys that are not held, snapshot and reducer keys, and what was written before the block."""
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.set("key", 10)
        with pytest.raises(Bang):
            async with ctx.state.hold("key"):
                await ctx.state.set("key", 11)
                await ctx.state.set("other", 1)
                await ctx.state.set("plain", 2)
                await ctx.state.add("sum", 3)
                await ctx.send_message("sent")
                await ctx.yield_output("out")
                raise Bang
        log(await ctx.state.get("key"))

    async def then(message: str, ctx: Context) -> None:
        log(message)

    seen = await watch(siblings({"a": act}, then=then, state=KEYS), 0, **options)
    assert log.lines == [10, "sent"]
    assert seen.result.outputs == ["out"]
    assert seen.result.state == {"key": 10, "other": 1, "plain": 2, "sum": 3, "third": 0}
    assert len(seen.of(Sent, "a")) == 1
    assert undone(seen) == [("key", 11, 10)]


async def test_sta_6_nobody_sees_what_was_undone() -> None:
    """Who waited for the key reads the restored value: the undo comes before the hand-over."""
    log = Log()
    stage = Stage(waiters=1)

    async def owner(_: Any, ctx: Context) -> None:
        with pytest.raises(Bang):
            async with ctx.state.hold("key"):
                await ctx.state.set("key", "wrong")
                stage.held.set()
                await stage.all_asked.wait()
                raise Bang

    async def other(_: Any, ctx: Context) -> None:
        await stage.ask(0)
        log(await ctx.state.get("key"))

    seen = await watch(siblings({"owner": owner, "other": other}, state=LIVE), 0, **CONCURRENT)
    assert log.lines == [0]
    (read,) = seen.of(StateRead)
    assert read.seq > seen.of(LockReleased)[0].seq > seen.of(StateWritten)[-1].seq


@in_every_mode
async def test_sta_6_nested_blocks_are_undone_innermost_first(options: Options) -> None:
    """The exception leaves both: the inner undo restores what the outer block had written, the outer what was before."""

    async def act(_: Any, ctx: Context) -> None:
        with pytest.raises(Bang):
            async with ctx.state.hold("key"):
                await ctx.state.set("key", 1)
                async with ctx.state.hold("key", "other"):
                    await ctx.state.set("key", 2)
                    await ctx.state.set("other", 2)
                    raise Bang

    seen = await watch(alone(act, state=LIVE), **options)
    assert undone(seen) == [("key", 2, 1), ("other", 2, 0), ("key", 1, 0)]
    assert seen.result.state == {"key": 0, "other": 0, "third": 0}


@in_every_mode
async def test_sta_6_an_inner_block_alone_is_undone(options: Options) -> None:
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            await ctx.state.set("key", 1)
            with pytest.raises(Bang):
                async with ctx.state.hold("key"):
                    await ctx.state.set("key", 2)
                    raise Bang
            log(await ctx.state.get("key"))
            await ctx.state.update("key", lambda old: old + 10)

    seen = await watch(alone(act, state=LIVE), **options)
    assert log.lines == [1]
    assert seen.result.state["key"] == 11
    assert undone(seen) == [("key", 2, 1)]


@in_every_mode
@pytest.mark.parametrize("before", [True, False])
async def test_sta_6_an_outer_block_answers_for_an_inner_one_that_ended_well(options: Options, before: bool) -> None:
    """Both its own write and the inner block's are taken back, to what was there at its entry."""

    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.set("key", "entry")
        with pytest.raises(Bang):
            async with ctx.state.hold("key"):
                if before:
                    await ctx.state.set("key", "outer")
                async with ctx.state.hold("key"):
                    await ctx.state.set("key", "inner")
                raise Bang

    seen = await watch(alone(act, state=LIVE), **options)
    assert seen.result.state["key"] == "entry"
    assert undone(seen) == [("key", "inner", "entry")]


@in_every_mode
async def test_sta_6_an_inner_blocks_own_key_is_kept_when_the_outer_fails(options: Options) -> None:
    """The inner block held another key too and ended well: that one is no key of the block that fails."""

    async def act(_: Any, ctx: Context) -> None:
        with pytest.raises(Bang):
            async with ctx.state.hold("key"):
                async with ctx.state.hold("key", "other"):
                    await ctx.state.set("key", 1)
                    await ctx.state.set("other", 1)
                raise Bang

    seen = await watch(alone(act, state=LIVE), **options)
    assert seen.result.state == {"key": 0, "other": 1, "third": 0}
    assert undone(seen) == [("key", 1, 0)]


@in_every_mode
async def test_sta_6_a_block_that_wrote_nothing_undoes_nothing(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.set("key", 1)
        with pytest.raises(Bang):
            async with ctx.state.hold("key"):
                raise Bang

    seen = await watch(alone(act, state=LIVE), **options)
    assert undone(seen) == []
    assert seen.result.state["key"] == 1


@in_every_mode
async def test_sta_6_each_entry_begins_anew(options: Options) -> None:
    """A block that ended well is done: a later one that fails does not take its writes back."""

    async def act(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            await ctx.state.set("key", 1)
        with pytest.raises(Bang):
            async with ctx.state.hold("key"):
                await ctx.state.set("key", 2)
                raise Bang

    seen = await watch(siblings({"a": act, "b": act}, state=LIVE), 0, **options)
    assert seen.result.state["key"] == 1


@in_every_mode
async def test_sta_6_a_child_tasks_writes_in_the_block_are_undone_too(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        async def child(name: str) -> None:
            await ctx.state.update(name, increment)

        with pytest.raises(Bang):
            async with ctx.state.hold("key"):
                async with asyncio.TaskGroup() as group:
                    group.create_task(child("key"))
                    group.create_task(child("other"))
                raise Bang

    seen = await watch(alone(act, state=LIVE), **options)
    assert seen.result.state == {"key": 0, "other": 1, "third": 0}


@in_every_mode
async def test_sta_6_sync_handlers(options: Options) -> None:
    def act(_: Any, ctx: ThreadContext) -> None:
        with pytest.raises(Bang), ctx.state.hold("key"):
            ctx.state.set("key", 1)
            with ctx.state.hold("other"):
                ctx.state.set("other", 1)
            raise Bang

    seen = await watch(siblings({"a": ThreadNode("a", act), "b": ThreadNode("b", act)}, state=LIVE), 0, **options)
    assert seen.result.state == {"key": 0, "other": 1, "third": 0}
    assert undone(seen) == [("key", 1, 0)] * 2


async def test_sta_6_cancellation_undoes_too() -> None:
    """Of a task of the handler, while it is inside; the handler goes on and the run succeeds."""
    inside = asyncio.Event()
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        async def child() -> None:
            async with ctx.state.hold("key"):
                await ctx.state.set("key", 1)
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(child())
        await inside.wait()
        task.cancel()
        await asyncio.wait([task])
        log(await ctx.state.get("key"))

    for options in (CONCURRENT, {"mode": "deterministic"}):
        inside.clear()
        seen = await watch(alone(act, state=LIVE), **options)
        assert seen.result.state["key"] == 0
        assert undone(seen) == [("key", 1, 0)]
    assert log.lines == [0, 0]


@in_every_mode
async def test_sta_6_a_timeout_inside_a_block_undoes(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), ctx.state.hold("key"):
                await ctx.state.set("key", 1)
                await asyncio.Event().wait()
        await ctx.state.set("other", await ctx.state.get("key") + 5)

    seen = await watch(alone(act, state=LIVE), **options)
    assert seen.result.state == {"key": 0, "other": 5, "third": 0}
    assert undone(seen) in ([("key", 1, 0)], [])  # it may fire before the block is entered


async def test_sta_6_a_sibling_that_fails_cancels_and_undoes() -> None:
    """The superstep fails as a whole (BAR-3); the block was undone and its key released before the handler ended."""
    inside = asyncio.Event()

    async def act(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            await ctx.state.set("key", 1)
            inside.set()
            await asyncio.Event().wait()

    async def fail(_: Any, ctx: Context) -> None:
        await inside.wait()
        raise Bang

    seen = await watch(siblings({"a": act, "b": fail}, state=LIVE), 0, **CONCURRENT)
    assert seen.error is not None
    assert undone(seen) == [("key", 1, 0)]
    assert [one.reason for one in seen.of(LockReleased)] == ["error"]


@in_every_mode
async def test_sta_6_an_update_whose_function_raises_leaves_the_block_and_undoes(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        with pytest.raises(ZeroDivisionError):
            async with ctx.state.hold("key"):
                await ctx.state.set("key", 1)
                await ctx.state.update("key", lambda old: old // 0)

    seen = await watch(alone(act, state=LIVE), **options)
    assert seen.result.state["key"] == 0


async def test_sta_6_a_deadlock_inside_a_block_undoes_it_when_it_leaves() -> None:
    """And so frees the key that the other one waits for: the run goes on."""
    both = asyncio.Barrier(2)

    async def act(_: Any, ctx: Context) -> None:
        mine, yours = ("key", "other") if ctx.executor_id == "a" else ("other", "key")
        try:
            async with ctx.state.hold(mine):
                await ctx.state.set(mine, "spoilt")
                await both.wait()
                async with ctx.state.hold(yours):
                    await ctx.state.set(mine, "good")
                    await ctx.state.set(yours, "good")
        except DeadlockError:
            pass

    seen = await watch(siblings({"a": act, "b": act}, state=LIVE), 0, **CONCURRENT)
    assert seen.result.state == {"key": "good", "other": "good", "third": 0}
    ((_, taken, restored),) = undone(seen)
    assert (taken, restored) == ("spoilt", 0)


@in_every_mode
async def test_sta_6_leaving_with_return_break_or_continue_keeps(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        for _ in range(3):
            async with ctx.state.hold("key"):
                await ctx.state.update("key", increment)
                continue
        for _ in range(3):
            async with ctx.state.hold("key"):
                await ctx.state.update("key", increment)
                break
        async with ctx.state.hold("key"):
            await ctx.state.update("key", increment)
            return

    seen = await watch(alone(act, state=LIVE), **options)
    assert seen.result.state["key"] == 5
    assert undone(seen) == []
