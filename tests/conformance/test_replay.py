"""DET-4 and the replay half of DET-3: what a replay does, and what it says when something else happens."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from stepscope import (
    ReplayDivergence,
    ReplayReport,
    StateKey,
    Workflow,
    WorkflowBuilder,
    WorkflowError,
    WorkflowExecutor,
)
from stepscope.errors import StateUsageError
from stepscope.events import AnyEvent, EffectEnded, EffectStarted, HandlerEnded, RunEnded, Sent, StateWritten, TimedOut
from stepscope.values import Value
from support.replays import check_identical, recorded, replayed
from support.virtual_time import run_virtual
from support.workflows import (
    Act,
    Context,
    Jitter,
    Node,
    Options,
    ThreadContext,
    ThreadNode,
    alone,
    build,
    give,
    in_every_mode,
    relay,
    sending,
    siblings,
)

LIVE = [StateKey("a", initial=0, access="live"), StateKey("b", initial=0, access="live")]


async def again(workflow: Workflow, message: Any = 0, **options: Any) -> list[AnyEvent]:
    """Record a run and replay it with the same workflow; its events."""
    events = await recorded(workflow, message, **options)
    check_identical(await replayed(workflow, events), events)
    return events


def where(events: list[AnyEvent], kind: type, executor: str, number: int = 0) -> int:
    """The step of an executor's event of this kind."""
    return [one.seq for one in events if isinstance(one, kind) and getattr(one, "executor", "") == executor][number]


async def diverges(workflow: Workflow, events: list[AnyEvent], **options: Any) -> ReplayDivergence:
    """The first difference that a replay finds."""
    report = await replayed(workflow, events, **options)
    assert report.outcome == "diverged"
    assert report.divergence is not None
    with pytest.raises(ReplayDivergence):
        report.verify()
    return report.divergence


# -- effects -----------------------------------------------------------------------------------------------------------


class Oops(Exception):
    """One that needs more than a text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Calls:
    """Counts calls of effects."""

    def __init__(self) -> None:
        self.made = 0

    async def costly(self, x: int) -> int:
        """A model call, say."""
        self.made += 1
        await asyncio.sleep(0.001 * (x % 3))
        return x + 1

    def fails(self, error: BaseException) -> None:
        """One that goes wrong."""
        self.made += 1
        raise error


@in_every_mode
async def test_DET_3_a_replay_calls_no_effect(options: Options) -> None:
    calls = Calls()

    async def asks(x: int, ctx: Context) -> None:
        for y in range(2):
            await ctx.yield_output(await asyncio.gather(*(ctx.effect(calls.costly, x + y + z) for z in range(3))))

    def asks_in_a_thread(x: int, ctx: ThreadContext) -> None:
        ctx.yield_output([ctx.effect(calls.costly, x), ctx.effect(calls.costly, 7)])

    workflow = siblings({"a": asks, "t": ThreadNode("t", asks_in_a_thread), "b": asks})
    events = await recorded(workflow, 1, **options)
    assert calls.made == 14
    check_identical(await replayed(workflow, events), events)
    assert calls.made == 14


@in_every_mode
async def test_DET_3_now_random_and_uuid_are_the_recorded_ones(options: Options) -> None:
    seen: list[Any] = []

    async def draws(x: int, ctx: Context) -> None:
        seen.append((ctx.now(), ctx.random(), ctx.uuid()))

    def draws_in_a_thread(x: int, ctx: ThreadContext) -> None:
        seen.append((ctx.now(), ctx.random(), ctx.uuid()))

    workflow = siblings({"a": draws, "b": ThreadNode("b", draws_in_a_thread)})
    await again(workflow, **options)
    assert len(seen) == 4
    assert {repr(one) for one in seen[:2]} == {repr(one) for one in seen[2:]}
    assert isinstance(seen[2][2], uuid.UUID)


def test_DET_3_sleep_takes_no_time_and_a_timeout_fires_where_it_did() -> None:
    async def sleeps(x: int, ctx: Context) -> None:
        await ctx.sleep(1000)
        await ctx.state.set("slept", True)

    async def main() -> None:
        workflow = siblings({"a": sleeps, "b": relay})
        events = await recorded(workflow, 0)
        late = await recorded(workflow, 0, timeout=10)
        assert any(isinstance(one, TimedOut) for one in late)
        began = asyncio.get_running_loop().time()
        check_identical(await replayed(workflow, events), events)
        check_identical(await replayed(workflow, late), late)
        assert asyncio.get_running_loop().time() - began < 1

    run_virtual(main())


@in_every_mode
@pytest.mark.parametrize(
    ("error", "caught"),
    [
        (KeyError("k"), KeyError),
        (TimeoutError("late"), TimeoutError),
        (FileNotFoundError(2, "no such thing", "x"), OSError),
        (StateUsageError("ours"), StateUsageError),
        (Oops(3, "its module names it"), Oops),
        (ExceptionGroup("several", [ValueError("one")]), WorkflowError),
        (type("Foreign", (Exception,), {})("nobody names it"), WorkflowError),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, BaseException) else "",
)
async def test_DET_3_a_failed_effect_fails_again(error: Exception, caught: type[Exception], options: Options) -> None:
    calls = Calls()
    classes: list[type[BaseException]] = []

    async def asks(x: int, ctx: Context) -> None:
        try:
            await ctx.effect(calls.fails, error)
        except Exception as raised:
            classes.append(type(raised))
            await ctx.yield_output([type(raised).__name__, str(raised)])
        await ctx.effect(calls.fails, error)

    workflow = alone(asks)
    await again(workflow, **options)
    assert calls.made == 2
    assert issubclass(classes[1], caught)
    assert classes[1].__name__ == type(error).__name__


async def test_DET_3_an_effect_that_was_cancelled_by_its_handler() -> None:
    async def impatient(x: int, ctx: Context) -> None:
        try:
            async with asyncio.timeout(0.01):
                await ctx.sleep(5)
        except TimeoutError:
            await ctx.yield_output("too late")

    await again(alone(impatient))


@dataclass
class Answer:
    """What a model says."""

    text: str
    at: tuple[int, ...]


async def _model(x: int) -> list[Answer]:
    return [Answer("yes", (x, x))]


async def test_DET_3_results_are_the_programs_own_objects() -> None:
    async def asks(x: int, ctx: Context) -> None:
        (answer,) = await ctx.effect(_model, x)
        assert isinstance(answer, Answer)
        await ctx.yield_output(answer.at)

    await again(alone(asks))


# -- the schedule ------------------------------------------------------------------------------------------------------


async def test_DET_4_a_race_ends_as_it_did_whatever_wins_now() -> None:
    """Recorded under many timings; each replay gives way elsewhere."""
    finals = set()
    for number in range(12):
        events = await recorded(_race(Jitter(number)), 0)
        writes = [one.new for one in events if isinstance(one, StateWritten)]
        finals.add(repr(writes))
        for other in range(3):
            check_identical(await replayed(_race(Jitter(100 + other)), events), events)
    assert len(finals) > 3, "the recorded runs were all the same"


def _race(jitter: Jitter) -> Workflow:
    async def increments(x: int, ctx: Context) -> None:
        for _ in range(2):
            await jitter()
            n = await ctx.state.get("a")
            await jitter()
            await ctx.state.set("a", n + 1)

    def increments_in_a_thread(x: int, ctx: ThreadContext) -> None:
        jitter.thread()
        n = ctx.state.get("a")
        jitter.thread()
        ctx.state.set("a", n + 1)

    acts: dict[str, Any] = dict.fromkeys("xyz", increments)
    return siblings({**acts, "t": ThreadNode("t", increments_in_a_thread)}, state=LIVE)


@in_every_mode
async def test_DET_4_failures_inside_and_around_sub_workflows(options: Options) -> None:
    async def holds(x: int, ctx: Context) -> None:
        async with ctx.state.hold("a"):
            await ctx.state.set("a", x)
            await asyncio.sleep(0)
            if x == 1:
                raise ValueError("one too many")
            await ctx.sleep(0.001)

    inner = siblings({"p": holds, "q": holds, "r": relay}, state=LIVE)
    for message in (0, 1):
        await again(
            siblings({"h": WorkflowExecutor(inner, "h"), "s": holds, "t": relay}, state=LIVE), message, **options
        )


@in_every_mode
async def test_DET_4_a_run_that_was_cancelled_from_outside(options: Options) -> None:
    reached = asyncio.Event()

    async def holds(x: int, ctx: Context) -> None:
        async with ctx.state.hold("a"):
            await ctx.state.set("a", 1)
            reached.set()
            await ctx.sleep(100)

    async def waits(x: int, ctx: Context) -> None:
        async with ctx.state.hold("a"):
            pass

    async def cleans_up(x: int, ctx: Context) -> None:
        try:
            await ctx.sleep(100)
        finally:
            await ctx.state.set("b", 1)

    def in_a_thread(x: int, ctx: ThreadContext) -> None:
        ctx.sleep(100)

    inner = siblings({"p": holds, "q": waits}, state=LIVE)
    workflow = siblings(
        {
            "h": holds, "w": waits, "c": cleans_up, "t": ThreadNode("t", in_a_thread),
            "s": WorkflowExecutor(inner, "s"),
        },
        state=LIVE,
    )  # fmt: skip
    run = asyncio.create_task(recorded(workflow, 0, **options))
    await reached.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    run.cancel()
    events = await run
    last = events[-1]
    assert isinstance(last, RunEnded)
    assert last.status == "cancelled"
    check_identical(await replayed(workflow, events), events)


@in_every_mode
async def test_DET_4_a_stall_that_failed_the_run(options: Options) -> None:
    async def hangs(x: int, ctx: Context) -> None:
        async with ctx.state.hold("a"):
            await ctx.state.set("a", 1)
            await asyncio.sleep(100)

    async def waits(x: int, ctx: Context) -> None:
        await ctx.state.get("b")
        async with ctx.state.hold("a"):
            pass

    events = await again(siblings({"h": hangs, "w": waits}, state=LIVE), stall_timeout=0.05, on_stall="fail", **options)
    assert any(isinstance(one, RunEnded) and one.status == "failed" for one in events)


@in_every_mode
async def test_DET_4_a_handler_that_waits_for_a_key_no_longer_than_it_likes(options: Options) -> None:
    async def keeps(x: int, ctx: Context) -> None:
        async with ctx.state.hold("a"):
            await ctx.sleep(0.1)

    async def tries(x: int, ctx: Context) -> None:
        try:
            async with asyncio.timeout(0.02):
                async with ctx.state.hold("a"):
                    pass
        except TimeoutError:
            await ctx.yield_output("no")

    await again(siblings({"k": keeps, "t": tries, "u": tries}, state=LIVE), **options)


@in_every_mode
async def test_DET_4_a_handler_that_was_abandoned(options: Options) -> None:
    tasks: list[asyncio.Task[Any]] = []
    over = False

    async def stubborn(x: int, ctx: Context) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        while not over:
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                continue

    async def fails(x: int, ctx: Context) -> None:
        await ctx.state.get("a")
        raise ValueError

    workflow = siblings({"s": stubborn, "f": fails}) if options["mode"] == "concurrent" else siblings({"f": fails})
    events = await recorded(workflow, 0, cancel_grace=0.05, **options)
    began = time.perf_counter()
    check_identical(await replayed(workflow, events), events)
    assert time.perf_counter() - began < 4, "nobody waits for the grace again"
    over = True
    if tasks:
        await asyncio.wait(tasks)


async def test_DET_4_tasks_that_a_handler_started() -> None:
    async def spreads(x: int, ctx: Context) -> None:
        async def child(name: str, rounds: int) -> None:
            for number in range(rounds):
                await ctx.state.update("a", lambda n: n + 1)
                await ctx.send_message(f"{name}{number}")
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for name, rounds in (("p", 3), ("q", 2), ("r", 4)):
                group.create_task(child(name, rounds))
        await ctx.yield_output(await ctx.state.get("a"))

    await again(siblings({"x": spreads, "y": spreads}, state=LIVE, then=give))


@in_every_mode
async def test_DET_4_a_recording_that_was_cut_off_is_replayed_as_far_as_it_goes(options: Options) -> None:
    async def holds(x: int, ctx: Context) -> None:
        async with ctx.state.hold("a"):
            n = await ctx.state.get("a")
            ctx.random()
            await ctx.effect(asyncio.sleep, 0)
            await ctx.state.set("a", n + 1)
        await ctx.send_message(n)
        if x == 3:
            raise ValueError

    def in_a_thread(x: int, ctx: ThreadContext) -> None:
        ctx.state.update("b", lambda n: n + 1)
        ctx.sleep(0)

    inner = siblings({"p": holds}, state=LIVE)
    workflow = siblings(
        {"x": holds, "y": holds, "t": ThreadNode("t", in_a_thread), "h": WorkflowExecutor(inner, "h")},
        state=LIVE, then=relay,
    )  # fmt: skip
    for message in (1, 3):
        events = await recorded(workflow, message, **options)
        for length in range(1, len(events)):
            report = await replayed(workflow, events[:length])
            report.verify()
            assert not report.complete
            assert report.steps <= length


# -- what differs ------------------------------------------------------------------------------------------------------


async def _reads_and_sends(x: int, ctx: Context) -> None:
    await ctx.state.get("k")
    await ctx.send_message(1)


async def _ends_early(x: int, ctx: Context) -> None:
    return


async def _raises(x: int, ctx: Context) -> None:
    raise LookupError("gone")


async def _asks(x: int, ctx: Context) -> None:
    await ctx.effect(asyncio.sleep, 0)
    await ctx.send_message(1)


async def _rests(x: int, ctx: Context) -> None:
    await ctx.effect(abs, 0)
    await ctx.send_message(1)


@in_every_mode
@pytest.mark.parametrize(
    ("before", "after", "kind", "actual", "cause"),
    [
        (sending(1, 2), sending(1, 3), Sent, "sends 3", "The value differs"),
        (sending("p", "q"), sending("q", "p"), Sent, "sends 'q'", "sorted"),
        (sending(["p", "q"]), sending(["q", "p"]), Sent, "sends ['q', 'p']", "sorted"),
        (sending(1), _reads_and_sends, Sent, "reads 'k'", "Another operation"),
        (sending(1), _ends_early, Sent, "ends: completed", "Another operation"),
        (sending(1), _raises, Sent, "ends: failed: LookupError: gone", "raises this time"),
        (_ends_early, sending(1), HandlerEnded, "sends 1", "Another operation"),
        (_asks, sending(1), EffectStarted, "sends 1", "An effect was asked for differently"),
        (_asks, _rests, EffectStarted, "asks for effect 'abs'", "An effect was asked for differently"),
    ],
)
async def test_DET_4_the_first_difference_is_told(
    before: Act, after: Act, kind: type, actual: str, cause: str, options: Options
) -> None:
    def workflow(act: Act) -> Workflow:
        return siblings({"w": relay, "x": act, "y": relay}, then=give)

    events = await recorded(workflow(before), 0, **options)
    found = await diverges(workflow(after), events)
    of_x = [one for one in events if isinstance(one, kind) and getattr(one, "executor", "") == "x"]
    assert found.step == of_x[1 if actual == "sends 3" else 0].seq
    assert actual in found.actual
    assert cause in found.cause


async def test_DET_4_a_handler_that_awaits_something_that_never_comes_is_no_hang() -> None:
    gate: list[asyncio.Future[None]] = []

    async def waits(x: int, ctx: Context) -> None:
        for one in gate:
            await one
        await ctx.send_message(x)

    workflow = siblings({"a": waits, "b": relay})
    events = await recorded(workflow, 0)
    gate.append(asyncio.get_running_loop().create_future())
    began = time.perf_counter()
    found = await diverges(workflow, events, stall_timeout=0.2)
    assert time.perf_counter() - began < 10
    assert found.step == where(events, Sent, "a")
    assert re.search(r"^'a' awaits .*waits at workflows\.py:", found.actual)
    assert "ctx.effect" in found.cause


async def test_DET_4_a_key_that_nobody_gives_back_is_no_hang() -> None:
    async def first(x: int, ctx: Context) -> None:
        async with ctx.state.hold("a"):
            await ctx.state.get("a")
        await ctx.state.get("b")

    async def second(x: int, ctx: Context) -> None:
        await ctx.state.get("b")
        async with ctx.state.hold("a"):
            pass

    async def holds_longer(x: int, ctx: Context) -> None:
        async with ctx.state.hold("a"):
            await ctx.state.get("a")
            await ctx.state.get("b")

    events = await recorded(siblings({"p": first, "q": second}, state=LIVE), 0)
    began = time.perf_counter()
    found = await diverges(siblings({"p": holds_longer, "q": second}, state=LIVE), events, stall_timeout=30)
    assert time.perf_counter() - began < 5
    assert "'p'" in found.actual


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: WorkflowBuilder(Node("a", relay)).add_edge("a", Node("b", give)), "executor 'c' is gone"),
        (
            lambda: WorkflowBuilder(Node("a", relay)).add_edge("a", Node("b", give)).add_edge("b", Node("c", give)),
            "edge single b -> c is new",
        ),
        (
            lambda: WorkflowBuilder(Node("a", relay), state=[StateKey("k", 1)]).add_fan_out_edges(
                "a", [Node("b", give), Node("c", give)]
            ),
            "state key 'k' is new",
        ),
        (
            lambda: WorkflowBuilder(Node("a", relay)).add_fan_out_edges(
                "a", [Node("b", give), ThreadNode("c", lambda x, ctx: None)]
            ),
            "executor 'c' is a ThreadNode and not a Node",
        ),
        (
            lambda: WorkflowBuilder(Node("a", relay), name="other").add_fan_out_edges(
                "a", [Node("b", give), Node("c", give)]
            ),
            "workflow 'other'",
        ),
    ],
)
async def test_DET_4_another_graph_is_told_at_the_first_step(change: Callable[[], WorkflowBuilder], words: str) -> None:
    workflow = WorkflowBuilder(Node("a", relay)).add_fan_out_edges("a", [Node("b", give), Node("c", give)]).build()
    found = await diverges(build(change()), await recorded(workflow, 0))
    assert found.step == 1
    assert words in found.cause
    assert found.expected != found.actual


async def test_DET_4_a_condition_that_changed_is_told_at_the_barrier() -> None:
    def workflow(limit: int) -> Workflow:
        return WorkflowBuilder(Node("a", relay)).add_edge("a", Node("b", give), condition=lambda n: n < limit).build()

    events = await recorded(workflow(5), 3)
    found = await diverges(workflow(2), events)
    assert found.step == next(one.seq for one in events if one.kind == "routed")
    assert "condition" in found.cause


# -- what cannot be replayed -------------------------------------------------------------------------------------------


async def test_DET_4_events_that_are_no_run_of_ours() -> None:
    workflow = alone(relay)
    events = await recorded(workflow, 0)
    with pytest.raises(WorkflowError, match="no run that can be replayed"):
        await replayed(workflow, [])
    with pytest.raises(WorkflowError, match="no run that can be replayed"):
        await replayed(workflow, events[1:])


async def test_DET_4_a_replay_can_be_cancelled() -> None:
    cancelled = []
    gate: list[asyncio.Future[None]] = []

    async def waits(x: int, ctx: Context) -> None:
        for one in gate:
            try:
                await one
            except asyncio.CancelledError:
                cancelled.append(ctx.executor_id)
                raise
        await ctx.send_message(x)

    workflow = siblings({"a": waits, "b": waits})
    events = await recorded(workflow, 0)
    gate.append(asyncio.get_running_loop().create_future())
    replay: asyncio.Task[ReplayReport] = asyncio.create_task(replayed(workflow, events))
    for _ in range(50):
        await asyncio.sleep(0)
    replay.cancel()
    with pytest.raises(asyncio.CancelledError):
        await replay
    assert "a" in cancelled


async def test_DET_4_values_that_were_left_out_match_anything_and_are_counted() -> None:
    secret = Value(b"\x81\xa9$redacted\xc3")
    events = await recorded(siblings({"a": sending("token")}, then=give), 0)
    hidden = [
        msgspec.structs.replace(one, payload=secret) if isinstance(one, Sent) and one.executor == "a" else one
        for one in events
    ]
    report = await replayed(siblings({"a": sending("other")}, then=relay), hidden)
    assert report.divergence is not None
    assert report.divergence.step > where(events, Sent, "a")
    assert report.unknown == 1

    asked = alone(_asks)
    events = [
        msgspec.structs.replace(one, result=secret) if isinstance(one, EffectEnded) else one
        for one in await recorded(asked, 0)
    ]
    with pytest.raises(WorkflowError, match=r"result of effect 'sleep' .* was left out of the recording"):
        await replayed(asked, events)
