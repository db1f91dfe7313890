"""Live keys: every operation is atomic and visible at once (STA-4); a failed superstep takes them back (BAR-3)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from stepscope import StateKey, SuperstepError, WorkflowBuilder
from stepscope.events import Committed, StateRead, StateWritten, SuperstepFailed
from support.workflows import (
    CONCURRENT,
    Context,
    Jitter,
    Log,
    Node,
    Options,
    ThreadNode,
    Turns,
    alone,
    full,
    in_every_mode,
    run,
    sending,
    siblings,
    watch,
)

LIVE = [StateKey("key", initial=0, access="live")]


def increment(value: int) -> int:
    return value + 1


async def test_sta_4_a_write_is_visible_to_siblings_at_once() -> None:
    """Set, update and delete, in this order, each seen by a sibling of the same superstep."""
    log, turns = Log(), Turns("set", "see set", "update", "see update", "delete", "see delete")

    async def write(_: Any, ctx: Context) -> None:
        async with turns("set"):
            await ctx.state.set("key", 5)
        async with turns("update"):
            assert await ctx.state.update("key", increment) == 6
        async with turns("delete"):
            await ctx.state.delete("key")

    async def read(_: Any, ctx: Context) -> None:
        for what in ("set", "update", "delete"):
            async with turns(f"see {what}"):
                log(await ctx.state.get("key", "absent"))

    result = await run(siblings({"a": write, "b": read}, state=LIVE), 0, **CONCURRENT)
    assert log.lines == [5, 6, "absent"]
    assert result.state == {}


async def test_sta_4_two_writers_do_not_conflict_the_last_in_time_stays() -> None:
    turns = Turns("b", "a")

    async def write(_: Any, ctx: Context) -> None:
        async with turns(ctx.executor_id):
            await ctx.state.set("key", ctx.executor_id)

    seen = await watch(siblings({"a": write, "b": write}, state=LIVE), 0, **CONCURRENT)
    assert seen.result.state == {"key": "a"}
    (change,) = seen.of(Committed)[1].changes
    assert change.writers == ["a", "b"]


@in_every_mode
@pytest.mark.parametrize("threads", [False, True])
async def test_sta_4_update_is_an_atomic_read_modify_write(options: Options, threads: bool) -> None:
    jitter = Jitter(1)

    async def act(_: Any, ctx: Context) -> None:
        for _ in range(10):
            await jitter()
            await ctx.state.update("key", increment)

    def act_in_thread(_: Any, ctx: Context) -> None:
        for _ in range(10):
            ctx.state.update("key", increment)

    names = "abcd"
    acts: dict[str, Any] = {name: ThreadNode(name, act_in_thread) if threads else act for name in names}
    assert (await run(siblings(acts, state=LIVE), 0, **options)).state == {"key": 40}


@in_every_mode
async def test_sta_4_what_update_returns_is_what_it_wrote(options: Options) -> None:
    """No sibling's write comes between: the numbers drawn are all different."""
    log, jitter = Log(), Jitter(2)

    async def act(_: Any, ctx: Context) -> None:
        for _ in range(5):
            await jitter()
            log(await ctx.state.update("key", increment))

    await run(siblings(dict.fromkeys("abc", act), state=LIVE), 0, **options)
    assert sorted(log.lines) == list(range(1, 16))


@in_every_mode
async def test_sta_4_an_update_of_an_absent_key_gets_none(options: Options) -> None:
    log = Log()

    def one(old: Any) -> int:
        log(old)
        return 1

    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.delete("key")
        await ctx.state.update("key", one)

    assert (await run(alone(act, state=LIVE), **options)).state == {"key": 1}
    assert log.lines == [None]


@in_every_mode
async def test_sta_4_an_update_that_raises_changes_nothing(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        with pytest.raises(ZeroDivisionError):
            await ctx.state.update("key", lambda old: 1 // old)
        with pytest.raises(Exception, match="cannot be stored"):
            await ctx.state.update("key", lambda old: object())

    seen = await watch(alone(act, state=LIVE), **options)
    assert seen.result.state == {"key": 0}
    assert seen.of(StateWritten) == []


@pytest.mark.parametrize("seed", range(full(10, 200)))
async def test_sta_4_operations_are_linearizable(seed: int) -> None:
    """In recorded order every read gives the value of the write before it, and real time is respected.

    Threads and tasks read, set and update one key; `began` and `ended` are taken around each operation on the
    caller's own side, so an order that the caller could refute would show.
    """
    guard = threading.Lock()
    clock = 0
    spans: dict[tuple[str, int], tuple[int, int]] = {}
    jitter = Jitter(seed, most=3)

    def tick() -> int:
        nonlocal clock
        with guard:
            clock += 1
            return clock

    async def act(_: Any, ctx: Context) -> None:
        for number in range(4):
            await jitter()
            began = tick()
            if (seed + number) % 3 == 0:
                await ctx.state.set("key", [ctx.executor_id, number])
            elif (seed + number) % 3 == 1:
                await ctx.state.update("key", lambda _: [ctx.executor_id, number])  # noqa: B023 -- called at once
            else:
                await ctx.state.get("key")
            spans[ctx.executor_id, number] = began, tick()

    def act_in_thread(_: Any, ctx: Context) -> None:
        for number in range(4):
            jitter.thread()
            began = tick()
            ctx.state.set("key", [ctx.executor_id, number]) if number % 2 else ctx.state.get("key")
            spans[ctx.executor_id, number] = began, tick()

    acts: dict[str, Any] = {
        "a": act,
        "b": act,
        "c": ThreadNode("c", act_in_thread),
        "d": ThreadNode("d", act_in_thread),
    }
    seen = await watch(siblings(acts, state=LIVE), 0, **CONCURRENT)
    assert seen.error is None
    value: Any = 0
    order: list[tuple[str, int]] = []
    counts = dict.fromkeys(acts, 0)
    for event in seen.events:
        if isinstance(event, StateRead):
            assert event.value is not None
            assert event.value.tree() == value
        elif isinstance(event, StateWritten):
            assert event.old is not None
            assert event.new is not None
            assert event.old.tree() == value
            value = event.new.tree()
        else:
            continue
        order.append((event.executor, counts[event.executor]))
        counts[event.executor] += 1
    assert len(order) == 16
    for index, later in enumerate(order):
        for earlier in order[:index]:
            assert spans[earlier][0] < spans[later][1], f"{later} ended before {earlier} began, but comes after it"


@in_every_mode
async def test_sta_4_an_own_child_task_sees_it_too(options: Options) -> None:
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        async def child() -> None:
            await ctx.state.set("key", 1)

        async with asyncio.TaskGroup() as group:
            group.create_task(child())
        log(await ctx.state.get("key"))

    await run(alone(act, state=LIVE), **options)
    assert log.lines == [1]


@in_every_mode
async def test_sta_4_a_failed_superstep_takes_live_writes_back(options: Options) -> None:
    async def write(_: Any, ctx: Context) -> None:
        await ctx.state.set("key", 1)
        await ctx.state.set("other", 1)
        raise ValueError

    state = [*LIVE, StateKey("other", access="live")]
    seen = await watch(alone(write, state=state), **options)
    assert isinstance(seen.error, SuperstepError)
    (failed,) = seen.of(SuperstepFailed)
    reverted = [(one.key, one.old and one.old.tree(), one.new and one.new.tree()) for one in failed.reverted]
    assert reverted == [("key", 1, 0), ("other", 1, None)]


@in_every_mode
async def test_sta_4_live_values_outlive_their_superstep(options: Options) -> None:
    log = Log()

    async def act(number: int, ctx: Context) -> None:
        log(await ctx.state.update("key", increment))
        await ctx.send_message(0)

    a, b = Node("a", sending(1, 2)), Node("b", act)
    builder = WorkflowBuilder(a, state=LIVE).add_edge(a, b).add_edge(b, Node("c", act))
    result = await run(builder.build(), **options)
    assert log.lines == [1, 2, 3, 4]
    assert result.state == {"key": 4}
