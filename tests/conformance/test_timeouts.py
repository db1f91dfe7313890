"""PAR-4: a handler may have a timeout; it ends as a failure that names what the handler was waiting for.

In virtual time where no threads are involved; there nothing waits in earnest.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from stepscope import (
    Executor,
    HandlerTimeoutError,
    StateKey,
    SuperstepError,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowError,
    WorkflowExecutor,
    executor,
    handler,
)
from stepscope.context import SyncWorkflowContext
from stepscope.events import AnyEvent, EffectEnded, EffectStarted, Found, HandlerEnded, OutputYielded, TimedOut
from support.virtual_time import run_virtual
from support.watching import Watcher
from support.workflows import (
    Act,
    Context,
    Node,
    Options,
    Seen,
    alone,
    build,
    give,
    in_every_mode,
    relay,
    siblings,
    watch,
)


class Timed(Executor):
    """Does with any message what the function it was given does, within two seconds."""

    def __init__(self, id: str, act: Act) -> None:
        super().__init__(id)
        self.act = act

    @handler(timeout=2)
    async def handle(self, message: object, ctx: WorkflowContext[Any, Any]) -> None:
        await self.act(message, ctx)


async def forever(_: Any, ctx: Context) -> None:
    await asyncio.Event().wait()


def clocked(workflow: Workflow, options: Options, **more: Any) -> tuple[Seen, Watcher, float]:
    """Run in virtual time; what it raises is kept. Gives the seconds it took, too."""
    watcher = Watcher()

    async def main() -> tuple[Seen, Watcher, float]:
        seen = Seen(watcher.events)
        async with asyncio.timeout(500):
            try:
                seen.outcome = await workflow.run(0, record=watcher, **{**options, **more})
            except Exception as error:
                seen.error = error
        return seen, watcher, asyncio.get_running_loop().time()

    return run_virtual(main())


def virtually(workflow: Workflow, options: Options, **more: Any) -> tuple[Seen, Watcher]:
    """The same without the seconds."""
    return clocked(workflow, options, **more)[:2]


def ended_late(seen: Seen, name: str) -> TimedOut:
    """The one timeout that fired: recorded before the end of its handler, which is a failure, and raised."""
    assert isinstance(seen.error, SuperstepError)
    (late,) = [one for one in seen.error.exceptions if isinstance(one, HandlerTimeoutError)]
    (fired,) = seen.of(TimedOut)
    assert (late.executor, late.seconds, late.waiting_for) == (name, fired.seconds, fired.waiting_for)
    (over,) = seen.of(HandlerEnded, name)
    assert over.seq > fired.seq
    assert (fired.executor, fired.inv) == (name, over.inv)
    if over.outcome != "abandoned":
        assert over.outcome == "failed"
        assert over.error is not None
        assert over.error.type == "HandlerTimeoutError"
    return fired


@in_every_mode
def test_par_4_a_handler_that_takes_too_long_fails_its_superstep(options: Options) -> None:
    async def waits(_: Any, ctx: Context) -> None:
        await ctx.yield_output("never committed")
        await asyncio.Event().wait()

    async def sleeps(_: Any, ctx: Context) -> None:
        await ctx.sleep(300)

    seen, watcher, took = clocked(siblings({"late": Timed("late", waits), "other": sleeps}), options)
    fired = ended_late(seen, "late")
    assert fired.seconds == 2
    assert fired.waiting_for.startswith("Event.wait at test_timeouts.py:")
    assert fired.waiting_for.endswith("(Timed.handle)")
    assert "executor 'late': the handler took longer than its timeout of 2 s; it was waiting for Event" in str(
        seen.error
    )
    others = dict(watcher.ends())
    assert others.get("other", "cancelled") == "cancelled"
    assert took == pytest.approx(2)
    assert isinstance(seen.error, HandlerTimeoutError), "the only failure, so the error can be caught by its name"
    assert seen.error.waiting_for == fired.waiting_for


@in_every_mode
def test_par_4_one_in_time_is_left_alone(options: Options) -> None:
    async def takes_a_while(_: Any, ctx: Context) -> None:
        await ctx.sleep(0.75)
        await asyncio.sleep(0.75)
        await ctx.yield_output("done")

    seen, watcher = virtually(siblings({name: Timed(name, takes_a_while) for name in "ab"}), options)
    assert seen.result.outputs == ["done", "done"]
    assert seen.result.findings == []
    assert not watcher.of(TimedOut)


@in_every_mode
def test_par_4_it_names_the_effects(options: Options) -> None:
    async def ask_model() -> None:
        await asyncio.Event().wait()

    async def both(_: Any, ctx: Context) -> None:
        await asyncio.gather(ctx.effect(ask_model), ctx.sleep(100))

    async def one(_: Any, ctx: Context) -> None:
        await ctx.sleep(1)
        await ctx.sleep(100)

    seen, _ = virtually(alone(Timed("only", both)), options)
    assert ended_late(seen, "only").waiting_for.endswith("ask_model, sleep")
    assert [event.error and event.error.type for event in seen.of(EffectEnded)] == ["CancelledError"] * 2
    seen, _ = virtually(alone(Timed("only", one)), options)
    assert ended_late(seen, "only").waiting_for == "effect sleep"


@in_every_mode
def test_par_4_it_names_the_key_and_who_holds_it(options: Options) -> None:
    async def keeps(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("ledger"):
            await ctx.sleep(100)

    async def wants(_: Any, ctx: Context) -> None:
        for _ in range(20):
            await ctx.state.get("nothing")
        await ctx.state.get("ledger")

    workflow = siblings({"keeper": keeps, "late": Timed("late", wants)}, state=[StateKey("ledger", 0, access="live")])
    seen, _ = virtually(workflow, options)
    assert ended_late(seen, "late").waiting_for == "key 'ledger', held by 'keeper'"


@in_every_mode
@pytest.mark.parametrize("then", ["returns", "goes on", "raises", "raises from outside Exception"])
def test_par_4_it_cannot_be_swallowed(options: Options, then: str) -> None:
    async def stubborn(_: Any, ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if then == "goes on":
                await ctx.yield_output("still here")
                await ctx.sleep(1)
            elif then == "raises":
                raise ValueError("spoiled") from None
            elif then.startswith("raises from"):
                raise GeneratorExit from None

    seen, _ = virtually(alone(Timed("only", stubborn)), options)
    ended_late(seen, "only")
    if then.startswith("raises"):
        assert isinstance(seen.error, SuperstepError)
        (late,) = seen.error.exceptions
        kind = "ValueError" if then == "raises" else "GeneratorExit"
        assert late.__notes__ == [f"While it was being cancelled it raised {kind}."]


@in_every_mode
def test_par_4_what_ignores_it_is_abandoned_after_the_grace(options: Options) -> None:
    async def deaf(_: Any, ctx: Context) -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue
            return

    seen, watcher, took = clocked(alone(Timed("only", deaf)), options, cancel_grace=3)
    ended_late(seen, "only")
    assert watcher.ends() == [("only", "abandoned")]
    assert took == pytest.approx(2 + 3)
    assert [found.finding for found in seen.of(Found) if found.executors == ["only"]].count("handler-failed") == 1


@in_every_mode
def test_par_4_the_runs_timeout_is_for_handlers_without_their_own(options: Options) -> None:
    async def four_seconds(_: Any, ctx: Context) -> None:
        await ctx.sleep(1.5)
        await ctx.yield_output("short")

    seen, _ = virtually(siblings({"own": Timed("own", four_seconds), "default": four_seconds}), options, timeout=1)
    assert ended_late(seen, "default").seconds == 1
    seen, _ = virtually(siblings({"own": Timed("own", four_seconds), "default": four_seconds}), options, timeout=1.75)
    assert seen.result.outputs == ["short", "short"]


@in_every_mode
def test_par_4_an_executor_of_a_function_has_one(options: Options) -> None:
    @executor(id="quick", timeout=0.5)
    async def quick(_: int, ctx: WorkflowContext) -> None:
        await asyncio.sleep(60)

    seen, _ = virtually(WorkflowBuilder(quick).build(), options)
    assert ended_late(seen, "quick").seconds == 0.5
    assert [one.timeout for one in WorkflowBuilder(quick).build().graph.executors[0].handlers] == [0.5]


@in_every_mode
def test_par_4_handlers_of_a_sub_workflow_have_theirs_and_the_host_has_none(options: Options) -> None:
    async def a_second(message: Any, ctx: Context) -> None:
        await ctx.sleep(1)
        await ctx.send_message(message)

    async def last(message: Any, ctx: Context) -> None:
        await ctx.sleep(1)
        await ctx.yield_output(message)

    def nested(end: Executor | Act) -> Workflow:
        start = Node("first", a_second)
        inner = build(WorkflowBuilder(start).add_edge(start, end if isinstance(end, Executor) else Node("end", end)))
        return siblings({"sub": WorkflowExecutor(inner, id="sub")}, then=give)

    seen, _ = virtually(nested(last), options, timeout=1.5)
    assert seen.result.outputs == [0], "each inner handler takes a second, their host more than its share"
    seen, watcher = virtually(nested(Timed("end", forever)), options)
    assert isinstance(seen.error, SuperstepError)
    (fired,) = seen.of(TimedOut)
    assert fired.executor == "sub/end"
    assert dict(watcher.ends())["sub"] == "failed"


@pytest.mark.parametrize("seed", range(4))
def test_par_4_waiting_for_a_turn_does_not_count(seed: int) -> None:
    async def brief(_: Any, ctx: Context) -> None:
        for _ in range(3):
            await ctx.sleep(0.25)
            await ctx.state.get("x")
        await ctx.yield_output("in time")

    async def long(_: Any, ctx: Context) -> None:
        for _ in range(3):
            await asyncio.sleep(30)  # keeps its turn
            await ctx.state.get("x")

    acts: dict[str, Act | Executor] = {"long": long, "brief": Timed("brief", brief), "too": Timed("too", brief)}
    seen, _, took = clocked(siblings(acts), {"mode": "deterministic", "seed": seed}, stall_timeout=1000)
    assert seen.result.outputs == ["in time", "in time"]
    assert took >= 90


@pytest.mark.parametrize("seed", range(4))
def test_par_4_a_result_that_waits_for_its_admission_does_not_count(seed: int) -> None:
    async def first(_: Any, ctx: Context) -> None:
        await ctx.sleep(100)

    async def second(_: Any, ctx: Context) -> None:
        await ctx.sleep(0.5)
        await ctx.yield_output("admitted")

    seen, _ = virtually(siblings({"a": first, "b": Timed("b", second)}), {"mode": "deterministic", "seed": seed})
    assert seen.result.outputs == ["admitted"]


def test_par_4_one_that_fires_marks_a_deterministic_run() -> None:
    seen, _ = virtually(alone(Timed("only", forever)), {"mode": "deterministic"})
    ended_late(seen, "only")
    (mark,) = [found for found in seen.of(Found) if found.finding == "nondeterminism"]
    assert "its timeout fired" in mark.message
    seen, _ = virtually(alone(Timed("only", forever)), {"mode": "concurrent"})
    assert not [found for found in seen.of(Found) if found.finding == "nondeterminism"]


@in_every_mode
def test_par_4_one_that_fires_while_another_keeps_its_turn(options: Options) -> None:
    async def waits_first(_: Any, ctx: Context) -> None:
        await ctx.effect(asyncio.sleep, 50)

    async def keeps_turn(_: Any, ctx: Context) -> None:
        await ctx.sleep(0.5)
        await asyncio.sleep(300)

    acts: dict[str, Act | Executor] = {"late": Timed("late", waits_first), "keeper": keeps_turn}
    seen, watcher = virtually(siblings(acts), options)
    ended_late(seen, "late")
    assert watcher.ends()[1:] == [("late", "failed"), ("keeper", "cancelled")]


@in_every_mode
def test_par_4_a_handlers_own_timeouts_are_its_own(options: Options) -> None:
    async def careful(_: Any, ctx: Context) -> None:
        try:
            async with asyncio.timeout(1):
                await asyncio.Event().wait()
        except TimeoutError:
            await ctx.yield_output("gave up by itself")

    seen, watcher = virtually(alone(Timed("only", careful)), options)
    assert seen.result.outputs == ["gave up by itself"]
    assert not watcher.of(TimedOut)


# -- sync handlers -----------------------------------------------------------------------------------------------------


@in_every_mode
async def test_par_4_a_sync_handler_is_told_in_what_it_waits_for(options: Options) -> None:
    told: list[BaseException] = []

    @executor(id="sync", timeout=0.05)
    def sync(_: int, ctx: SyncWorkflowContext[Any, Any]) -> None:
        try:
            ctx.sleep(60)
        except BaseException as error:
            told.append(error)
            raise

    seen = await watch(WorkflowBuilder(sync).build(), 0, **options)
    assert ended_late(seen, "sync").waiting_for == "effect sleep"
    assert isinstance(told[0], asyncio.CancelledError)


@in_every_mode
async def test_par_4_a_sync_handler_that_works_is_told_at_its_next_operation(options: Options) -> None:
    fired = threading.Event()
    told: list[BaseException] = []

    class Fires(Watcher):
        def append(self, event: AnyEvent) -> None:
            super().append(event)
            if isinstance(event, TimedOut):
                fired.set()

    @executor(id="sync", timeout=0.05)
    def sync(_: int, ctx: SyncWorkflowContext[Any, Any]) -> None:
        fired.wait()
        try:
            ctx.yield_output("too late")
        except BaseException as error:
            told.append(error)
        ctx.yield_output("later still")

    watcher = Fires()
    with pytest.raises(HandlerTimeoutError) as caught:
        await WorkflowBuilder(sync).build().run(0, record=watcher, **options)
    assert ".wait at test_timeouts.py:" in caught.value.waiting_for
    assert "sync)" in caught.value.waiting_for
    assert isinstance(told[0], asyncio.CancelledError)
    assert watcher.ends() == [("sync", "failed")]
    assert len(watcher.of(OutputYielded)) == 1, "told once; what it does then is in vain, but not refused"


@in_every_mode
async def test_par_4_a_sync_handler_that_does_not_end_is_abandoned(options: Options) -> None:
    release = threading.Event()

    @executor(id="sync", timeout=0.05)
    def sync(_: int, ctx: SyncWorkflowContext[Any, Any]) -> None:
        release.wait()

    try:
        seen = await watch(WorkflowBuilder(sync).build(), 0, cancel_grace=0.05, **options)
    finally:
        release.set()
    ended_late(seen, "sync")
    assert [over.outcome for over in seen.of(HandlerEnded)] == ["abandoned"]
    assert isinstance(seen.error, HandlerTimeoutError)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -1, True, "3", float("nan"), float("inf")])
async def test_par_4_a_timeout_that_makes_no_sense_is_refused(seconds: Any) -> None:
    sentence = f"timeout is a number of seconds above 0, not {seconds!r}."
    with pytest.raises(WorkflowError) as of_handler:
        handler(timeout=seconds)
    with pytest.raises(WorkflowError) as of_executor:
        executor(id="x", timeout=seconds)(lambda message: None)
    with pytest.raises(WorkflowError) as of_run:
        await alone(relay).run(0, timeout=seconds)
    assert {str(of_handler.value), str(of_executor.value), str(of_run.value)} == {sentence}


def test_par_4_effects_of_one_that_timed_out_are_over_with_it() -> None:
    async def sleeps(_: Any, ctx: Context) -> None:
        await ctx.sleep(50)

    seen, _ = virtually(alone(Timed("only", sleeps)), {"mode": "concurrent"})
    assert len(seen.of(EffectStarted)) == len(seen.of(EffectEnded)) == 1
