"""BAR-3: a superstep is all or nothing: who ends how, and that nothing of a failed one is committed."""

from __future__ import annotations

import asyncio
import operator
from typing import Any

import pytest

from stepscope import StateKey, SuperstepError, SuperstepOverError, WorkflowBuilder
from stepscope.events import (
    Committed,
    Delivered,
    HandlerEnded,
    HandlerStarted,
    LockReleased,
    OutputYielded,
    RunEnded,
    Sent,
    SuperstepFailed,
    SuperstepStarted,
)
from stepscope.values import Value
from support.ruled import Meeting, check_run, ruled, spin
from support.virtual_time import run_virtual
from support.watching import Watcher
from support.workflows import Act, Context, Node, Options, Seen, in_every_mode, relay, siblings

KEYS = [StateKey("live", 0, access="live"), StateKey("sum", 0, reducer=operator.add), StateKey("k", "as it was")]


def value(x: object) -> Value:
    return Value.of(x, "test")


async def endless(_: Any, ctx: Context) -> None:
    """Go on until cancelled."""
    while True:
        await spin(ctx)


def failing(meeting: Meeting, error: BaseException | None = None) -> Act:
    async def act(_: Any, ctx: Context) -> None:
        await meeting(ctx)
        raise error or ValueError("on purpose")

    return act


def met(meeting: Meeting, then: Act) -> Act:
    async def act(message: Any, ctx: Context) -> None:
        await meeting(ctx)
        await then(message, ctx)

    return act


async def writes_everything(_: Any, ctx: Context) -> None:
    await ctx.state.set("live", 7)
    await ctx.state.update("live", lambda n: n + 1)
    await ctx.state.add("sum", 3)
    await ctx.state.set(f"own of {ctx.executor_id}", 1)
    await ctx.state.delete("k")
    await ctx.send_message("sent")
    await ctx.yield_output("yielded")


@in_every_mode
async def test_BAR_3_nothing_of_a_failed_superstep_is_committed(options: Options) -> None:
    meeting = Meeting(2)

    async def spoils(message: Any, ctx: Context) -> None:
        await writes_everything(message, ctx)
        await meeting(ctx)
        while not watcher.of(OutputYielded, executor="spoilt"):
            await spin(ctx)
        raise ValueError("on purpose")

    async def spoilt(message: Any, ctx: Context) -> None:
        await ctx.state.update("live", lambda n: n + 100)
        await ctx.state.add("sum", 100)
        await ctx.send_message("sent too")
        await meeting(ctx)
        await ctx.yield_output("yielded too")

    async def first(message: Any, ctx: Context) -> None:
        await ctx.state.set("live", 5)
        await ctx.state.add("sum", 1)
        await ctx.yield_output("kept")
        await ctx.send_message(message)

    async def never(_: Any, ctx: Context) -> None:
        raise AssertionError("nothing of the failed superstep is delivered")

    watcher = Watcher()
    workflow = siblings({"spoils": spoils, "spoilt": spoilt}, state=KEYS, first=first, then=never)
    seen = await ruled(workflow, 0, watcher=watcher, **options)
    assert isinstance(seen.error, SuperstepError)
    assert seen.error.superstep == 2
    assert [event.superstep for event in seen.of(Committed)] == [1]
    (failed,) = seen.of(SuperstepFailed)
    (live,) = failed.reverted
    assert (live.key, live.new) == ("live", value(5))
    assert [error.message for error in failed.errors] == ["on purpose"]
    (end,) = seen.of(RunEnded)
    assert (end.status, end.supersteps, end.outputs) == ("failed", 1, 1)
    assert len(seen.of(Sent)) > 1, "there was something to lose"


@in_every_mode
async def test_BAR_3_siblings_are_cancelled_and_awaited_and_each_has_a_terminal_event(options: Options) -> None:
    meeting = Meeting(4)
    cleaned: list[str] = []

    async def cleans_up(_: Any, ctx: Context) -> None:
        try:
            meeting.come(ctx)
            await endless(_, ctx)
        finally:
            await spin(ctx)  # operations still work while it is awaited
            await ctx.state.set("cleaned", True)
            cleaned.append(ctx.executor_id)

    async def finishes(_: Any, ctx: Context) -> None: ...

    acts = {
        "done": met(meeting, finishes),
        "spins": met(meeting, endless),
        "cleans": cleans_up,
    }

    async def waits_then_fails(_: Any, ctx: Context) -> None:
        await meeting(ctx)
        while "done" not in dict(watcher.ends()):
            await spin(ctx)
        raise ValueError("on purpose")

    acts["fails"] = met(meeting, waits_then_fails)
    watcher = Watcher()
    seen = await ruled(siblings(acts), 0, watcher=watcher, **options)
    assert isinstance(seen.error, SuperstepError)
    assert dict(watcher.ends()[1:]) == {
        "done": "completed", "spins": "cancelled", "cleans": "cancelled", "fails": "failed",
    }  # fmt: skip
    assert cleaned == ["cleans"]
    started = {event.inv for event in seen.of(HandlerStarted)}
    assert started == {event.inv for event in seen.of(HandlerEnded)}


@in_every_mode
async def test_BAR_3_what_has_not_started_is_not_started_any_more(options: Options) -> None:
    async def first(_: Any, ctx: Context) -> None:
        for number in range(3):
            await ctx.send_message(number)

    async def fails_at_once(_: Any, ctx: Context) -> None:
        raise ValueError("on purpose")

    workflow = siblings({"fails": fails_at_once, "other": endless}, first=first)
    seen = await ruled(workflow, 0, max_concurrency=1, **options)
    assert len(seen.of(HandlerStarted, "fails")) == 1
    assert seen.of(HandlerStarted, "other") == []
    assert len(seen.of(Delivered)) == 7
    assert len(seen.of(SuperstepStarted)) == 2


@pytest.mark.parametrize("mode", ["concurrent", "deterministic"])
@pytest.mark.parametrize("grace", [0.5, 10.0])
def test_BAR_3_what_ignores_cancellation_is_abandoned_after_the_grace_and_fenced(mode: str, grace: float) -> None:
    refused: list[bool] = []
    tasks: list[asyncio.Task[Any]] = []
    started = asyncio.Event()

    async def stubborn(_: Any, ctx: Context) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        release = asyncio.Event()
        asyncio.get_running_loop().call_later(1000, release.set)
        started.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        try:
            await ctx.state.set("live", 99)
        except SuperstepOverError:
            refused.append(True)

    async def fails(_: Any, ctx: Context) -> None:
        if mode == "concurrent":
            await started.wait()
        raise ValueError("on purpose")

    async def first(message: Any, ctx: Context) -> None:
        await ctx.send_message(message)

    async def main() -> None:
        watcher = Watcher()
        loop = asyncio.get_running_loop()
        # in deterministic mode the stubborn one would keep its turn: it is told apart by the stall
        more: Options = {"on_stall": "pass", "stall_timeout": 0.1} if mode == "deterministic" else {}
        workflow = siblings({"stubborn": stubborn, "fails": fails}, state=KEYS, first=first)
        began = loop.time()
        seen = await ruled(workflow, 0, watcher=watcher, mode=mode, seed=_stubborn_first(), cancel_grace=grace, **more)
        assert isinstance(seen.error, SuperstepError)
        assert dict(watcher.ends())["stubborn"] == "abandoned"
        assert loop.time() - began == pytest.approx(grace + (0.1 if mode == "deterministic" else 0), abs=0.03)
        await tasks[0]
        assert refused == [True]

    run_virtual(main())


def _stubborn_first() -> int:
    """A seed under which the first of two enabled invocations goes first in superstep 2."""
    from stepscope.drivers.choosers import Seeded

    for seed in range(100):
        chooser = Seeded(seed)
        chooser.superstep(2)
        if chooser.choose([None, None]) == 0:  # type: ignore[list-item]
            return seed
    raise AssertionError("no such seed")


@in_every_mode
async def test_BAR_3_a_handler_that_swallows_cancellation_and_goes_on_is_abandoned(options: Options) -> None:
    meeting = Meeting(2)
    over = asyncio.Event()

    async def deaf(_: Any, ctx: Context) -> None:
        try:
            while True:
                try:
                    meeting.come(ctx)
                    await spin(ctx)
                except asyncio.CancelledError:
                    pass
        finally:
            over.set()

    watcher = Watcher()
    workflow = siblings({"deaf": deaf, "fails": failing(meeting)})
    seen = await ruled(workflow, 0, watcher=watcher, cancel_grace=0.02, **options)
    assert isinstance(seen.error, SuperstepError)
    assert dict(watcher.ends())["deaf"] == "abandoned"
    await over.wait()  # the fence ended it


@in_every_mode
async def test_BAR_3_a_sibling_that_holds_a_lock_lets_go_and_its_writes_fall_back(options: Options) -> None:
    meeting = Meeting(3)

    async def holds(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("live"):
            await ctx.state.set("live", 42)
            await meeting(ctx)
            await endless(_, ctx)

    async def waits(_: Any, ctx: Context) -> None:
        await meeting(ctx)
        await ctx.state.update("live", lambda n: n + 1)
        await endless(_, ctx)

    seen = await ruled(siblings({"holds": holds, "waits": waits, "fails": failing(meeting)}, state=KEYS), 0, **options)
    assert isinstance(seen.error, SuperstepError)
    assert seen.of(LockReleased)
    (failed,) = seen.of(SuperstepFailed)
    assert [change.new for change in failed.reverted] == [value(0)]


@in_every_mode
async def test_BAR_3_the_next_run_of_the_same_workflow_starts_clean(options: Options) -> None:
    first_time = True

    async def fails_once(_: Any, ctx: Context) -> None:
        nonlocal first_time
        await ctx.state.update("live", lambda n: n + 1)
        await ctx.state.add("sum", 1)
        if first_time:
            first_time = False
            raise ValueError("the first time")

    workflow = siblings({"fails": fails_once, "relay": relay}, state=KEYS)
    assert isinstance((await ruled(workflow, 0, **options)).error, SuperstepError)
    seen = await ruled(workflow, 0, **options)
    assert seen.result.state == {"live": 1, "sum": 1, "k": "as it was"}


@in_every_mode
async def test_BAR_3_effects_of_what_is_cancelled_are_cancelled(options: Options) -> None:
    meeting = Meeting(2)
    ended: list[str] = []

    async def model() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("model")

    async def asks(_: Any, ctx: Context) -> None:
        future = ctx.effect(model)
        await meeting(ctx)
        await future

    seen = await ruled(siblings({"asks": asks, "fails": failing(meeting)}), 0, **options)
    assert isinstance(seen.error, SuperstepError)
    await asyncio.sleep(0)
    assert ended == ["model"]


def test_BAR_3_a_run_without_an_observer_fails_alike() -> None:
    async def main(record: Watcher | None) -> SuperstepError:
        meeting = Meeting(2)
        start = Node("start", relay)
        nodes = [Node("endless", met(meeting, endless)), Node("fails", failing(meeting))]
        try:
            await WorkflowBuilder(start).add_fan_out_edges(start, nodes).build().run(0, record=record)
        except SuperstepError as error:
            return error
        raise AssertionError("it should fail")

    watcher = Watcher()
    seen = asyncio.run(main(watcher))
    check_run(watcher, Seen(watcher.events, None, seen))
    unseen = asyncio.run(main(None))
    assert (str(seen), repr(seen.exceptions)) == (str(unseen), repr(unseen.exceptions))
