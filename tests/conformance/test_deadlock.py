"""Cycles of waits that are not plain rings, and what is no cycle (DLK-2). Rings: test_deadlock_rings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stepscope import DeadlockError, StateKey, WorkflowBuilder
from stepscope.events import Found, LockWaiting
from support.workflows import (
    CONCURRENT,
    Act,
    Context,
    Jitter,
    Log,
    Node,
    Options,
    in_every_mode,
    siblings,
    swallow,
    watch,
)


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


def expected_cycle(size: int) -> set[tuple[str, str, str]]:
    return {(f"e{number}", f"k{number}", f"k{(number + 1) % size}") for number in range(size)}


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
