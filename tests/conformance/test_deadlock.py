"""Deadlocks are an error as they form, and no run goes on for ever (DLK-1, DLK-2). Starved fan-ins (DLK-3): test_fan_in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from stepscope import ConvergenceError, DeadlockError, StateKey, SuperstepError, Workflow, WorkflowBuilder
from stepscope.events import Committed, Found, LockAcquired, LockReleased, LockWaiting, RunEnded
from support.workflows import (
    CONCURRENT,
    Act,
    Context,
    Jitter,
    Log,
    Node,
    Options,
    Seen,
    ThreadContext,
    ThreadNode,
    build,
    in_every_mode,
    relay,
    run,
    siblings,
    swallow,
    watch,
)

# -- DLK-2 -------------------------------------------------------------------------------------------------------------


def ring_keys(size: int) -> list[StateKey]:
    return [StateKey(f"k{number}", initial=0, access="live") for number in range(size)]


async def _hold(ctx: Context, key: str) -> None:
    async with ctx.state.hold(key):
        pass


WANTS: dict[str, Callable[[Context, str], Awaitable[Any]]] = {
    "hold": _hold,
    "get": lambda ctx, key: ctx.state.get(key),
    "set": lambda ctx, key: ctx.state.set(key, 1),
    "delete": lambda ctx, key: ctx.state.delete(key),
    "update": lambda ctx, key: ctx.state.update(key, lambda old: 1),
}


def ring(size: int, want: str, caught: Log | None = None) -> Workflow:
    """Each of `size` siblings holds its own key and, when all do, wants the next one's."""
    meeting = asyncio.Barrier(size)

    async def act(_: Any, ctx: Context) -> None:
        number = int(ctx.executor_id[1:])
        async with ctx.state.hold(f"k{number}"):
            await meeting.wait()
            try:
                await WANTS[want](ctx, f"k{(number + 1) % size}")
            except DeadlockError as error:
                if caught is None:
                    raise
                caught((ctx.executor_id, error))

    return siblings({f"e{number}": act for number in range(size)}, state=ring_keys(size))


def expected_cycle(size: int) -> set[tuple[str, str, str]]:
    return {(f"e{number}", f"k{number}", f"k{(number + 1) % size}") for number in range(size)}


@pytest.mark.parametrize("want", WANTS)
@pytest.mark.parametrize("size", [2, 3, 10])
async def test_dlk_2_a_ring_names_each_invocation_what_it_holds_and_wants(size: int, want: str) -> None:
    seen = await watch(ring(size, want), 0, **CONCURRENT)
    error = seen.error
    assert isinstance(error, DeadlockError)
    assert isinstance(error, SuperstepError)
    assert set(error.cycle) == expected_cycle(size)
    assert len(error.cycle) == size
    for (_, _, wants), (_, holds, _) in zip(error.cycle, [*error.cycle[1:], error.cycle[0]], strict=True):
        assert wants == holds  # listed along the cycle
    for name, holds, wants in error.cycle:
        assert f"'{name}' (invocation " in str(error)
        assert f"holds '{holds}' and wants '{wants}'" in str(error)


@pytest.mark.parametrize("want", WANTS)
@pytest.mark.parametrize("size", [2, 3, 10])
async def test_dlk_2_it_is_raised_in_the_requester_as_the_cycle_forms_and_may_be_caught(size: int, want: str) -> None:
    """In the one that asked last; it lets the others go on, and the run succeeds."""
    caught = Log()
    seen = await watch(ring(size, want, caught), 0, **CONCURRENT)
    assert seen.error is None
    ((who, error),) = caught.lines
    last = seen.of(LockWaiting)[-1]
    assert len(seen.of(LockWaiting)) == size
    assert who == last.executor == error.cycle[0][0]
    (found,) = seen.of(Found)
    assert seen.events[seen.events.index(last) + 1] is found  # at that moment
    assert (found.finding, found.clause) == ("deadlock", "DLK-2")
    assert set(found.executors) == {f"e{number}" for number in range(size)}
    assert set(found.locks) == {f"k{number}" for number in range(size)}
    assert seen.findings("deadlock")
    held = {one.key for one in seen.of(LockAcquired)}
    assert held == {key.name for key in ring_keys(size)}
    assert len(seen.of(LockReleased)) == len(seen.of(LockAcquired))


@pytest.mark.parametrize("size", [2, 3])
async def test_dlk_2_in_sync_handlers(size: int) -> None:
    meeting = asyncio.Barrier(size)
    loop = asyncio.get_running_loop()

    def act(_: Any, ctx: ThreadContext) -> None:
        number = int(ctx.executor_id[1:])
        with ctx.state.hold(f"k{number}"):
            asyncio.run_coroutine_threadsafe(meeting.wait(), loop).result(5)
            with ctx.state.hold(f"k{(number + 1) % size}"):
                pass

    acts = {f"e{number}": ThreadNode(f"e{number}", act) for number in range(size)}
    with pytest.raises(DeadlockError) as caught:
        await run(siblings(acts, state=ring_keys(size)), 0, **CONCURRENT)
    assert set(caught.value.cycle) == expected_cycle(size)


async def test_dlk_2_under_seeds_a_schedule_either_deadlocks_or_ends() -> None:
    """Holding and wanting is up to the chooser; the same seed says the same."""

    async def act(_: Any, ctx: Context) -> None:
        number = int(ctx.executor_id[1:])
        async with ctx.state.hold(f"k{number}"):
            await WANTS["hold"](ctx, f"k{1 - number}")

    outcomes = []
    for seed in [*range(20), *range(20)]:
        seen = await watch(siblings({"e0": act, "e1": act}, state=ring_keys(2)), 0, mode="deterministic", seed=seed)
        if seen.error is not None:
            assert isinstance(seen.error, DeadlockError)
            assert set(seen.error.cycle) == expected_cycle(2)
        outcomes.append(seen.error is None)
    assert outcomes[:20] == outcomes[20:]
    assert set(outcomes) == {True, False}


async def test_dlk_2_a_cycle_over_a_key_that_a_hold_of_several_has_taken_so_far() -> None:
    """x has taken k0 on its way to k0, k1; y holds k1 and wants k0."""
    y_holds, x_waits = asyncio.Event(), asyncio.Event()

    async def x(_: Any, ctx: Context) -> None:
        await y_holds.wait()
        asyncio.get_running_loop().call_soon(x_waits.set)
        async with ctx.state.hold("k1", "k0"):
            pass

    async def y(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("k1"):
            y_holds.set()
            await x_waits.wait()
            with pytest.raises(DeadlockError) as caught:
                await ctx.state.get("k0")
            assert set(caught.value.cycle) == {("x", "k0", "k1"), ("y", "k1", "k0")}

    assert (await watch(siblings({"x": x, "y": y}, state=ring_keys(2)), 0, **CONCURRENT)).error is None


async def test_dlk_2_a_cycle_that_forms_at_a_hand_over() -> None:
    """w waits for k0 on its way to k0, k1. v holds k1 and waits for k0 behind it. The release of k0 closes the cycle
    w -> k1 -> v -> k0 -> w, and w is the one that asks: for k1. Having failed it gives k0 back, to v.
    """
    log = Log()
    k0_held, w_waits, v_waits, v_holds = (asyncio.Event() for _ in range(4))

    async def owner(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("k0"):
            k0_held.set()
            await v_waits.wait()

    async def w(_: Any, ctx: Context) -> None:
        await k0_held.wait()
        await v_holds.wait()
        asyncio.get_running_loop().call_soon(w_waits.set)
        with pytest.raises(DeadlockError) as caught:
            async with ctx.state.hold("k0", "k1"):
                pass
        log("w")
        assert set(caught.value.cycle) == {("w", "k0", "k1"), ("v", "k1", "k0")}

    async def v(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("k1"):
            v_holds.set()
            await w_waits.wait()
            asyncio.get_running_loop().call_soon(v_waits.set)
            async with ctx.state.hold("k0"):
                log("v")

    seen = await watch(siblings({"owner": owner, "w": w, "v": v}, state=ring_keys(2)), 0, **CONCURRENT)
    assert seen.error is None
    assert sorted(log.lines) == ["v", "w"]
    assert [one.executor for one in seen.of(LockWaiting)] == ["w", "v", "w"]


async def test_dlk_2_a_cycle_that_forms_at_a_hand_over_to_a_child_task() -> None:
    """x has two tasks: one waits for k1, which w holds; the other, in front of w, for k0. When x gets k0, w waits for
    x and x for w: the task that has k0 does not let it go before the other is through.
    """
    got_k0 = asyncio.Event()
    k0_held, w_holds, x_waits_k0, all_wait = (asyncio.Event() for _ in range(4))
    errors = Log()

    async def owner(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("k0"):
            k0_held.set()
            await all_wait.wait()

    async def w(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("k1"):
            w_holds.set()
            await x_waits_k0.wait()
            asyncio.get_running_loop().call_soon(all_wait.set)
            try:
                await ctx.state.get("k0")
            except DeadlockError as error:
                errors(error)

    async def x(_: Any, ctx: Context) -> None:
        await k0_held.wait()
        await w_holds.wait()
        first_done = asyncio.Event()

        async def first() -> None:
            try:
                await ctx.state.get("k1")
            except DeadlockError as error:
                errors(error)
            first_done.set()

        async def second() -> None:
            asyncio.get_running_loop().call_soon(x_waits_k0.set)
            try:
                async with ctx.state.hold("k0"):
                    got_k0.set()
                    await first_done.wait()
            except DeadlockError as error:
                errors(error)

        async with asyncio.TaskGroup() as group:
            group.create_task(first())
            group.create_task(second())

    async with asyncio.timeout(1):
        seen = await watch(siblings({"owner": owner, "w": w, "x": x}, state=ring_keys(2)), 0, **CONCURRENT)
    assert seen.error is None
    assert len(errors.lines) == 1
    assert {name for name, _, _ in errors.lines[0].cycle} == {"w", "x"}


async def test_dlk_2_waiting_in_a_line_is_no_deadlock() -> None:
    """Ten wait for one another in a row; nobody closes the ring."""
    size = 10
    meeting, all_wait = asyncio.Barrier(size), asyncio.Event()

    async def act(_: Any, ctx: Context) -> None:
        number = int(ctx.executor_id[1:])
        async with ctx.state.hold(f"k{number}"):
            await meeting.wait()
            if number + 1 == size:
                await all_wait.wait()
            else:
                await WANTS["update"](ctx, f"k{number + 1}")

    async def end(_: Any, ctx: Context) -> None:
        for _ in range(3 * size):  # long enough for all to wait; if it were not, the count below would say so
            await asyncio.sleep(0)
        all_wait.set()

    seen = await watch(
        siblings({f"e{number}": act for number in range(size)} | {"end": end}, state=ring_keys(size)), 0, **CONCURRENT
    )
    assert seen.error is None
    assert len(seen.of(LockWaiting)) == size - 1
    assert seen.of(Found) == []


@in_every_mode
async def test_dlk_2_one_hold_of_several_keys_cannot_deadlock(options: Options) -> None:
    jitter = Jitter(1)

    async def act(_: Any, ctx: Context) -> None:
        number = int(ctx.executor_id[1:])
        for turn in range(3):
            await jitter()
            async with ctx.state.hold(*(f"k{(number * 2 + turn + place) % 4}" for place in (2, 0, 1))):
                await jitter()
                await ctx.state.update(f"k{(number * 2 + turn) % 4}", lambda old: old + 1)

    seen = await watch(siblings({f"e{number}": act for number in range(4)}, state=ring_keys(4)), 0, **options)
    assert sum(seen.result.state.values()) == 12
    assert seen.of(Found) == []


@in_every_mode
async def test_dlk_2_in_different_supersteps_nobody_waits_for_anybody(options: Options) -> None:
    def holding(*keys: str) -> Act:
        async def act(_: Any, ctx: Context) -> None:
            async with ctx.state.hold(keys[0]), ctx.state.hold(keys[1]):
                await ctx.send_message(0)

        return act

    a, b, c = Node("a", holding("k0", "k1")), Node("b", holding("k1", "k0")), Node("c", swallow)
    seen = await watch(WorkflowBuilder(a, state=ring_keys(2)).add_chain([a, b, c]).build(), **options)
    assert seen.error is None
    assert seen.of(LockWaiting) == []


# -- DLK-1 -------------------------------------------------------------------------------------------------------------


def countdown(*names: str, max_supersteps: int, tail: bool = False) -> Workflow:
    """A cycle of executors that send on one less; the run of input n takes n + 1 supersteps."""

    async def act(hops: int, ctx: Context) -> None:
        if hops:
            await ctx.send_message(hops - 1)

    nodes = [Node(name, act) for name in names]
    builder = WorkflowBuilder(nodes[0], name="loop", max_supersteps=max_supersteps)
    for source, target in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
        builder.add_edge(source, target)
    return build(builder)


def ended(seen: Seen) -> tuple[str, int]:
    (end,) = seen.of(RunEnded)
    return end.status, end.supersteps


@in_every_mode
@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_dlk_1_quiescent_exactly_at_the_limit_succeeds(options: Options, limit: int) -> None:
    seen = await watch(countdown("a", "b", max_supersteps=limit), limit - 1, **options)
    assert seen.result.supersteps == limit
    assert seen.result.findings == []


@in_every_mode
@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_dlk_1_one_more_does_not(options: Options, limit: int) -> None:
    """All that was allowed is run and committed; no handler of the next superstep starts."""
    seen = await watch(countdown("a", "b", max_supersteps=limit), limit, **options)
    assert isinstance(seen.error, ConvergenceError)
    assert not isinstance(seen.error, SuperstepError)
    assert len(seen.of(Committed)) == limit
    assert ended(seen) == ("failed", limit)
    (found,) = seen.of(Found)
    assert (found.finding, found.clause) == ("non-convergence", "DLK-1")


@in_every_mode
@pytest.mark.parametrize("names", ["a", "ab", "abcde"])
async def test_dlk_1_the_cycle_is_named(options: Options, names: str) -> None:
    seen = await watch(countdown(*names, max_supersteps=20), 1000, **options)
    assert isinstance(seen.error, ConvergenceError)
    assert set(seen.error.executors) == set(names)
    assert len(seen.error.executors) == len(names)
    for part in ("'loop'", "20", *names):
        assert part in str(seen.error)
    cycle = [*seen.error.executors, seen.error.executors[0]]
    assert " -> ".join(cycle) in str(seen.error)
    following = dict(zip(names, names[1:] + names[0], strict=True))
    assert all(following[one] == next_one for one, next_one in pairwise(cycle))


@in_every_mode
async def test_dlk_1_the_cycle_that_is_still_active_is_named_and_not_another(options: Options) -> None:
    """One loop has ended long ago, and its messages led on into the one that does not end."""

    async def forever(hops: int, ctx: Context) -> None:
        await ctx.send_message(hops)

    a, b, c, d = Node("a", relay), Node("b", relay), Node("c", forever), Node("d", forever)

    def short(hops: int) -> bool:
        return False

    builder = WorkflowBuilder(a, max_supersteps=10).add_edge(a, b).add_edge(b, a, short).add_edge(b, c)
    seen = await watch(build(builder.add_edge(c, d).add_edge(d, c)), 0, **options)
    assert isinstance(seen.error, ConvergenceError)
    assert set(seen.error.executors) == {"c", "d"}
    assert "'a'" not in str(seen.error)
    assert "a ->" not in str(seen.error)


@in_every_mode
async def test_dlk_1_no_cycle_is_said_to_be_none(options: Options) -> None:
    nodes = [Node(name, relay) for name in "abcd"]
    workflow = WorkflowBuilder(nodes[0], max_supersteps=2).add_chain(nodes).build()
    seen = await watch(workflow, 0, **options)
    assert isinstance(seen.error, ConvergenceError)
    assert "no cycle" in str(seen.error)
    assert "c" in seen.error.executors


@in_every_mode
async def test_dlk_1_a_cycle_that_fed_the_active_one_is_active_though_it_is_not_its_turn(options: Options) -> None:
    """Only the sink has an inbox now and lies on no cycle: the loop before it has ended."""

    async def act(hops: int, ctx: Context) -> None:
        await ctx.send_message(hops - 1, "sink" if hops == 0 else None)

    a, sink, end = Node("a", act), Node("sink", relay), Node("end", swallow)
    builder = WorkflowBuilder(a, max_supersteps=4).add_edge(a, a, condition=lambda hops: hops >= 0)
    seen = await watch(
        build(builder.add_edge(a, sink, condition=lambda hops: hops < 0).add_edge(sink, end)), 2, **options
    )
    assert isinstance(seen.error, ConvergenceError)
    assert "no cycle" in str(seen.error)
    assert seen.error.executors == ("end",)
