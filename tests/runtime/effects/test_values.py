"""What effects may take and give, and the small ones: now, random, uuid, sleep (DET-3)."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
from typing import Any

import pytest

from stepscope import SuperstepError, UnstorableValueError, WorkflowBuilder, WorkflowExecutor
from stepscope.events import EffectEnded
from stepscope.values import Value
from support.ruled import ruled
from support.workflows import (
    CONCURRENT,
    Context,
    Node,
    Options,
    ThreadNode,
    alone,
    build,
    give,
    in_every_mode,
    sending,
    siblings,
)


class Model:
    """Callable objects, sync and async."""

    def __call__(self, text: str) -> str:
        return text.upper()

    async def ask(self, text: str) -> str:
        return text.title()


class AsyncModel:
    """An object whose call is async."""

    async def __call__(self, text: str) -> str:
        return text[::-1]


async def _partial(a: int, b: int) -> int:
    return a - b


@in_every_mode
async def test_whatever_can_be_called_is_an_effect(options: Options) -> None:
    async def asks(_: Any, ctx: Context) -> None:
        await ctx.yield_output(await ctx.effect(Model(), "a b"))
        await ctx.yield_output(await ctx.effect(Model().ask, "a b"))
        await ctx.yield_output(await ctx.effect(AsyncModel(), "a b"))
        await ctx.yield_output(await ctx.effect(functools.partial(_partial, 5), 3))
        await ctx.yield_output(await ctx.effect(lambda: asyncio.sleep(0, "awaitable")))
        await ctx.yield_output(await ctx.effect(int, "7"))

    seen = await ruled(alone(asks), 0, **options)
    assert seen.result.outputs == ["A B", "A B", "b a", 2, "awaitable", 7]
    assert seen.result.findings == []


@in_every_mode
async def test_a_result_that_is_not_data_is_an_error_that_names_the_effect(options: Options) -> None:
    async def asks(_: Any, ctx: Context) -> None:
        await ctx.effect(object)

    seen = await ruled(alone(asks), 0, **options)
    assert isinstance(seen.error, UnstorableValueError)
    assert "executor 'only': result of effect object" in str(seen.error)
    (ended,) = seen.of(EffectEnded)
    assert ended.result is None


def _small(_: Any, ctx: Any) -> dict[str, Any]:
    return {"random": [ctx.random() for _ in range(3)], "uuid": [ctx.uuid() for _ in range(2)], "now": ctx.now()}


@pytest.mark.parametrize("threaded", [False, True], ids=["async", "sync"])
@in_every_mode
async def test_now_random_and_uuid_are_recorded(threaded: bool, options: Options) -> None:
    given: dict[str, Any] = {}

    def in_thread(message: Any, ctx: Any) -> None:
        given.update(_small(message, ctx))

    async def in_task(message: Any, ctx: Context) -> None:
        given.update(_small(message, ctx))

    before = dt.datetime.now(dt.UTC)
    seen = await ruled(alone(ThreadNode("only", in_thread) if threaded else in_task), 0, **options)
    assert before <= given["now"] <= dt.datetime.now(dt.UTC)
    assert all(0 <= one < 1 for one in given["random"])
    assert {one.version for one in given["uuid"]} == {4}
    assert len({*given["random"], *given["uuid"]}) == 5
    recorded = [(event.name, event.result) for event in seen.of(EffectEnded)]
    drawn = [*given["random"], *given["uuid"], given["now"]]
    names = ["random"] * 3 + ["uuid"] * 2 + ["now"]
    assert recorded == [(name, Value.of(one, "t")) for name, one in zip(names, drawn, strict=True)]


def _drawing(outputs: list[tuple[Any, ...]]) -> Any:
    async def draws(_: Any, ctx: Context) -> None:
        for _draw in range(2):
            outputs.append((ctx.executor_id, ctx.superstep, ctx.random(), str(ctx.uuid())))

    return draws


async def _drawn(**options: Any) -> list[tuple[Any, ...]]:
    """What executors draw: two siblings with two messages each, and a sub-workflow with two."""
    outputs: list[tuple[Any, ...]] = []
    draws = _drawing(outputs)
    sub = WorkflowExecutor(alone(draws), id="sub")
    workflow = siblings({"a": draws, "b": draws, "sub": sub}, first=sending(1, 2))
    (await ruled(workflow, 0, **options)).result
    return sorted(outputs)


async def test_random_and_uuid_hang_on_the_seed_and_the_place_alone() -> None:
    one = await _drawn(seed=5)
    assert one == await _drawn(seed=5, max_concurrency=1)
    assert one == await _drawn(seed=5, mode="deterministic")
    numbers = [row[2] for row in one]
    assert len(set(numbers)) == len(numbers) == 12, "every place draws its own"
    other = await _drawn(seed=6)
    assert not {row[2] for row in other} & set(numbers)


async def test_without_a_seed_a_concurrent_run_draws_afresh() -> None:
    assert await _drawn() != await _drawn()


async def test_a_sub_workflow_draws_anew_in_every_superstep_of_its_parent() -> None:
    outputs: list[tuple[Any, ...]] = []
    sub = WorkflowExecutor(alone(_drawing(outputs)), id="sub")

    async def again(_: Any, ctx: Context) -> None:
        if ctx.superstep < 5:
            await ctx.send_message(0)

    start = Node("again", again)
    await ruled(build(WorkflowBuilder(start).add_edge(start, start).add_edge(start, sub)), 0, mode="deterministic")
    assert len(outputs) >= 8
    assert len({row[3] for row in outputs}) == len(outputs)


async def test_random_is_uniform_enough() -> None:
    drawn: list[float] = []

    async def draws(_: Any, ctx: Context) -> None:
        drawn.extend(ctx.random() for _draw in range(4000))

    await alone(draws).run(0, **CONCURRENT)
    buckets = [sum(i / 10 <= one < (i + 1) / 10 for one in drawn) for i in range(10)]
    assert all(300 < count < 500 for count in buckets), buckets


@in_every_mode
async def test_sleep_is_an_effect(options: Options) -> None:
    async def sleeps(message: Any, ctx: Context) -> None:
        await ctx.sleep(0)
        await give(message, ctx)

    seen = await ruled(alone(sleeps), "slept", **options)
    assert seen.result.outputs == ["slept"]
    assert [event.name for event in seen.of(EffectEnded)] == ["sleep"]


@in_every_mode
async def test_an_effect_that_is_cancelled_from_within_fails_its_handler(options: Options) -> None:
    async def cancels() -> None:
        raise asyncio.CancelledError

    async def asks(_: Any, ctx: Context) -> None:
        await ctx.effect(cancels)

    seen = await ruled(alone(asks), 0, **options)
    assert isinstance(seen.error, SuperstepError)
    (ended,) = seen.of(EffectEnded)
    assert ended.error is not None


@in_every_mode
async def test_an_effect_that_raises_stop_iteration_is_not_lost(options: Options) -> None:
    async def asks(_: Any, ctx: Context) -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await ctx.effect(next, iter(()))
        await ctx.state.set("k", "went on")

    assert (await ruled(alone(asks), 0, **options)).result.state == {"k": "went on"}
