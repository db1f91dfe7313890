"""A run cancelled from outside, at any moment: it ends promptly, says so, and leaves nothing behind (BAR-3)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepscope import StateKey, SuperstepError, Workflow, WorkflowExecutor
from stepscope.drivers.options import Mode
from stepscope.events import HandlerEnded, HandlerStarted, RunEnded, SuperstepCompleted
from support.random_runs import Jitter, Program, build, first_message, programs
from support.ruled import Meeting, check_run, spin, until
from support.stream_rules import check_stream
from support.virtual_time import run_virtual
from support.watching import Trap, Watcher
from support.workflows import Context, Seen, ThreadNode, alone, full, sending, siblings

pytestmark = pytest.mark.filterwarnings("ignore::stepscope.WorkflowWarning")
both_modes = pytest.mark.parametrize("mode", ["concurrent", "deterministic"])
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
whole = settings(quick, max_examples=full(50, 1000))


async def cancelled_at(workflow: Workflow, message: object, trap: Trap, **options: Any) -> bool:
    """Run until the trap springs; whether the run ended as cancelled. Nothing may be left behind."""
    trap.task = asyncio.create_task(workflow.run(message, record=trap, **options))
    async with asyncio.timeout(20):
        await asyncio.wait([trap.task])
    task = trap.task
    cancelled = task.cancelled()
    if not cancelled:
        task.result()
    for _tick in range(3):
        await asyncio.sleep(0)
    left = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    assert left == []
    if cancelled and trap.events[-1].status == "completed":  # type: ignore[union-attr]
        # it came while the run's own task did the last barrier: there was no await left at which to take it up
        assert trap.events[trap.at - 1].kind in BARRIER
        check_stream(trap.events)
        return False
    check_run(trap, Seen(trap.events, None if cancelled else task.result()))
    return cancelled


BARRIER = {"routed", "dropped", "committed", "finding", "superstep-completed", "run-ended"}


def cancel_anywhere(program: Program, at: int, mode: Mode, jitter: int | None) -> None:
    trap = Trap(at)
    cancelled = asyncio.run(
        cancelled_at(build(program, Jitter(jitter)), first_message(program), trap, mode=mode, seed=jitter or 0)
    )
    (end,) = [event for event in trap.of(RunEnded) if not event.scope]
    assert end.status == ("cancelled" if cancelled else "completed")
    if trap.sprung and not cancelled:
        after = [event.kind for event in trap.events[trap.at - 1 :]]
        assert "handler-started" not in after, "it went on for another superstep"
    started = {event.inv for event in trap.of(HandlerStarted)}
    assert started == {event.inv for event in trap.of(HandlerEnded)}
    for thread in threading.enumerate():
        if thread.name.startswith("stepscope"):
            thread.join(10)
            assert not thread.is_alive(), f"{thread.name} hangs"


MODES = st.sampled_from(["concurrent", "deterministic"])


@quick
@given(programs(live=True), st.integers(1, 120), MODES, st.sampled_from([None, 1]))
def test_cancelled_at_any_event(program: Program, at: int, mode: Mode, jitter: int | None) -> None:
    cancel_anywhere(program, at, mode, jitter)


@settings(quick, max_examples=20)
@given(programs(live=True, threads=True), st.integers(1, 120), MODES, st.just(1))
def test_cancelled_at_any_event_with_threads(program: Program, at: int, mode: Mode, jitter: int | None) -> None:
    cancel_anywhere(program, at, mode, jitter)


@pytest.mark.slow
@whole
@given(programs(live=True, threads=True), st.integers(1, 200), MODES, st.sampled_from([None, 1, 2]))
def test_cancelled_at_any_event_of_many(program: Program, at: int, mode: Mode, jitter: int | None) -> None:
    cancel_anywhere(program, at, mode, jitter)


@both_modes
def test_cancelled_after_any_number_of_loop_iterations(mode: Mode) -> None:
    """Between the events too: wherever the loop could have taken the cancellation up."""

    async def works(message: Any, ctx: Context) -> None:
        async with ctx.state.hold("live"):
            await ctx.effect(asyncio.sleep, 0)
            await asyncio.sleep(0)
            await ctx.state.update("live", lambda n: n + 1)
        await ctx.yield_output(message)

    keys = [StateKey("live", 0, access="live")]
    sub = WorkflowExecutor(alone(works, state=keys), id="sub")

    async def main(ticks: int) -> bool:
        watcher = Watcher()
        workflow = siblings({"a": works, "b": works, "sub": sub}, first=sending(1, 2), state=keys)
        task = asyncio.create_task(workflow.run(0, record=watcher, mode=mode, max_concurrency=2))
        for _tick in range(ticks):
            await asyncio.sleep(0)
        over = task.done()
        task.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait([task])
        for _tick in range(3):
            await asyncio.sleep(0)
        assert [one for one in asyncio.all_tasks() if one is not asyncio.current_task()] == []
        if ticks:
            check_run(watcher, Seen(watcher.events, None if task.cancelled() else task.result()))
            assert task.cancelled() == (watcher.of(RunEnded)[-1].status == "cancelled")
        return over

    over = [asyncio.run(main(ticks)) for ticks in range(400)]
    assert over[-1], "the last ones came too late"
    assert not over[7]


@both_modes
def test_a_handlers_clean_up_is_waited_for(mode: Mode) -> None:
    log: list[str] = []

    async def cleans(_: Any, ctx: Context) -> None:
        try:
            await ctx.effect(asyncio.Event().wait)
        finally:
            await asyncio.sleep(3)
            log.append("clean")

    async def main() -> None:
        watcher = Watcher()
        task = asyncio.create_task(alone(cleans).run(0, record=watcher, mode=mode))
        await until(lambda: watcher.of(HandlerStarted))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert log == ["clean"]
        assert asyncio.get_running_loop().time() < 4.1

    run_virtual(main())


@both_modes
@pytest.mark.parametrize("twice", [None, 0.5, 2.0])
def test_who_ignores_it_is_given_the_grace_or_less_when_asked_twice(mode: Mode, twice: float | None) -> None:
    async def stubborn(_: Any, ctx: Context) -> None:
        release = asyncio.Event()
        asyncio.get_running_loop().call_later(50, release.set)
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        watcher = Watcher()
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(alone(stubborn).run(0, record=watcher, mode=mode, cancel_grace=2))
        await until(lambda: watcher.of(HandlerStarted))
        task.cancel()
        if twice is not None:
            loop.call_later(twice, task.cancel)
        await asyncio.wait([task])
        assert task.cancelled()
        assert loop.time() == pytest.approx(2 if twice is None else twice, abs=0.05)
        assert watcher.ends() == [("only", "abandoned")]
        check_run(watcher, Seen(watcher.events))
        await asyncio.sleep(100)
        assert not watcher.late

    run_virtual(main())


@both_modes
@pytest.mark.parametrize("when", [0.0, 0.7, 1.0, 1.3, 5.0])
def test_cancelled_while_a_failed_superstep_winds_up(mode: Mode, when: float) -> None:
    async def slow_to_end(_: Any, ctx: Context) -> None:
        try:
            await ctx.effect(asyncio.Event().wait)
        finally:
            await asyncio.sleep(1)
            await ctx.state.get("k")

    async def fails(_: Any, ctx: Context) -> None:
        await spin(ctx)
        raise ValueError("on purpose")

    async def main() -> None:
        watcher = Watcher()
        loop = asyncio.get_running_loop()
        workflow = siblings({"slow": slow_to_end, "fails": fails})
        task = asyncio.create_task(workflow.run(0, record=watcher, mode=mode, cancel_grace=3))
        loop.call_later(when, task.cancel)
        await asyncio.wait([task])
        assert loop.time() < 3.5
        assert task.cancelled() or isinstance(task.exception(), Exception)
        check_run(watcher, Seen(watcher.events))

    run_virtual(main())


async def test_a_timeout_around_a_run() -> None:
    watcher = Watcher()

    async def endless(_: Any, ctx: Context) -> None:
        while True:
            await spin(ctx)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await alone(endless).run(0, record=watcher)
    check_run(watcher, Seen(watcher.events))
    assert watcher.ends() == [("only", "cancelled")]


@both_modes
async def test_a_thread_that_waits_for_the_runtime_comes_back(mode: Mode) -> None:
    meeting = Meeting(1)
    back = threading.Event()

    async def never() -> None:
        await asyncio.Event().wait()

    def waits(_: Any, ctx: Any) -> None:
        meeting.here.append("thread")
        try:
            ctx.effect(never)
        finally:
            back.set()

    watcher = Watcher()
    task = asyncio.create_task(alone(ThreadNode("only", waits)).run(0, record=watcher, mode=mode))
    await until(lambda: [event for event in watcher.events if event.kind == "effect-started"])
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert back.is_set()
    assert watcher.ends() == [("only", "cancelled")]


@both_modes
async def test_a_handler_that_cancels_its_own_run(mode: Mode) -> None:
    """The next invocation's task may exist already, and must not begin."""
    watcher = Watcher()
    task: asyncio.Task[Any]

    async def cancels(_: Any, ctx: Context) -> None:
        task.cancel()

    workflow = siblings({"cancels": cancels}, first=sending(1, 2, 3))
    task = asyncio.create_task(workflow.run(0, record=watcher, mode=mode))
    async with asyncio.timeout(10):
        await asyncio.wait([task])
    assert task.cancelled()
    check_run(watcher, Seen(watcher.events))
    assert len(watcher.of(SuperstepCompleted)) == 1


@both_modes
async def test_two_runs_at_once_are_cancelled_apart(mode: Mode) -> None:
    stop = asyncio.Event()

    async def until_stopped(message: Any, ctx: Context) -> None:
        while not stop.is_set():
            await spin(ctx)
        await ctx.yield_output(message)

    workflow = alone(until_stopped)
    first, second = [asyncio.create_task(workflow.run(number, mode=mode)) for number in (1, 2)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    stop.set()
    assert (await second).outputs == [2]


@both_modes
async def test_a_handler_that_cancels_its_own_run_and_fails(mode: Mode) -> None:
    watcher = Watcher()
    task: asyncio.Task[Any]

    async def cancels(_: Any, ctx: Context) -> None:
        task.cancel()
        raise ValueError("on purpose")

    task = asyncio.create_task(alone(cancels).run(0, record=watcher, mode=mode))
    async with asyncio.timeout(10):
        await asyncio.wait([task])
    assert task.cancelled() or isinstance(task.exception(), SuperstepError)
    check_run(watcher, Seen(watcher.events))


@both_modes
def test_a_loop_that_is_closed_over_a_run_closes_its_recording(mode: Mode) -> None:
    """`asyncio.run` cancels every task that is left, the handlers' as well as the run's."""
    watcher = Watcher()

    async def endless(_: Any, ctx: Context) -> None:
        while True:
            await spin(ctx)

    async def main() -> None:
        left = asyncio.create_task(siblings({"a": endless, "b": endless}).run(0, record=watcher, mode=mode))
        await until(lambda: len(watcher.of(HandlerStarted)) == 3)
        assert not left.done()

    asyncio.run(main())
    check_run(watcher, Seen(watcher.events))
