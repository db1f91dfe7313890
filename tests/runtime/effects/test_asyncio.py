"""What programs do with asyncio around and inside runs: task factories, debug mode, runs inside handlers, task groups."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import pytest

from stepscope import StateKey, Workflow
from stepscope.drivers.options import Mode
from stepscope.events import RunEnded
from support.ruled import check_run, ruled, spin, until
from support.virtual_time import run_virtual
from support.watching import Watcher, comparable
from support.workflows import Context, Options, Seen, alone, give, in_every_mode, relay, siblings

both_modes = pytest.mark.parametrize("mode", ["concurrent", "deterministic"])
KEYS = [StateKey("live", 0, access="live")]


async def _works(message: Any, ctx: Context) -> None:
    async with ctx.state.hold("live"):
        n = await ctx.state.get("live")
        await asyncio.sleep(0)
        await ctx.state.set("live", n + await ctx.effect(int, "1"))
    await ctx.send_message(message)


def working() -> Workflow:
    return siblings({"a": _works, "b": _works, "c": _works}, state=KEYS, then=give)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
@pytest.mark.parametrize(
    "mode",
    ["concurrent", "deterministic"],
)
async def test_a_loop_whose_tasks_start_eagerly(mode: Mode) -> None:
    plain = await ruled(working(), 1, mode=mode, seed=1)
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
    eager = await ruled(working(), 1, mode=mode, seed=1)
    assert eager.result.digest == plain.result.digest
    assert eager.result.findings == []
    if mode == "deterministic":
        assert comparable(eager.events) == comparable(plain.events)


@both_modes
def test_debug_mode_complains_of_nothing(mode: Mode) -> None:
    complaints: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 1000
        loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
        (await ruled(working(), 1, mode=mode)).result
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main(), debug=True)
    assert complaints == []


@in_every_mode
async def test_a_run_inside_a_handler_is_a_run_of_its_own(options: Options) -> None:
    async def runs_another(message: Any, ctx: Context) -> None:
        result = await working().run(message, **options)
        await ctx.yield_output(result.outputs)

    seen = await ruled(siblings({"a": runs_another, "b": runs_another}), 7, **options)
    assert seen.result.outputs == [[7, 7, 7], [7, 7, 7]]
    assert seen.result.findings == []


@both_modes
async def test_children_that_only_wait_for_effects_do_not_mark_the_run(mode: Mode) -> None:
    async def asks(_: Any, ctx: Context) -> None:
        async def child(number: int) -> Any:
            return await ctx.effect(asyncio.sleep, 0, number)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child(number)) for number in range(3)]
        await ctx.yield_output([task.result() for task in tasks])

    seen = await ruled(siblings({"a": asks, "b": asks}), 0, mode=mode)
    assert seen.result.outputs == [[0, 1, 2], [0, 1, 2]]
    assert seen.result.findings == []


@pytest.mark.parametrize(
    "mode",
    ["concurrent", "deterministic"],
)
def test_a_timeout_that_fires_over_an_effect_marks_a_deterministic_run(mode: Mode) -> None:
    """DET-1: what a clock decides is not repeatable, and is said not to be."""

    async def gives_up(_: Any, ctx: Context) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await ctx.effect(asyncio.sleep, 50)

    async def main() -> Seen:
        return await ruled(siblings({"a": gives_up, "b": relay}), 0, mode=mode)

    seen = run_virtual(main())
    assert [one.executors for one in seen.findings("nondeterminism")] == ([["a"]] if mode == "deterministic" else [])


@both_modes
def test_a_timeout_that_fires_while_a_handler_waits_for_a_lock_gives_its_place_up(mode: Mode) -> None:
    held = asyncio.Event()

    async def holds(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("live"):
            held.set()
            await ctx.sleep(20)

    async def gives_up(_: Any, ctx: Context) -> None:
        while not held.is_set():
            await spin(ctx)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5), ctx.state.hold("live"):
                raise AssertionError("it is held")
        await ctx.yield_output("went on")

    async def main() -> Seen:
        return await ruled(siblings({"holds": holds, "gives up": gives_up}, state=KEYS), 0, mode=mode)

    assert run_virtual(main()).result.outputs == ["went on"]


@both_modes
async def test_a_stream_that_is_dropped_without_being_closed(mode: Mode) -> None:
    watcher = Watcher()

    async def endless(_: Any, ctx: Context) -> None:
        while True:
            await spin(ctx)

    async def drops() -> None:
        async for event in alone(endless).stream(0, record=watcher, mode=mode):
            if event.type == "executor_invoked":
                break

    await drops()
    gc.collect()
    await until(lambda: watcher.closed)
    check_run(watcher, Seen(watcher.events))
    assert watcher.of(RunEnded)[0].status == "cancelled"


async def test_a_hundred_runs_at_once() -> None:
    workflow = working()
    results = await asyncio.gather(
        *(workflow.run(n, mode="deterministic" if n % 2 else "concurrent") for n in range(100))
    )
    assert [result.outputs for result in results] == [[n, n, n] for n in range(100)]


def test_one_workflow_in_two_loops_one_after_another() -> None:
    workflow = working()
    assert asyncio.run(workflow.run(1)).digest == asyncio.run(workflow.run(1)).digest
