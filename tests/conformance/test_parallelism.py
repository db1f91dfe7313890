"""What runs at the same time: PAR-1 (who may), PAR-2 (sync handlers), PAR-5 (handlers are tasks like any other)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from stepscope import StateUsageError, SuperstepError, WorkflowBuilder, WorkflowError
from stepscope.events import HandlerEnded, HandlerStarted, LockWaiting, StateWritten
from support.holds import LIVE, increment
from support.workflows import (
    CONCURRENT,
    MODES,
    Context,
    Jitter,
    Log,
    Node,
    Options,
    ThreadNode,
    Watch,
    alone,
    build,
    in_every_mode,
    label,
    relay,
    run,
    sending,
    siblings,
    swallow,
    watch,
)

LONG = 5.0
"""Seconds a thread of these tests waits at most; one that passes never gets there."""


# -- PAR-1 -------------------------------------------------------------------------------------------------------------


async def test_par_1_everybody_with_an_inbox_runs_whoever_sent_to_it() -> None:
    """Targets of different sources and edge kinds, a fan-in's among them, and one's own next message."""
    meeting = asyncio.Barrier(4)

    async def meet(message: Any, ctx: Context) -> None:
        if ctx.superstep == 3:
            await meeting.wait()

    async def again(message: Any, ctx: Context) -> None:
        await ctx.send_message(0)
        await meet(message, ctx)

    start, a, b = Node("start", relay), Node("a", again), Node("b", relay)
    builder = WorkflowBuilder(start, max_supersteps=4).add_fan_out_edges(start, [a, b])
    builder.add_edge(a, a, condition=lambda message: True).add_edge(a, Node("c", meet)).add_edge(b, Node("d", meet))
    workflow = build(builder.add_fan_in_edges([a, b], Node("e", meet)))
    seen = await watch(workflow, 0, **CONCURRENT)
    assert [one.executor for one in seen.of(HandlerStarted) if one.superstep == 3] == ["a", "c", "d", "e"]
    assert [one.outcome for one in seen.of(HandlerEnded) if one.superstep == 3] == ["completed"] * 4


def running(events: list[Any]) -> list[int]:
    """How many handlers were running after each start and end."""
    counts, now = [0], 0
    for event in events:
        now += isinstance(event, HandlerStarted) - isinstance(event, HandlerEnded)
        counts.append(now)
    return counts


@in_every_mode
@pytest.mark.parametrize("limit", [1, 2, 3, 10, None])
@pytest.mark.parametrize("threads", [False, True])
async def test_par_1_max_concurrency_bounds_and_is_used(options: Options, limit: int | None, threads: bool) -> None:
    most = min(limit or 6, 6)
    here = 0
    full_house = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def wait_until_full() -> None:
        """Those who come last may not meet anybody any more, so it is enough that the house was full once."""
        nonlocal here
        here += 1
        if here == most:
            full_house.set()
        await full_house.wait()

    async def act(_: Any, ctx: Context) -> None:
        if options is CONCURRENT:
            await wait_until_full()
        await ctx.send_message(0)

    def act_in_thread(_: Any, ctx: Context) -> None:
        if options is CONCURRENT:
            asyncio.run_coroutine_threadsafe(wait_until_full(), loop).result(LONG)
        ctx.send_message(0)

    acts: dict[str, Any] = {name: ThreadNode(name, act_in_thread) if threads else act for name in "abcdef"}
    seen = await watch(siblings(acts, then=swallow), 0, max_concurrency=limit, **options)
    assert seen.error is None
    assert max(running(seen.events)) <= most
    if options is CONCURRENT:
        assert max(running(seen.events)) == most


@pytest.mark.parametrize("limit", [1, 2, 3, None])
async def test_par_1_starting_in_rank_order(limit: int | None) -> None:
    jitter = Jitter(1)

    async def act(_: Any, ctx: Context) -> None:
        await jitter()

    seen = await watch(siblings(dict.fromkeys("fbdace", act)), 0, max_concurrency=limit, **CONCURRENT)
    assert [one.executor for one in seen.of(HandlerStarted)] == ["start", *"fbdace"]


@pytest.mark.parametrize("options", MODES[1:], ids=label)
@pytest.mark.parametrize("limit", [2, 3])
async def test_par_1_starting_in_rank_order_is_not_left_to_the_chooser(limit: int, options: Options) -> None:
    """With a bound, who comes later in rank never starts first, in a controlled run too."""

    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.get("any")

    seen = await watch(siblings(dict.fromkeys("fbdace", act)), 0, max_concurrency=limit, **options)
    assert [one.executor for one in seen.of(HandlerStarted)] == ["start", *"fbdace"]


@pytest.mark.parametrize("limit", [0, -1, 1.5, "2"])
async def test_par_1_a_bound_that_is_none_is_refused(limit: Any) -> None:
    with pytest.raises(WorkflowError, match="max_concurrency"):
        await run(alone(swallow), max_concurrency=limit)


@in_every_mode
@pytest.mark.parametrize("limit", [1, 2])
async def test_par_1_a_bound_does_not_stop_a_queue(options: Options, limit: int) -> None:
    """Every message of every inbox is handled, holds and waits among the few included."""

    async def act(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            await ctx.state.update("key", increment)

    workflow = siblings(dict.fromkeys("abc", act), state=LIVE, first=sending(1, 2, 3))
    assert (await run(workflow, 0, max_concurrency=limit, **options)).state["key"] == 9


# -- PAR-2 -------------------------------------------------------------------------------------------------------------


@in_every_mode
async def test_par_2_a_sync_handler_runs_in_a_thread_of_its_own(options: Options) -> None:
    log = Log()

    def act(_: Any, ctx: Context) -> None:
        log(threading.current_thread())

    await run(siblings({"a": ThreadNode("a", act), "b": ThreadNode("b", act)}), 0, **options)
    assert threading.main_thread() not in log.lines
    assert len({one.ident for one in log.lines} | {id(one) for one in log.lines}) >= 2


async def test_par_2_blocking_in_it_does_not_stop_siblings() -> None:
    """The thread is blocked until an async sibling, and a sync one, have done something."""
    from_task, from_thread = threading.Event(), threading.Event()

    def blocked(_: Any, ctx: Context) -> None:
        assert from_task.wait(LONG)
        assert from_thread.wait(LONG)
        ctx.yield_output("free")

    async def task(_: Any, ctx: Context) -> None:
        await ctx.state.set("any", 1)
        from_task.set()

    def thread(_: Any, ctx: Context) -> None:
        ctx.state.get("any")
        from_thread.set()

    acts: dict[str, Any] = {"a": ThreadNode("a", blocked), "b": task, "c": ThreadNode("c", thread)}
    assert (await run(siblings(acts), 0, **CONCURRENT)).outputs == ["free"]


@pytest.mark.parametrize("width", [2, 40])
async def test_par_2_sync_handlers_run_beside_each_other(width: int) -> None:
    """More than any default pool has workers."""
    meeting = threading.Barrier(width)

    def meet(_: Any, ctx: Context) -> None:
        meeting.wait(LONG)

    names = [f"t{number}" for number in range(width)]
    assert (await watch(siblings({name: ThreadNode(name, meet) for name in names}), 0, **CONCURRENT)).error is None


async def test_par_2_waiting_for_a_lock_in_it_does_not_stop_siblings() -> None:
    held, observer = asyncio.Event(), Watch()
    loop = asyncio.get_running_loop()

    async def owner(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            held.set()
            while not isinstance(observer.events[-1], LockWaiting):  # noqa: ASYNC110 -- nothing tells of it but this
                await asyncio.sleep(0)
            await ctx.state.set("key", 5)

    def thread(_: Any, ctx: Context) -> None:
        asyncio.run_coroutine_threadsafe(held.wait(), loop).result(LONG)
        ctx.yield_output(ctx.state.get("key"))

    workflow = siblings({"a": owner, "b": ThreadNode("b", thread)}, state=LIVE)
    seen = await watch(workflow, 0, observer=observer, **CONCURRENT)
    assert seen.result.outputs == [5]
    assert len(seen.of(LockWaiting)) == 1


@in_every_mode
async def test_par_2_the_event_loop_goes_on_while_it_blocks(options: Options) -> None:
    """What is outside the run is not stopped either, in a controlled run too."""
    free = threading.Event()
    loop = asyncio.get_running_loop()

    def blocked(_: Any, ctx: Context) -> None:
        loop.call_soon_threadsafe(free.set)
        assert free.wait(LONG)

    assert (await watch(alone(ThreadNode("a", blocked)), **options)).error is None


@in_every_mode
async def test_par_2_what_it_raises_fails_the_superstep(options: Options) -> None:
    def fail(_: Any, ctx: Context) -> None:
        raise ValueError("from a thread")

    seen = await watch(alone(ThreadNode("a", fail)), **options)
    assert isinstance(seen.error, SuperstepError)
    assert [str(error) for error in seen.error.exceptions] == ["from a thread"]
    (ended,) = seen.of(HandlerEnded)
    assert ended.error is not None
    assert ended.error.file == __file__


@in_every_mode
async def test_par_2_the_programs_context_variables_reach_the_thread(options: Options) -> None:
    variable.set("outside")

    def act(_: Any, ctx: Context) -> None:
        ctx.yield_output(variable.get())
        variable.set(ctx.executor_id)

    result = await run(siblings({"a": ThreadNode("a", act), "b": ThreadNode("b", act)}), 0, **options)
    assert result.outputs == ["outside", "outside"]
    assert variable.get() == "outside"


async def test_par_2_async_with_is_not_for_sync_handlers_nor_with_for_async_ones() -> None:
    async def act(_: Any, ctx: Context) -> None:
        with pytest.raises(StateUsageError, match="async with"):
            ctx.state.hold("key").__enter__()  # type: ignore[misc]

    assert (await watch(alone(act, state=LIVE))).error is None


# -- PAR-5 -------------------------------------------------------------------------------------------------------------

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@in_every_mode
async def test_par_5_each_invocation_has_a_task_of_its_own(options: Options) -> None:
    tasks: list[asyncio.Task[Any] | None] = []

    async def act(_: Any, ctx: Context) -> None:
        before = asyncio.current_task()
        await ctx.state.get("any")
        await asyncio.sleep(0)
        assert asyncio.current_task() is before
        tasks.append(before)

    await run(siblings({"a": act, "b": act}, first=sending(1, 2)), 0, **options)
    assert None not in tasks
    assert len({*tasks, asyncio.current_task()}) == 5
    assert all(type(task) is asyncio.Task for task in tasks)


@in_every_mode
async def test_par_5_each_invocation_has_a_context_of_its_own(options: Options) -> None:
    """It begins as the caller's; what it sets stays in it, over schedule points, and comes into its child tasks."""
    variable.set("outside")
    log = Log()

    async def child() -> str:
        return variable.get()

    async def act(number: int, ctx: Context) -> None:
        log(variable.get())
        mine = f"{ctx.executor_id}{number}"
        variable.set(mine)
        await ctx.state.get("any")
        await asyncio.sleep(0)
        assert variable.get() == mine
        assert await asyncio.create_task(child()) == mine

    await run(siblings({"a": act, "b": act}, first=sending(1, 2)), 0, **options)
    assert log.lines == ["outside"] * 4
    assert variable.get() == "outside"


@in_every_mode
async def test_par_5_a_timeout_ends_a_foreign_await(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await ctx.yield_output("on")

    assert (await run(siblings({"a": act, "b": act}), 0, **options)).outputs == ["on", "on"]


async def test_par_5_a_timeout_ends_the_wait_for_a_lock() -> None:
    """The waiter has left the queue: the key goes past it."""
    held, gave_up = asyncio.Event(), asyncio.Event()

    async def owner(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            held.set()
            await gave_up.wait()

    async def impatient(_: Any, ctx: Context) -> None:
        await held.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await ctx.state.set("key", "never")
        gave_up.set()
        await ctx.state.set("other", "later")

    seen = await watch(siblings({"a": owner, "b": impatient}, state=LIVE), 0, **CONCURRENT)
    assert seen.result.state == {"key": 0, "other": "later", "third": 0}
    assert [one.key for one in seen.of(StateWritten)] == ["other"]


@in_every_mode
async def test_par_5_a_task_group_in_a_handler(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        async def child(number: int) -> None:
            await asyncio.sleep(0)
            await ctx.state.update("key", increment)
            if number == 2:
                raise ValueError("child")

        async with asyncio.TaskGroup() as group:
            for number in range(2):
                group.create_task(child(number))
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(child(2))
        assert str(caught.value.exceptions[0]) == "child"
        await ctx.yield_output(await ctx.state.get("key"))

    assert (await run(alone(act, state=LIVE), **options)).outputs == [3]


@in_every_mode
async def test_par_5_a_task_that_waits_for_a_lock_does_not_stop_its_siblings(options: Options) -> None:
    """One task of b waits for the key of a, which a lets go when b's other task has done something."""
    done = asyncio.Event()

    async def a(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            await ctx.state.set("third", 1)
            await ctx.effect(done.wait)

    async def b(_: Any, ctx: Context) -> None:
        async def act() -> None:
            await ctx.state.set("other", 1)
            done.set()

        while await ctx.state.get("third") == 0:  # not an effect: those are admitted in the order they were asked for
            pass
        async with asyncio.TaskGroup() as group:
            group.create_task(_update(ctx))
            group.create_task(act())

    result = await run(siblings({"a": a, "b": b}, state=LIVE), 0, **options)
    assert result.state == {"key": 1, "other": 1, "third": 1}


async def _update(ctx: Context) -> None:
    await ctx.state.update("key", increment)


@in_every_mode
async def test_par_5_gather_and_shield(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        values = await asyncio.gather(*(ctx.state.update("key", increment) for _ in range(3)))
        assert values == [1, 2, 3]
        await asyncio.shield(ctx.state.set("other", 1))

    assert (await run(alone(act, state=LIVE), **options)).state == {"key": 3, "other": 1, "third": 0}


@in_every_mode
async def test_par_5_cancelling_oneself_and_taking_it_back(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        task.uncancel()
        await ctx.yield_output("still here")

    assert (await run(siblings({"a": act, "b": act}), 0, **options)).outputs == ["still here"] * 2


@in_every_mode
async def test_par_5_anyio_scopes(options: Options) -> None:
    anyio = pytest.importorskip("anyio")

    async def act(_: Any, ctx: Context) -> None:
        with anyio.move_on_after(0) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        async with anyio.create_task_group() as group:
            group.start_soon(_update, ctx)

    assert (await run(alone(act, state=LIVE), **options)).state["key"] == 1
