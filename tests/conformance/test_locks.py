"""Holding live keys: exclusion, hand-over, ownership (STA-5)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stepscope import StateUsageError, WorkflowBuilder
from stepscope.events import LockAcquired, LockReleased, LockWaiting, StateRead, StateWritten
from support.holds import LIVE, Stage, increment, lock_story
from support.workflows import (
    CONCURRENT,
    Act,
    Context,
    Jitter,
    Log,
    Node,
    Options,
    ThreadContext,
    ThreadNode,
    alone,
    full,
    in_every_mode,
    run,
    siblings,
    watch,
)

OPERATIONS: dict[str, Any] = {
    "get": lambda ctx: ctx.state.get("key"),
    "set": lambda ctx: ctx.state.set("key", 9),
    "delete": lambda ctx: ctx.state.delete("key"),
    "update": lambda ctx: ctx.state.update("key", increment),
}


# -- exclusion ---------------------------------------------------------------------------------------------------------


@in_every_mode
@pytest.mark.parametrize("threads", [False, True])
async def test_sta_5_a_read_modify_write_in_a_hold_loses_nothing(options: Options, threads: bool) -> None:
    jitter = Jitter(1)

    async def act(_: Any, ctx: Context) -> None:
        for _ in range(4):
            async with ctx.state.hold("key"):
                value = await ctx.state.get("key")
                await jitter()
                await ctx.state.set("key", value + 1)
            await jitter()

    def act_in_thread(_: Any, ctx: ThreadContext) -> None:
        for _ in range(4):
            with ctx.state.hold("key"):
                value = ctx.state.get("key")
                jitter.thread()
                ctx.state.set("key", value + 1)

    acts: dict[str, Any] = {"a": act, "b": act, "c": ThreadNode("c", act_in_thread) if threads else act}
    assert (await run(siblings(acts, state=LIVE), 0, **options)).state["key"] == 12


@pytest.mark.parametrize("verb", OPERATIONS)
async def test_sta_5_every_operation_of_another_waits_plain_get_included(verb: str) -> None:
    """Across awaits: the owner is suspended when the other asks, and its write comes first all the same."""
    stage = Stage(waiters=1)

    async def other(_: Any, ctx: Context) -> None:
        await stage.ask(0)
        await OPERATIONS[verb](ctx)

    seen = await watch(siblings({"owner": stage.owner, "other": other}, state=LIVE), 0, **CONCURRENT)
    (waiting,) = seen.of(LockWaiting)
    assert (waiting.executor, waiting.op, waiting.holder_executor, waiting.queue) == ("other", verb, "owner", [])
    done = [
        event for event in seen.events if isinstance(event, (StateRead, StateWritten)) and event.executor == "other"
    ]
    (released,) = seen.of(LockReleased)
    assert waiting.seq < released.seq < done[0].seq
    values = {"get": 5, "set": 9, "delete": None, "update": 6}
    expected = {"key": values[verb], "other": 0, "third": 0}
    assert seen.result.state == {name: value for name, value in expected.items() if value is not None}


@in_every_mode
async def test_sta_5_nobody_sees_a_state_in_the_middle_of_a_hold(options: Options) -> None:
    """The owner breaks a rule for a while (both keys move together); a reader of both in a hold never sees that."""
    log, jitter = Log(), Jitter(2)

    async def write(_: Any, ctx: Context) -> None:
        for number in range(5):
            async with ctx.state.hold("key", "other"):
                await ctx.state.set("key", number)
                await jitter()
                await ctx.state.set("other", number)
            await jitter()

    async def read(_: Any, ctx: Context) -> None:
        for _ in range(5):
            async with ctx.state.hold("other", "key"):
                key = await ctx.state.get("key")
                await jitter()
                log((key, await ctx.state.get("other")))
            await jitter()

    await run(siblings({"a": write, "b": read, "c": read}, state=LIVE), 0, **options)
    assert len(log.lines) == 10
    assert all(key == other for key, other in log.lines)


@in_every_mode
async def test_sta_5_other_keys_are_free(options: Options) -> None:
    """While the key is held an operation on another one does not wait, nor one on the same name that is no live key."""
    both = asyncio.Barrier(2)

    async def meet() -> None:
        if options is CONCURRENT:
            await both.wait()

    async def hold(key: str, ctx: Context) -> None:
        async with ctx.state.hold(key):
            await meet()
            await ctx.state.set(key, 1)
            await meet()

    acts: dict[str, Act] = {"a": lambda _, ctx: hold("key", ctx), "b": lambda _, ctx: hold("other", ctx)}
    seen = await watch(siblings(acts, state=LIVE), 0, **options)
    assert seen.result.state == {"key": 1, "other": 1, "third": 0}
    assert seen.of(LockWaiting) == []


# -- hand-over ---------------------------------------------------------------------------------------------------------


async def test_sta_5_hand_over_is_first_in_first_out() -> None:
    """Not by rank, and a plain operation between two holds keeps its place."""
    log = Log()
    queue = ["d", "get", "b", "set", "c"]
    stage = Stage(waiters=len(queue))

    async def hold(_: Any, ctx: Context) -> None:
        await stage.ask(queue.index(ctx.executor_id))
        async with ctx.state.hold("key"):
            log(ctx.executor_id)

    async def get(_: Any, ctx: Context) -> None:
        await stage.ask(queue.index("get"))
        log(("get", await ctx.state.get("key")))

    async def put(_: Any, ctx: Context) -> None:
        await stage.ask(queue.index("set"))
        await ctx.state.set("key", 7)

    acts: dict[str, Act] = {"owner": stage.owner, "b": hold, "c": hold, "d": hold, "get": get, "set": put}
    seen = await watch(siblings(acts, state=LIVE), 0, **CONCURRENT)
    assert [one.executor for one in seen.of(LockWaiting)] == queue
    invs = [one.inv for one in seen.of(LockWaiting)]
    assert [one.queue for one in seen.of(LockWaiting)] == [invs[:place] for place in range(5)]
    assert [who for who, what in lock_story(seen) if what == "acquired"] == ["owner", "d", "b", "c"]
    seqs = {e.executor: e.seq for e in seen.events if isinstance(e, (LockAcquired, StateRead, StateWritten))}
    assert sorted(queue, key=lambda name: seqs[name]) == queue
    assert seen.result.state["key"] == 7


async def test_sta_5_who_comes_after_the_release_does_not_overtake_the_waiter() -> None:
    """Ownership changes at the hand-over: the releasing handler itself, going on at once, finds the key taken."""
    log = Log()
    stage = Stage(waiters=1)

    async def owner(_: Any, ctx: Context) -> None:
        await stage.owner(_, ctx)
        async with ctx.state.hold("key"):  # no await of the event loop since the block before ended
            log("owner again")

    async def other(_: Any, ctx: Context) -> None:
        await stage.ask(0)
        async with ctx.state.hold("key"):
            log("other")

    seen = await watch(siblings({"owner": owner, "other": other}, state=LIVE), 0, **CONCURRENT)
    assert log.lines == ["other", "owner again"]
    first, second, third = seen.of(LockAcquired)
    assert [one.waited for one in (first, second, third)] == [False, True, True]
    assert seen.of(LockWaiting)[1].holder_executor == "other"


async def test_sta_5_the_release_names_who_is_next_and_who_still_waits() -> None:
    stage = Stage(waiters=2)

    async def hold(_: Any, ctx: Context) -> None:
        await stage.ask("ab".index(ctx.executor_id))
        async with ctx.state.hold("key"):
            pass

    seen = await watch(siblings({"owner": stage.owner, "a": hold, "b": hold}, state=LIVE), 0, **CONCURRENT)
    a, b = (one.inv for one in seen.of(LockWaiting))
    assert [one.next for one in seen.of(LockReleased)] == [a, b, 0]
    assert [one.queue[-1:] for one in seen.of(LockReleased)] == [[b], [b], []]


@in_every_mode
async def test_sta_5_several_keys_are_taken_in_one_canonical_order(options: Options) -> None:
    """Named in any order, and twice: so opposite orders cannot lock each other out."""
    orders = {"a": ("third", "key", "other", "key"), "b": ("other", "third", "key"), "c": ("key", "other", "third")}
    jitter = Jitter(3)

    async def act(_: Any, ctx: Context) -> None:
        for _ in range(3):
            async with ctx.state.hold(*orders[ctx.executor_id]):
                value = await ctx.state.get("other")
                await jitter()
                await ctx.state.set("other", value + 1)

    seen = await watch(siblings(dict.fromkeys(orders, act), state=LIVE), 0, **options)
    assert seen.result.state["other"] == 9
    for name in orders:
        assert [one.key for one in seen.of(LockAcquired, name)] == ["key", "other", "third"] * 3


# -- ownership ---------------------------------------------------------------------------------------------------------


@in_every_mode
async def test_sta_5_the_owner_may_enter_again(options: Options) -> None:
    """Also with more keys, and the key stays held until the outermost block ends."""

    async def act(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            async with ctx.state.hold("key"):
                await ctx.state.update("key", increment)
            async with ctx.state.hold("other", "key"):
                await ctx.state.update("key", increment)
            await ctx.state.update("key", increment)

    seen = await watch(siblings({"a": act, "b": act}, state=LIVE), 0, **options)
    assert seen.result.state["key"] == 6
    story = lock_story(seen)
    assert [what for _, what in story] == ["acquired", "released"] * 2  # re-entry says nothing
    for event in seen.of(StateWritten):
        inside = [one for one in seen.events if isinstance(one, (LockAcquired, LockReleased)) and one.key == "key"]
        before = [one for one in inside if one.seq < event.seq]
        assert isinstance(before[-1], LockAcquired)
        assert before[-1].executor == event.executor


@in_every_mode
async def test_sta_5_the_owners_child_tasks_are_owners_too(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        async def child() -> None:
            await ctx.state.update("key", increment)
            async with ctx.state.hold("key"):
                await ctx.state.update("key", increment)

        async with ctx.state.hold("key"), asyncio.TaskGroup() as group:
            group.create_task(child())
            group.create_task(child())

    seen = await watch(siblings({"a": act, "b": act}, state=LIVE), 0, **options)
    assert seen.result.state["key"] == 8
    assert {one.op for one in seen.of(LockWaiting)} <= {"hold"}
    assert len(seen.of(LockAcquired)) == 2


@in_every_mode
async def test_sta_5_the_same_block_object_may_be_entered_again(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        block = ctx.state.hold("key")
        async with block, block:
            await ctx.state.update("key", increment)
        async with block:
            await ctx.state.update("key", increment)

    seen = await watch(siblings({"a": act, "b": act}, state=LIVE), 0, **options)
    assert seen.result.state["key"] == 4
    assert seen.result.findings == []


@in_every_mode
async def test_sta_5_two_invocations_of_one_executor_are_two_owners(options: Options) -> None:
    """The lock is the invocation's, not the executor's: it does not pass to the next message's handler."""

    async def act(number: int, ctx: Context) -> None:
        async with ctx.state.hold("key"):
            await ctx.state.update("key", increment)

    async def send(_: Any, ctx: Context) -> None:
        await ctx.send_message(1)
        await ctx.send_message(2)

    a, b = Node("a", send), Node("b", act)
    seen = await watch(WorkflowBuilder(a, state=LIVE).add_edge(a, b).build(), **options)
    first, second = seen.of(LockAcquired)
    assert first.inv != second.inv
    assert len(seen.of(LockReleased)) == 2


# -- use ---------------------------------------------------------------------------------------------------------------


async def test_sta_5_a_hold_of_nothing_or_of_what_is_no_key_is_refused() -> None:
    async def act(_: Any, ctx: Context) -> None:
        for keys in ((), ("",), (5,), ("key", 5), (["key"],), ("undeclared",)):
            with pytest.raises(StateUsageError, match="'only'"):
                async with ctx.state.hold(*keys):
                    pass
        with pytest.raises(StateUsageError, match="async with"), ctx.state.hold("key"):  # type: ignore[misc]
            pass

    seen = await watch(alone(act, state=LIVE))
    assert seen.error is None
    assert seen.of(LockAcquired) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(full(10, 200)))
async def test_sta_5_random_holds_never_overlap(seed: int) -> None:
    """Tasks and threads hold random keys; nobody else's operation ever falls into a hold."""
    jitter = Jitter(seed)
    names = ("key", "other", "third")

    async def act(_: Any, ctx: Context) -> None:
        for number in range(6):
            keys = [name for place, name in enumerate(names) if (seed + number * 3 + len(ctx.executor_id)) >> place & 1]
            await jitter()
            async with ctx.state.hold(*(keys or names)):
                for key in keys:
                    await ctx.state.update(key, increment)
                    await jitter()
            await ctx.state.get(names[number % 3])

    def act_in_thread(_: Any, ctx: ThreadContext) -> None:
        for number in range(6):
            with ctx.state.hold(names[number % 3], names[(seed + number) % 3]):
                ctx.state.update(names[number % 3], increment)
                jitter.thread()

    acts: dict[str, Any] = dict.fromkeys(("a", "bb", "ccc"), act) | {"t": ThreadNode("t", act_in_thread)}
    seen = await watch(siblings(acts, state=LIVE), 0, **CONCURRENT)
    assert seen.error is None
    owner: dict[str, int] = {}
    for event in seen.events:
        if isinstance(event, LockAcquired):
            assert event.key not in owner
            owner[event.key] = event.inv
        elif isinstance(event, LockReleased):
            assert owner.pop(event.key) == event.inv
        elif isinstance(event, (StateRead, StateWritten)):
            assert owner.get(event.key, event.inv) == event.inv
    assert owner == {}
