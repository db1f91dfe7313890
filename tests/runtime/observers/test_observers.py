"""Observers: who gets what, when it is closed, and what happens when one cannot watch."""

from __future__ import annotations

import asyncio
import contextvars
import linecache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepscope import StateKey, WorkflowBuilder, WorkflowError, executor
from stepscope.drivers.options import Mode
from stepscope.events import HandlerStarted, RunEnded, RunStarted, StateRead, SuperstepCompleted
from stepscope.observe import RunSink, observing
from support.random_runs import Jitter, Program, build, first_message, programs
from support.ruled import check_run, ruled, until
from support.watching import Watcher, comparable
from support.workflows import Context, Options, Seen, alone, full, give, in_every_mode, relay, siblings

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MODES = st.sampled_from(["concurrent", "deterministic"])
pytestmark = pytest.mark.filterwarnings("ignore::stepscope.WorkflowWarning")


def obeys(program: Program, mode: Mode, fails: tuple[int, int] | None, limit: int | None, jitter: int) -> None:
    if fails is not None:
        program = program.with_step(fails[0] % len(program.nodes), ("fail", fails[1]))
    workflow = build(program, Jitter(jitter))
    asyncio.run(ruled(workflow, first_message(program), mode=mode, seed=jitter, max_concurrency=limit))


FAILS = st.none() | st.tuples(st.integers(0, 4), st.integers(1, 3))
LIMITS = st.sampled_from([None, 1, 2])


@quick
@given(programs(live=True, threads=True), MODES, FAILS, LIMITS, st.integers(0, 3))
def test_every_run_obeys_the_rules_of_the_stream(
    program: Program, mode: Mode, fails: tuple[int, int] | None, limit: int | None, jitter: int
) -> None:
    obeys(program, mode, fails, limit, jitter)


@pytest.mark.slow
@settings(quick, max_examples=full(100, 2000))
@given(programs(live=True, threads=True), MODES, FAILS, LIMITS, st.integers(0, 1000))
def test_every_run_of_many_obeys_the_rules_of_the_stream(
    program: Program, mode: Mode, fails: tuple[int, int] | None, limit: int | None, jitter: int
) -> None:
    obeys(program, mode, fails, limit, jitter)


@settings(quick, max_examples=25)
@given(programs(live=True), MODES)
def test_being_watched_changes_nothing(program: Program, mode: Mode) -> None:
    def result(**options: Any) -> Any:
        return asyncio.run(build(program, Jitter(1)).run(first_message(program), mode=mode, seed=1, **options))

    watched, unwatched = result(record=Watcher()), result()
    assert (watched.outputs, watched.state, watched.digest) == (unwatched.outputs, unwatched.state, unwatched.digest)
    assert [one.message for one in watched.findings] == [one.message for one in unwatched.findings]


@in_every_mode
async def test_several_observers_get_the_same_events(options: Options) -> None:
    one, two = Watcher(), Watcher()
    result = await siblings({"a": relay, "b": relay}, then=give).run(0, record=[one, two], **options)
    assert one.events == two.events
    check_run(one, Seen(one.events, result))


async def test_observing_gives_every_run_in_the_block_an_observer() -> None:
    class Counting:
        def __init__(self) -> None:
            self.sinks: list[Watcher] = []

        def begin(self, started: RunStarted) -> RunSink:
            self.sinks.append(Watcher())
            return self.sinks[-1]

    counting = Counting()
    with observing(counting):
        first, second = await asyncio.gather(alone(give).run(1), alone(give).run(2))
    await alone(give).run(3)
    assert len(counting.sinks) == 2
    for watcher, result in zip(counting.sinks, (first, second), strict=True):
        check_run(watcher, Seen(watcher.events, result))
        assert watcher.of(RunStarted)[0].run_id == result.run_id


async def test_an_observer_that_cannot_watch_stops_the_run_before_it_begins() -> None:
    class Refuses:
        def begin(self, started: RunStarted) -> RunSink:
            raise WorkflowError("the disk is full; give another path.")

    ran: list[int] = []

    async def act(_: Any, ctx: Context) -> None:
        ran.append(1)

    watcher = Watcher()
    with pytest.raises(WorkflowError, match="the disk is full"):
        await alone(act).run(0, record=[watcher, Refuses()])
    assert ran == []
    assert watcher.closed == 1, "the one that had begun is told"
    with pytest.raises(WorkflowError, match="the disk is full"):
        async for _event in alone(act).stream(0, record=Refuses()):
            pass


async def test_an_input_no_handler_takes_is_refused_before_anybody_watches() -> None:
    @executor
    async def ints(message: int, ctx: Context) -> None: ...

    watcher = Watcher()
    with pytest.raises(WorkflowError, match="its start executor 'ints' takes int, not the input 'text'"):
        await WorkflowBuilder(ints).build().run("text", record=watcher)
    assert watcher.events == []
    assert watcher.closed == 0


@in_every_mode
async def test_enter_handler_is_called_in_the_handlers_own_context(options: Options) -> None:
    current: contextvars.ContextVar[int] = contextvars.ContextVar("current", default=0)

    class Sets(Watcher):
        def enter_handler(self, event: HandlerStarted) -> None:
            super().enter_handler(event)
            current.set(event.inv)

    seen: dict[str, int] = {}

    async def act(message: Any, ctx: Context) -> None:
        await ctx.state.get("k")
        seen[ctx.executor_id] = current.get()
        assert await ctx.effect(current.get) == current.get()
        await ctx.send_message(message)

    watcher = Sets()
    await siblings({"a": act, "b": act}, first=act).run(0, record=watcher, **options)
    assert {event.executor: event.inv for event in watcher.entered} == seen
    assert [event.seq for event in watcher.entered] == [event.seq for event in watcher.of(HandlerStarted)]
    assert current.get() == 0, "and in no other"


@in_every_mode
async def test_flush_is_offered_at_each_barrier(options: Options) -> None:
    class Places(Watcher):
        def __init__(self) -> None:
            super().__init__()
            self.at: list[str] = []

        def flush(self, *, barrier: bool) -> None:
            if barrier:
                self.at.append(self.events[-1].kind)

    watcher = Places()
    await siblings({"a": relay}, then=give).run(0, record=watcher, **options)
    assert watcher.at == ["superstep-completed"] * 3


async def test_flush_is_offered_inside_a_long_superstep() -> None:
    watcher = Watcher()

    async def long(_: Any, ctx: Context) -> None:
        await until(lambda: watcher.flushed.count(False) >= 3)

    await alone(long).run(0, record=watcher)
    assert watcher.flushed[:3] == [False] * 3


async def test_lines_are_those_of_the_handler() -> None:
    async def helper(ctx: Context) -> None:
        await ctx.state.get("b")

    @executor(id="own")
    async def own(_: object, ctx: Context) -> None:
        await ctx.state.get("a")
        await helper(ctx)

    seen = await ruled(WorkflowBuilder(own).build(), 0)
    (handler,) = seen.of(RunStarted)[0].graph.executors[0].handlers
    assert handler.file == __file__
    lines = [linecache.getline(__file__, event.line).strip() for event in seen.of(StateRead)]
    assert lines == ['await ctx.state.get("a")', "await helper(ctx)"], "the handler's line, not the helper's"
    assert handler.line <= seen.of(StateRead)[0].line


@in_every_mode
async def test_times_never_go_back_and_count_from_the_start(options: Options) -> None:
    seen = await ruled(siblings({"a": relay, "b": relay}), 0, **options)
    times = [event.t for event in seen.events]
    assert times == sorted(times)
    assert 0 <= times[0] < 10**10


async def test_what_a_run_says_of_itself() -> None:
    watcher = Watcher()
    keys = [
        StateKey("plain"),
        StateKey("none", None),
        StateKey("live", 1, access="live"),
        StateKey("sum", 0, reducer=max),
    ]
    result = await alone(give, state=keys).run("x", record=watcher, seed=11, strict=True, max_concurrency=3)
    (started,) = watcher.of(RunStarted)
    assert (started.run_id, started.engine, started.mode, started.seed) == (
        result.run_id,
        "stepscope",
        "concurrent",
        11,
    )
    assert started.options["strict"] is True
    assert started.options["max_concurrency"] == 3
    assert started.input.fresh() == "x"
    declared = {key.name: (key.access, key.reducer, key.initial and key.initial.tree()) for key in started.graph.keys}
    assert declared == {
        "plain": ("snapshot", "", None), "none": ("snapshot", "", None), "live": ("live", "", 1), "sum": ("reducer", "max", 0),
    }  # fmt: skip
    (end,) = watcher.of(RunEnded)
    assert (end.status, end.supersteps, end.outputs) == ("completed", 1, 1)
    assert len(watcher.of(SuperstepCompleted)) == 1


async def test_runs_have_names_of_their_own() -> None:
    results = await asyncio.gather(*(alone(give).run(0) for _ in range(20)))
    assert len({one.run_id for one in results}) == 20


async def test_two_watched_runs_at_once_do_not_mix() -> None:
    watchers = [Watcher() for _ in range(4)]
    workflow = siblings({"a": relay, "b": relay}, then=give)
    results = await asyncio.gather(*(workflow.run(n, record=w, seed=1) for n, w in enumerate(watchers)))
    for number, (watcher, result) in enumerate(zip(watchers, results, strict=True)):
        check_run(watcher, Seen(watcher.events, result))
        assert result.outputs == [number, number]
    shapes = {tuple(row[0] for row in comparable(watcher.events)) for watcher in watchers}
    assert len(shapes) == 1
