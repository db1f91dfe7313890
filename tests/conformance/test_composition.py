"""SUB-1: a workflow as an executor of another."""

from __future__ import annotations

import asyncio
import operator
from typing import Any

import pytest

from stepscope import (
    Executor,
    StateConflictError,
    StateKey,
    SuperstepError,
    Workflow,
    WorkflowBuilder,
    WorkflowError,
    WorkflowExecutor,
    handler,
)
from stepscope.drivers.options import Mode
from stepscope.events import (
    Committed,
    Delivered,
    HandlerEnded,
    HandlerStarted,
    RunEnded,
    RunStarted,
    Sent,
    StateRead,
    SuperstepStarted,
)
from support.ruled import Meeting, ruled, spin
from support.virtual_time import run_virtual
from support.watching import Watcher, comparable
from support.workflows import Context, Node, Options, ThreadNode, alone, give, in_every_mode, relay, siblings


async def _double(message: int, ctx: Context) -> None:
    await ctx.send_message(2 * message)


async def _twice(message: int, ctx: Context) -> None:
    await ctx.yield_output(message)
    await ctx.yield_output(message + 1)


def doubling() -> Workflow:
    """Two supersteps: what came, doubled; two outputs."""
    first = Node("double", _double)
    return WorkflowBuilder(first, name="doubling").add_edge(first, Node("twice", _twice)).build()


@in_every_mode
async def test_SUB_1_its_outputs_are_the_executors_sends(options: Options) -> None:
    sub = WorkflowExecutor(doubling(), id="sub")
    seen = await ruled(siblings({"sub": sub, "other": relay}, then=give), 5, **options)
    assert seen.result.outputs == [10, 11, 5]
    assert seen.result.supersteps == 3, "it ran inside one superstep"
    assert [(event.number, event.payload.fresh()) for event in seen.of(Sent, "sub")] == [(0, 10), (1, 11)]


@in_every_mode
async def test_SUB_1_its_events_have_a_scope_and_ids_of_their_own(options: Options) -> None:
    sub = WorkflowExecutor(doubling(), id="sub")
    seen = await ruled(siblings({"sub": sub}, then=give), 5, **options)
    (host,) = seen.of(HandlerStarted, "sub")
    inside = [event for event in seen.events if event.scope]
    assert {event.scope for event in inside} == {host.inv}
    assert {event.executor for event in inside if isinstance(event, HandlerStarted)} == {"sub/double", "sub/twice"}
    _, started = seen.of(RunStarted)
    assert (started.workflow, started.graph.start) == ("doubling", "sub/double")
    assert [one.id for one in started.graph.executors] == ["sub/double", "sub/twice"]
    assert [event.superstep for event in inside if isinstance(event, SuperstepStarted)] == [1, 2]
    (handler,) = [one for one in seen.of(RunStarted)[0].graph.executors if one.id == "sub"]
    assert [one.runs for one in handler.handlers] == ["workflow"]


@in_every_mode
async def test_SUB_1_its_handlers_see_their_full_id_and_their_own_superstep(options: Options) -> None:
    told: list[Any] = []

    async def tells(message: Any, ctx: Context) -> None:
        told.append((ctx.executor_id, ctx.superstep, ctx.source_ids))

    inner = Node("first", relay)
    sub = WorkflowExecutor(WorkflowBuilder(inner).add_edge(inner, Node("tells", tells)).build(), id="sub")
    (await ruled(siblings({"sub": sub}), 0, **options)).result
    assert told == [("sub/tells", 2, ["sub/first"])]


@in_every_mode
async def test_SUB_1_it_has_a_state_of_its_own_anew_each_time(options: Options) -> None:
    async def counts(_: Any, ctx: Context) -> None:
        await ctx.state.add("n", 1)
        await ctx.state.set("k", "inner")
        await ctx.state.update("live", lambda n: n + 1)
        await ctx.send_message("on")

    async def tells(_: Any, ctx: Context) -> None:
        await ctx.yield_output([await ctx.state.get(key) for key in ("n", "k", "live")])

    keys = [StateKey("n", 0, reducer=operator.add), StateKey("live", 10, access="live")]
    first = Node("counts", counts)
    inner = WorkflowBuilder(first, state=keys).add_edge(first, Node("tells", tells)).build()

    async def sends_two(_: Any, ctx: Context) -> None:
        await ctx.state.set("k", "outer")
        await ctx.send_message(1)
        await ctx.send_message(2)

    workflow = siblings({"sub": WorkflowExecutor(inner, id="sub")}, first=sends_two, then=give, state=keys)
    seen = await ruled(workflow, 0, **options)
    assert seen.result.outputs == [[1, "inner", 11], [1, "inner", 11]]
    assert seen.result.state == {"k": "outer", "n": 0, "live": 10}


@in_every_mode
async def test_SUB_1_locks_of_the_same_name_are_others(options: Options) -> None:
    meeting = Meeting(2)

    async def holds(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("live"):
            await meeting(ctx)

    keys = [StateKey("live", 0, access="live")]
    sub = WorkflowExecutor(alone(holds, state=keys), id="sub")
    (await ruled(siblings({"sub": sub, "outer": holds}, state=keys), 0, **options)).result


@in_every_mode
async def test_SUB_1_its_failure_is_the_executors_failure(options: Options) -> None:
    async def fails(_: Any, ctx: Context) -> None:
        await ctx.state.update("live", lambda n: n + 1)
        raise LookupError("inside")

    inner = alone(fails, state=[StateKey("live", 0, access="live")])
    watcher = Watcher()
    workflow = siblings({"sub": WorkflowExecutor(inner, id="sub")}, then=give)
    seen = await ruled(workflow, 0, watcher=watcher, **options)
    error = seen.error
    assert isinstance(error, SuperstepError)
    (inside,) = error.exceptions
    assert isinstance(inside, SuperstepError)
    assert isinstance(inside.exceptions[0], LookupError)
    assert watcher.ends()[1:] == [("sub", "failed"), ("sub/only", "failed")]
    ends = {event.scope != 0: event.status for event in watcher.of(RunEnded)}
    assert ends == {True: "failed", False: "failed"}
    assert [event.superstep for event in watcher.of(Committed)] == [1]


async def test_SUB_1_except_star_finds_what_failed_inside() -> None:
    async def writes(_: Any, ctx: Context) -> None:
        await ctx.state.set("k", ctx.executor_id)

    sub = WorkflowExecutor(siblings({"a": writes, "b": writes}), id="sub")
    found = None
    try:
        await siblings({"sub": sub}).run(0)
    except* StateConflictError as group:
        found = group.exceptions[0]
    assert isinstance(found, StateConflictError)
    assert found.executors == ("sub/a", "sub/b")


@in_every_mode
async def test_SUB_1_an_input_it_does_not_take_is_a_dropped_message(options: Options) -> None:
    class OnlyInts(Executor):
        @handler
        async def handle(self, message: int, ctx: Context) -> None: ...

    sub = WorkflowExecutor(WorkflowBuilder(OnlyInts("ints")).build(), id="sub")
    seen = await ruled(siblings({"sub": sub}), "text", **options)
    (dropped,) = seen.findings("dropped-message")
    assert "'sub' takes int, not 'text'" in dropped.message


@in_every_mode
async def test_SUB_1_nested_two_deep(options: Options) -> None:
    inner = WorkflowExecutor(doubling(), id="inner")
    middle = WorkflowBuilder(inner, name="middle").add_edge(inner, Node("give", give)).build()
    seen = await ruled(siblings({"outer": WorkflowExecutor(middle, id="outer")}, then=give), 1, **options)
    assert seen.result.outputs == [2, 3]
    executors = {event.executor for event in seen.of(HandlerStarted)}
    assert {"outer", "outer/inner", "outer/inner/double", "outer/inner/twice", "outer/give"} <= executors
    assert [event.workflow for event in seen.of(RunStarted)] == ["workflow", "middle", "doubling"]


@in_every_mode
async def test_SUB_1_two_of_them_run_side_by_side(options: Options) -> None:
    meeting = Meeting(3)

    async def meets(message: Any, ctx: Context) -> None:
        await meeting(ctx)
        await ctx.yield_output(ctx.executor_id)

    subs = {name: WorkflowExecutor(alone(meets), id=name) for name in ("one", "two")}
    seen = await ruled(siblings({**subs, "plain": meets}, then=give), 0, **options)
    assert seen.result.outputs == ["plain", "one/only", "two/only"]


@in_every_mode
async def test_SUB_1_bounded_concurrency_does_not_lock_it_out(options: Options) -> None:
    subs = {name: WorkflowExecutor(doubling(), id=name) for name in ("one", "two")}
    seen = await ruled(siblings(subs, then=give), 1, max_concurrency=1, **options)
    assert seen.result.outputs == [2, 3, 2, 3]


async def test_SUB_1_in_deterministic_mode_inner_handlers_take_part_in_the_one_schedule() -> None:
    async def reads(_: Any, ctx: Context) -> None:
        for _read in range(4):
            await ctx.state.get("k")

    workflow = siblings({"sub": WorkflowExecutor(alone(reads), id="sub"), "plain": reads})
    orders = set()
    for seed in range(12):
        one, two = [await ruled(workflow, 0, mode="deterministic", seed=seed) for _ in range(2)]
        assert comparable(one.events) == comparable(two.events)
        orders.add("".join(event.executor[0] for event in one.of(StateRead)))
    assert any("spsp" in order or "psps" in order for order in orders), "they interleave"
    assert len(orders) > 3


@in_every_mode
async def test_SUB_1_it_is_cancelled_when_a_sibling_of_its_host_fails(options: Options) -> None:
    meeting = Meeting(3)
    cleaned: list[str] = []

    async def endless(_: Any, ctx: Context) -> None:
        try:
            meeting.come(ctx)
            while True:
                await spin(ctx)
        finally:
            await spin(ctx)
            cleaned.append(ctx.executor_id)

    async def fails(_: Any, ctx: Context) -> None:
        await meeting(ctx)
        raise ValueError("on purpose")

    nested = siblings({"x": endless, "y": endless})
    watcher = Watcher()
    workflow = siblings({"sub": WorkflowExecutor(alone(WorkflowExecutor(nested, id="in")), id="sub"), "fails": fails})
    seen = await ruled(workflow, 0, watcher=watcher, **options)
    assert isinstance(seen.error, SuperstepError)
    assert [type(one) for one in seen.error.exceptions] == [ValueError]
    ends = dict(watcher.ends())
    assert {name: ends[name] for name in ("sub", "sub/in", "sub/in/x", "sub/in/y", "fails")} == {
        "sub": "cancelled", "sub/in": "cancelled", "sub/in/x": "cancelled", "sub/in/y": "cancelled", "fails": "failed",
    }  # fmt: skip
    assert sorted(cleaned) == ["sub/in/x", "sub/in/y"]
    assert [event.status for event in watcher.of(RunEnded)] == ["cancelled", "cancelled", "failed"]


@pytest.mark.parametrize("mode", ["concurrent", "deterministic"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_SUB_1_what_is_abandoned_inside_ends_before_its_host(mode: Mode, depth: int) -> None:
    async def stubborn(_: Any, ctx: Context) -> None:
        release = asyncio.Event()
        asyncio.get_running_loop().call_later(50, release.set)
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def fails(_: Any, ctx: Context) -> None:
        await ctx.sleep(1)
        raise ValueError("on purpose")

    async def main() -> Watcher:
        inner = alone(stubborn)
        for level in range(depth):
            inner = alone(WorkflowExecutor(inner, id=f"level{level}"))
        watcher = Watcher()
        options: Options = {"on_stall": "pass", "stall_timeout": 0.5, "cancel_grace": 2}
        workflow = siblings({"sub": WorkflowExecutor(inner, id="sub"), "fails": fails})
        seen = await ruled(workflow, 0, watcher=watcher, mode=mode, **options)
        assert isinstance(seen.error, SuperstepError)
        assert asyncio.get_running_loop().time() < 10
        await asyncio.sleep(100)
        assert not watcher.late
        return watcher

    watcher = run_virtual(main())
    outcomes = dict(watcher.ends())
    deepest = max(outcomes, key=len)
    assert deepest.count("/") == depth + 1
    assert outcomes[deepest] == "abandoned"
    ended = [event.executor for event in watcher.of(HandlerEnded) if event.executor.startswith("sub")]
    assert ended == sorted(ended, key=len, reverse=True), "innermost first"


def containing_itself(stop: int | None = None) -> Workflow:
    """A workflow that runs itself in its second superstep, `stop` levels deep."""

    async def first(message: int, ctx: Context) -> None:
        if stop is None or message < stop:
            await ctx.send_message(message + 1)
        else:
            await ctx.yield_output(message)

    start = Node("first", first)
    again = WorkflowExecutor(alone(give), id="again")
    workflow = WorkflowBuilder(start).add_edge(start, again).add_edge(again, Node("last", give)).build()
    again.workflow = workflow
    return workflow


@in_every_mode
async def test_SUB_1_one_that_contains_itself_may_end(options: Options) -> None:
    seen = await ruled(containing_itself(stop=4), 0, **options)
    assert seen.result.outputs == [4]
    assert "again/again/again/again/first" in {event.executor for event in seen.of(Delivered)}


async def test_SUB_1_one_that_contains_itself_for_ever_is_an_error_that_says_so() -> None:
    seen = await ruled(containing_itself(), 0)
    error: BaseException | None = seen.error
    while isinstance(error, SuperstepError):
        error = error.exceptions[0]
    assert isinstance(error, WorkflowError)
    assert "nested more than" in str(error)
    assert "does one contain itself?" in str(error)


@in_every_mode
async def test_SUB_1_findings_inside_name_the_whole_id(options: Options) -> None:
    async def sends_nowhere(_: Any, ctx: Context) -> None:
        await ctx.send_message("into the void")

    seen = await ruled(siblings({"sub": WorkflowExecutor(alone(sends_nowhere), id="sub")}), 0, **options)
    (finding,) = seen.findings("dropped-message")
    assert finding.executors == ["sub/only"]


@in_every_mode
async def test_SUB_1_strictness_reaches_inside(options: Options) -> None:
    async def sends_nowhere(_: Any, ctx: Context) -> None:
        await ctx.send_message("into the void")

    seen = await ruled(siblings({"sub": WorkflowExecutor(alone(sends_nowhere), id="sub")}), 0, strict=True, **options)
    assert isinstance(seen.error, SuperstepError)


@in_every_mode
async def test_SUB_1_sync_handlers_inside(options: Options) -> None:
    def in_thread(message: Any, ctx: Any) -> None:
        ctx.state.set("k", message)
        ctx.yield_output(ctx.state.get("k"))

    sub = WorkflowExecutor(alone(ThreadNode("only", in_thread)), id="sub")
    seen = await ruled(siblings({"sub": sub, "b": relay}, then=give), "x", **options)
    assert seen.result.outputs == ["x", "x"]


@in_every_mode
async def test_SUB_1_one_executor_may_be_hosted_many_times_at_once(options: Options) -> None:
    shared = doubling()
    subs = {name: WorkflowExecutor(shared, id=name) for name in "abc"}
    seen = await ruled(siblings(subs, then=give), 3, **options)
    assert seen.result.outputs == [6, 7] * 3


async def test_SUB_1_a_sub_workflow_without_an_id_takes_its_workflows_name() -> None:
    assert WorkflowExecutor(doubling()).id == "doubling"
