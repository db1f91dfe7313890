"""Sync handlers: the context's methods are plain calls, a block is `with`, and blocking stops nobody (PAR-2)."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stepscope import (
    DeadlockError,
    Executor,
    StateKey,
    StateUsageError,
    SuperstepError,
    SuperstepOverError,
    UnstorableValueError,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowResult,
    executor,
)
from stepscope.events import HandlerEnded, LockAcquired, LockReleased, StateRead
from support.ruled import ruled, spin, until
from support.watching import Watcher
from support.workflows import Act, Context, Options, ThreadNode, alone, give, in_every_mode, siblings

KEYS = [StateKey("live", 0, access="live"), StateKey("sum", 0, reducer=operator.add)]


@in_every_mode
async def test_every_method_is_a_plain_call(options: Options) -> None:
    answers: list[Any] = []

    def works(message: Any, ctx: Any) -> None:
        answers.append(ctx.state.get("k", "default"))
        answers.append(ctx.state.set("k", 1))
        answers.append(ctx.state.get("k"))
        answers.append(ctx.state.update("k", lambda n: n + 1))
        answers.append(ctx.state.delete("k"))
        answers.append(ctx.state.get("k"))
        answers.append(ctx.state.add("sum", 5))
        answers.append(ctx.state.get("sum"))
        with ctx.state.hold("live"):
            answers.append(ctx.state.update("live", lambda n: n + 7))
        answers.append(ctx.effect(len, "four"))
        answers.append(ctx.effect(asyncio.sleep, 0, "slept"))
        answers.append(ctx.sleep(0))
        answers.append(ctx.send_message(message))
        answers.append(ctx.yield_output("out"))
        assert (ctx.executor_id, ctx.superstep, ctx.source_ids) == ("works", 2, ["start"])

    workflow = siblings({"works": ThreadNode("works", works)}, state=KEYS, then=give)
    seen = await ruled(workflow, "in", **options)
    assert seen.result.outputs == ["out", "in"]
    assert answers == ["default", None, 1, 2, None, None, None, 5, 7, 4, "slept", None, None, None]
    assert seen.result.state == {"live": 7, "sum": 5}


async def test_it_runs_in_a_thread_of_its_own() -> None:
    threads: list[threading.Thread] = []

    def notes(_: Any, ctx: Any) -> None:
        threads.append(threading.current_thread())

    await alone(ThreadNode("only", notes)).run(0)
    assert threads[0] is not threading.main_thread()
    assert threads[0].name == "stepscope only"


async def test_blocking_does_not_stop_siblings() -> None:
    """The sibling must go on for the blocked one to be let go."""
    watcher = Watcher()
    go = threading.Event()

    def blocks(_: Any, ctx: Any) -> None:
        assert go.wait(20)
        ctx.yield_output("unblocked")

    async def goes_on(_: Any, ctx: Context) -> None:
        for _round in range(20):
            await spin(ctx)
        go.set()

    workflow = siblings({"blocks": ThreadNode("blocks", blocks), "goes on": goes_on})
    assert (await ruled(workflow, 0, watcher=watcher)).result.outputs == ["unblocked"]


async def test_two_sync_handlers_are_in_their_threads_at_once() -> None:
    meeting = threading.Barrier(3, timeout=20)

    def meets(_: Any, ctx: Any) -> None:
        meeting.wait()

    await siblings({name: ThreadNode(name, meets) for name in "abc"}).run(0)


@in_every_mode
async def test_holds_exclude_threads_and_tasks_alike(options: Options) -> None:
    def adds_in_thread(_: Any, ctx: Any) -> None:
        for _add in range(5):
            with ctx.state.hold("live"):
                ctx.state.set("live", ctx.state.get("live") + 1)

    async def adds(_: Any, ctx: Context) -> None:
        for _add in range(5):
            async with ctx.state.hold("live"):
                n = await ctx.state.get("live")
                await asyncio.sleep(0)
                await ctx.state.set("live", n + 1)

    acts: dict[str, Act | Executor] = {
        "a": ThreadNode("a", adds_in_thread),
        "b": adds,
        "c": ThreadNode("c", adds_in_thread),
    }
    seen = await ruled(siblings(acts, state=KEYS), 0, **options)
    assert seen.result.state["live"] == 15
    assert len(seen.of(LockAcquired)) == len(seen.of(LockReleased)) == 15


@in_every_mode
async def test_an_exception_that_leaves_the_block_undoes_its_writes(options: Options) -> None:
    def works(_: Any, ctx: Any) -> None:
        with pytest.raises(LookupError), ctx.state.hold("live"):
            ctx.state.set("live", 99)
            raise LookupError
        assert ctx.state.get("live") == 0

    seen = await ruled(alone(ThreadNode("only", works), state=KEYS), 0, **options)
    assert seen.result.state["live"] == 0


@in_every_mode
async def test_async_with_is_refused_where_with_is_meant(options: Options) -> None:
    async def works(_: Any, ctx: Any) -> None:
        with pytest.raises(StateUsageError, match="async with"), ctx.state.hold("live"):
            pass

    (await ruled(alone(works, state=KEYS), 0, **options)).result


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (lambda ctx: ctx.state.add("live", 1), StateUsageError),
        (lambda ctx: ctx.state.set("sum", 1), StateUsageError),
        (lambda ctx: ctx.state.update("k", lambda _: object()), UnstorableValueError),
        (lambda ctx: ctx.send_message(object()), UnstorableValueError),
        (lambda ctx: ctx.effect(int, "x"), ValueError),
        (lambda ctx: ctx.effect(object), UnstorableValueError),
    ],
)
@in_every_mode
async def test_errors_are_raised_in_the_thread(
    operation: Callable[[Any], Any], kind: type[Exception], options: Options
) -> None:
    raised: list[type[BaseException]] = []

    def works(_: Any, ctx: Any) -> None:
        try:
            operation(ctx)
        except Exception as error:
            raised.append(type(error))
        ctx.state.set("k", "went on")

    seen = await ruled(alone(ThreadNode("only", works), state=KEYS), 0, **options)
    assert raised == [kind]
    assert seen.result.state["k"] == "went on"


async def test_a_deadlock_between_threads_is_raised_in_one_of_them() -> None:
    meeting = threading.Barrier(2, timeout=20)

    def crosswise(_: Any, ctx: Any) -> None:
        mine, other = ("x", "y") if ctx.executor_id == "a" else ("y", "x")
        with ctx.state.hold(mine):
            meeting.wait()
            with ctx.state.hold(other):
                pass

    acts = {name: ThreadNode(name, crosswise) for name in "ab"}
    keys = [StateKey("x", 0, access="live"), StateKey("y", 0, access="live")]
    seen = await ruled(siblings(acts, state=keys), 0)
    assert isinstance(seen.error, DeadlockError)
    assert isinstance(seen.error, SuperstepError)


@executor(id="lines")
def lines(message: int, ctx: WorkflowContext[int]) -> None:
    """A plain function as an executor."""
    ctx.state.get("k")


async def test_a_plain_function_is_an_executor_and_its_lines_are_known() -> None:
    seen = await ruled(WorkflowBuilder(lines).build(), 1)
    (info,) = seen.events[0].graph.executors[0].handlers  # type: ignore[union-attr]
    assert (info.name, info.runs, info.message_type) == ("lines", "thread", "int")
    (read,) = seen.of(StateRead)
    assert read.line == info.line + 3


async def test_what_it_returns_is_ignored_and_what_it_raises_is_not() -> None:
    def returns(_: Any, ctx: Any) -> Any:
        return object()

    assert (await ruled(alone(ThreadNode("only", returns)), 0)).result.outputs == []

    def stops(_: Any, ctx: Any) -> None:
        raise StopIteration

    seen = await ruled(alone(ThreadNode("only", stops)), 0)
    assert isinstance(seen.error, SuperstepError)
    (ended,) = seen.of(HandlerEnded)
    assert ended.outcome == "failed"


def test_a_thread_that_outlives_the_loop_is_told_the_run_is_over() -> None:
    go = threading.Event()
    told = threading.Event()
    started = threading.Event()

    def outlives(_: Any, ctx: Any) -> None:
        started.set()
        go.wait(20)
        try:
            ctx.state.set("k", 1)
        except SuperstepOverError:
            told.set()

    async def main() -> None:
        workflow: Workflow = alone(ThreadNode("only", outlives))
        run: asyncio.Task[WorkflowResult] = asyncio.create_task(workflow.run(0, cancel_grace=0.01))
        await until(started.is_set)
        run.cancel()
        await asyncio.wait([run])

    asyncio.run(main())
    go.set()
    assert told.wait(20)


@in_every_mode
async def test_a_refused_operation_is_where_the_handler_asked(options: Options) -> None:
    """Not somewhere in the library that waits for the answer, which is a matter of timing."""

    def adds(message: Any, ctx: Any) -> None:
        ctx.state.add("live", 1)

    seen = await ruled(alone(ThreadNode("only", adds), state=KEYS), 0, **options)
    (ended,) = seen.of(HandlerEnded)
    assert ended.error is not None
    assert ended.error.type == "StateUsageError"
    assert (ended.error.file, ended.error.line) == (__file__, adds.__code__.co_firstlineno + 1)
    assert "concurrent/futures" not in ended.error.traceback
