"""BAR-3: what a failed superstep raises: one group, several failures, types to catch it by, notes, and odd exceptions."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from stepscope import (
    DeadlockError,
    StateConflictError,
    StateKey,
    SuperstepError,
    UnstorableValueError,
    Workflow,
    WorkflowBuilder,
    WorkflowError,
)
from stepscope.drivers.options import Mode
from stepscope.events import Committed, HandlerEnded, RunEnded, SuperstepFailed
from support.ruled import Meeting, check_run, ruled, spin
from support.watching import Watcher
from support.workflows import Act, Context, Node, Options, Seen, ThreadNode, alone, in_every_mode, relay, siblings


def raising(error: BaseException) -> Act:
    async def act(_: Any, ctx: Context) -> None:
        raise error

    return act


async def failure(workflow: Workflow, **options: Any) -> SuperstepError:
    """What a run raises; its events are checked."""
    seen = await ruled(workflow, 0, **options)
    assert isinstance(seen.error, SuperstepError), seen.error
    (failed,) = seen.of(SuperstepFailed)
    assert [info.type for info in failed.errors] == [type(one).__name__ for one in seen.error.exceptions]
    return seen.error


@in_every_mode
async def test_BAR_3_one_failure_is_a_group_of_one_with_the_exception_itself(options: Options) -> None:
    mistake = ValueError("on purpose")
    error = await failure(alone(raising(mistake)), **options)
    assert isinstance(error, ExceptionGroup)
    assert isinstance(error, WorkflowError)
    assert error.exceptions == (mistake,)
    assert error.superstep == 1
    assert "superstep 1 of workflow 'workflow' failed and committed nothing: ValueError: on purpose" in str(error)


async def test_BAR_3_several_failures_are_all_there_in_rank_order() -> None:
    async def fails_in_its_end(_: Any, ctx: Context) -> None:
        try:
            while True:
                await spin(ctx)
        finally:
            raise KeyError(ctx.executor_id)

    meeting = Meeting(1)

    async def last(_: Any, ctx: Context) -> None:
        await meeting(ctx)
        await spin(ctx)
        raise ValueError("first in time")

    error = await failure(siblings({"a": fails_in_its_end, "b": fails_in_its_end, "c": last}))
    assert [type(one) for one in error.exceptions] == [KeyError, KeyError, ValueError]
    assert [one.args for one in error.exceptions[:2]] == [("a",), ("b",)]
    assert "and 2 more" in str(error)


async def _caught_by_parts(workflow: Workflow) -> list[str]:
    caught = []
    try:
        await workflow.run(0)
    except* ValueError as group:
        caught.append(f"{type(group).__name__} of superstep {getattr(group, 'superstep', None)}")
    except* KeyError as group:
        caught.append(f"KeyError x{len(group.exceptions)}")
    return caught


async def test_BAR_3_except_star_takes_the_group_apart() -> None:
    async def both(_: Any, ctx: Context) -> None:
        try:
            while True:
                await spin(ctx)
        finally:
            raise KeyError("at the end")

    async def first(_: Any, ctx: Context) -> None:
        await spin(ctx)
        raise ValueError("first")

    assert await _caught_by_parts(siblings({"a": both, "b": both, "c": first})) == [
        "SuperstepError of superstep 2", "KeyError x2",
    ]  # fmt: skip


@in_every_mode
async def test_BAR_3_an_error_of_the_runtime_can_be_caught_by_its_own_name(options: Options) -> None:
    async def writes(_: Any, ctx: Context) -> None:
        await ctx.state.set("k", ctx.executor_id)

    workflow = siblings({"a": writes, "b": writes})
    with pytest.raises(StateConflictError) as caught:
        await workflow.run(0, **options)
    assert isinstance(caught.value, SuperstepError)
    assert (caught.value.key, caught.value.executors, caught.value.values) == ("k", ("a", "b"), ("a", "b"))
    with pytest.raises(SuperstepError):
        await workflow.run(0, **options)
    caught_by_star = None
    try:
        await workflow.run(0, **options)
    except* StateConflictError as group:
        caught_by_star = group
    assert isinstance(caught_by_star, SuperstepError)


async def test_BAR_3_a_deadlock_has_its_cycle_in_the_mixed_type() -> None:
    async def crosswise(_: Any, ctx: Context) -> None:
        mine, other = ("x", "y") if ctx.executor_id == "a" else ("y", "x")
        async with ctx.state.hold(mine):
            await asyncio.sleep(0)
            async with ctx.state.hold(other):
                pass

    workflow = siblings(
        {"a": crosswise, "b": crosswise}, state=[StateKey("x", 0, access="live"), StateKey("y", 0, access="live")]
    )
    with pytest.raises(DeadlockError) as caught:
        await workflow.run(0)
    assert {row[0] for row in caught.value.cycle} == {"a", "b"}


@in_every_mode
async def test_BAR_3_a_value_that_is_not_data_fails_the_handler_that_sent_it(options: Options) -> None:
    async def sends(_: Any, ctx: Context) -> None:
        await ctx.send_message({"at": [object()]})

    with pytest.raises(
        UnstorableValueError, match=r"'only' sent a message: the value at .at\[0\] is a builtins:object"
    ):
        await alone(sends).run(0, **options)


class WithMessage(WorkflowError):
    """A program's own, with attributes that a group has too."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.exceptions = ["mine"]
        super().__init__(message)


class OtherLayout(WorkflowError, OSError):
    """Cannot be combined with an ExceptionGroup."""


class Strict(WorkflowError):
    """Refuses to be subclassed."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        raise TypeError("final")


class NoText(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Unusual(BaseException):
    """Neither an Exception nor the end of the process."""


@pytest.mark.parametrize(
    "make",
    [
        lambda: WithMessage("mine"), lambda: OtherLayout(2, "mine"), lambda: Strict("mine"), NoText,
        lambda: Unusual("mine"), lambda: ExceptionGroup("mine", [ValueError("a"), TypeError("b")]),
        lambda: StopAsyncIteration("mine"), lambda: GeneratorExit("mine"), lambda: TimeoutError("mine"),
    ],
    ids=["attributes", "layout", "final", "no text", "unusual", "group", "stop", "exit", "timeout"],
)  # fmt: skip
@in_every_mode
async def test_BAR_3_odd_exceptions_fail_the_superstep_like_any(
    make: Callable[[], BaseException], options: Options
) -> None:
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    error = make()
    raised = await failure(siblings({"odd": raising(error), "relay": relay}), **options)
    if isinstance(error, Exception):
        assert raised.exceptions == (error,)
    else:
        assert type(error).__name__ in str(raised.exceptions[0])
    await asyncio.sleep(0)
    assert complaints == []


@in_every_mode
async def test_BAR_3_a_handler_that_raises_cancelled_error_itself_has_failed(options: Options) -> None:
    watcher = Watcher()
    error = await failure(alone(raising(asyncio.CancelledError())), watcher=watcher, **options)
    assert watcher.ends() == [("only", "failed")]
    assert "was cancelled by something other than the runtime" in str(error.exceptions[0])


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("mode", ["concurrent", "deterministic"])
@pytest.mark.parametrize("threaded", [False, True], ids=["async", "sync"])
def test_BAR_3_the_end_of_the_process_passes_through_and_is_recorded(
    kind: type[BaseException], mode: Mode, threaded: bool
) -> None:
    def in_thread(_: Any, ctx: Any) -> None:
        raise kind("the end")

    watcher = Watcher()
    ends = ThreadNode("ends", in_thread) if threaded else raising(kind("the end"))
    workflow = siblings({"ends": ends, "relay": relay})
    with pytest.raises(kind):
        asyncio.run(workflow.run(0, record=watcher, mode=mode))
    gc.collect()  # what asyncio says of the task that ended the process is said now
    check_run(watcher, Seen(watcher.events))
    assert dict(watcher.ends())["ends"] == "failed"
    assert [event.superstep for event in watcher.of(Committed)] == [1]


def _asks(_: object) -> bool:
    raise LookupError("no answer")


def _selects(_: object, targets: list[str]) -> list[str]:
    raise LookupError("no answer")


def _selects_wrong(_: object, targets: list[str]) -> list[str]:
    return ["nobody"]


def _reduces(_: object, __: object) -> object:
    raise LookupError("no answer")


def _at_the_barrier(what: str) -> Workflow:
    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.add("sum", 1)
        await ctx.send_message("payload")
        await ctx.yield_output("lost")

    a, b, c = Node("a", act), Node("b", relay), Node("c", relay)
    builder = WorkflowBuilder(a, state=[StateKey("sum", 0, reducer=_reduces if what == "reducer" else max)])
    match what:
        case "condition":
            builder.add_edge(a, b, _asks)
        case "case":
            from stepscope import Case, Default

            builder.add_switch_case_edge_group(a, [Case(_asks, b), Default(c)])
        case "selection":
            builder.add_multi_selection_edge_group(a, [b, c], selection_func=_selects)
        case "wrong selection":
            builder.add_multi_selection_edge_group(a, [b, c], selection_func=_selects_wrong)
        case _:
            builder.add_edge(a, b)
    return builder.build()


@pytest.mark.parametrize("what", ["condition", "case", "selection", "reducer"])
@in_every_mode
async def test_BAR_3_what_raises_at_the_barrier_commits_nothing_and_says_where(what: str, options: Options) -> None:
    watcher = Watcher()
    error = await failure(_at_the_barrier(what), watcher=watcher, **options)
    (reason,) = error.exceptions
    assert isinstance(reason, LookupError)
    (note,) = reason.__notes__
    if what == "reducer":
        assert note == "in the reducer of state key 'sum', merging 1 from 'a'"
    else:
        assert note.startswith("while routing 'payload' from 'a' over the ")
    assert watcher.ends() == [("a", "completed")], "the handler did nothing wrong"
    assert watcher.of(Committed) == []
    (failed,) = watcher.of(SuperstepFailed)
    assert note in failed.errors[0].traceback


async def test_BAR_3_a_selection_of_nobody_it_could_choose_is_an_error_that_says_so() -> None:
    error = await failure(_at_the_barrier("wrong selection"))
    assert isinstance(error, WorkflowError)
    assert "'_selects_wrong' of 'a' chose 'nobody', which is not among its targets 'b', 'c'" in str(error)


@pytest.mark.parametrize("kind", [asyncio.CancelledError, Unusual])
async def test_BAR_3_a_condition_that_raises_what_is_no_exception_fails_the_superstep(
    kind: type[BaseException],
) -> None:
    def asks(_: object) -> bool:
        raise kind

    a, b = Node("a", relay), Node("b", relay)
    watcher = Watcher()
    await failure(WorkflowBuilder(a).add_edge(a, b, asks).build(), watcher=watcher)
    (end,) = watcher.of(RunEnded)
    assert end.status == "failed"


def test_BAR_3_the_end_of_the_process_in_a_condition_is_recorded_too() -> None:
    def asks(_: object) -> bool:
        raise KeyboardInterrupt

    a, b = Node("a", relay), Node("b", relay)
    watcher = Watcher()
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(WorkflowBuilder(a).add_edge(a, b, asks).build().run(0, record=watcher))
    check_run(watcher, Seen(watcher.events))
    assert watcher.of(SuperstepFailed)


@in_every_mode
async def test_BAR_3_an_update_function_that_raises_changes_nothing_and_is_the_handlers_affair(
    options: Options,
) -> None:
    def spoils(_: object) -> object:
        raise LookupError("no answer")

    async def updates(_: Any, ctx: Context) -> None:
        for key in ("live", "plain"):
            with pytest.raises(LookupError):
                await ctx.state.update(key, spoils)
        with pytest.raises(UnstorableValueError):
            await ctx.state.update("live", lambda _: object())

    async def holds(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("live"):
            await spin(ctx)

    keys = [StateKey("live", 1, access="live"), StateKey("plain", 2)]
    seen = await ruled(siblings({"holds": holds, "updates": updates}, state=keys), 0, **options)
    assert seen.result.state == {"live": 1, "plain": 2}


@in_every_mode
async def test_BAR_3_an_update_function_that_raises_unhandled_fails_the_handler(options: Options) -> None:
    async def updates(_: Any, ctx: Context) -> None:
        await ctx.state.update("plain", lambda n: n + 1)  # None + 1

    watcher = Watcher()
    error = await failure(alone(updates), watcher=watcher, **options)
    assert isinstance(error.exceptions[0], TypeError)
    (ended,) = watcher.of(HandlerEnded)
    assert ended.error is not None
    assert ended.error.file == __file__


@in_every_mode
async def test_BAR_3_a_reducer_that_raises_at_a_get_is_the_readers_affair(options: Options) -> None:
    calls = 0

    def reducer(a: int, b: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise LookupError("the first time")
        return a + b

    async def reads(_: Any, ctx: Context) -> None:
        await ctx.state.add("sum", 1)
        with pytest.raises(LookupError):
            await ctx.state.get("sum")
        assert await ctx.state.get("sum") == 1

    seen = await ruled(alone(reads, state=[StateKey("sum", 0, reducer=reducer)]), 0, **options)
    assert seen.result.state == {"sum": 1}


async def test_BAR_3_a_failure_is_reported_with_its_place() -> None:
    watcher = Watcher()
    await failure(alone(raising(ValueError("on purpose"))), watcher=watcher)
    (ended,) = watcher.of(HandlerEnded)
    assert ended.error is not None
    assert (ended.error.type, ended.error.message, ended.error.file) == ("ValueError", "on purpose", __file__)
    assert "raise error" in ended.error.traceback
    assert "stepscope/drivers" not in ended.error.traceback, "the runtime's own frames are left out"
