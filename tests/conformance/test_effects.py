"""DET-3 and DET-5: effects overlap in every mode, are admitted in an order that timing does not decide, and are recorded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stepscope import Executor, SuperstepError, WorkflowExecutor
from stepscope.drivers.options import Mode
from stepscope.events import AnyEvent, EffectEnded, EffectStarted, HandlerEnded, StateRead
from stepscope.values import Value
from support.ruled import ruled
from support.virtual_time import run_virtual
from support.watching import Watcher
from support.workflows import Act, Context, Options, Seen, ThreadNode, alone, give, in_every_mode, siblings

both_modes = pytest.mark.parametrize("mode", ["concurrent", "deterministic"])


def value(x: object) -> Value:
    return Value.of(x, "test")


class _Flight:
    """Counts how many effects are in flight."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def takes(self, seconds: float, result: object = None) -> object:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(seconds)
        self.now -= 1
        return result


def timed(acts: dict[str, Act], mode: Mode, seed: int = 0) -> tuple[Seen, float]:
    """A run of siblings, and how much virtual time it took."""

    async def main() -> tuple[Seen, float]:
        seen = await ruled(siblings(acts), 0, mode=mode, seed=seed)
        return seen, asyncio.get_running_loop().time()

    return run_virtual(main())


@both_modes
def test_DET_5_ten_effects_of_siblings_take_as_long_as_one(mode: Mode) -> None:
    flight = _Flight()

    async def asks(_: Any, ctx: Context) -> None:
        await ctx.state.get("before")
        await ctx.effect(flight.takes, 10)
        await ctx.state.get("after")

    seen, seconds = timed({f"n{i}": asks for i in range(10)}, mode)
    seen.result
    assert flight.most == 10
    assert seconds == pytest.approx(10, abs=0.05)


@both_modes
def test_DET_5_and_so_do_ten_of_one_handler(mode: Mode) -> None:
    flight = _Flight()

    async def asks(_: Any, ctx: Context) -> None:
        futures = [ctx.effect(flight.takes, 10 - i, i) for i in range(10)]
        await ctx.yield_output(await asyncio.gather(*futures))

    seen, seconds = timed({"asks": asks}, mode)
    assert seen.result.outputs == [list(range(10))]
    assert flight.most == 10
    assert seconds == pytest.approx(10, abs=0.05)
    assert not seen.findings("nondeterminism"), "a gather of futures makes no child tasks"


@both_modes
def test_DET_5_one_after_another_in_a_handler_takes_the_sum(mode: Mode) -> None:
    async def asks(_: Any, ctx: Context) -> None:
        for _effect in range(3):
            await ctx.sleep(10)

    seen, seconds = timed({"a": asks, "b": asks}, mode)
    assert seconds == pytest.approx(30, abs=0.05)
    assert {event.name for event in seen.of(EffectStarted)} == {"sleep"}


@both_modes
def test_DET_5_sync_handlers_effects_overlap(mode: Mode) -> None:
    """Each effect waits until all of them are in flight: one at a time would never end."""
    meeting = asyncio.Barrier(4)

    async def meets() -> str:
        async with meeting:
            return "met"

    def asks(_: Any, ctx: Any) -> None:
        assert ctx.effect(meets) == "met"

    async def asks_too(_: Any, ctx: Context) -> None:
        assert await ctx.effect(meets) == "met"

    acts: dict[str, Act | Executor] = {name: ThreadNode(name, asks) for name in "abc"}
    seen = asyncio.run(ruled(siblings({**acts, "d": asks_too}), 0, mode=mode))
    assert seen.result.supersteps == 2


@both_modes
def test_DET_5_effects_that_are_plain_functions_overlap_in_threads(mode: Mode) -> None:
    meeting = threading.Barrier(5, timeout=20)

    async def asks(_: Any, ctx: Context) -> None:
        await asyncio.gather(ctx.effect(meeting.wait), ctx.effect(meeting.wait))

    async def asks_once(_: Any, ctx: Context) -> None:
        await ctx.effect(meeting.wait)

    seen = asyncio.run(ruled(siblings({"a": asks, "b": asks, "c": asks_once}), 0, mode=mode))
    seen.result


def _order(events: list[AnyEvent], kind: type[EffectStarted] | type[EffectEnded]) -> list[tuple[int, int]]:
    return [(event.inv, event.number) for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("seed", range(5))
def test_DET_3_first_asked_first_admitted_whatever_finished_first(seed: int) -> None:
    def run(times: dict[str, tuple[float, float]]) -> Seen:
        async def asks(_: Any, ctx: Context) -> None:
            first, second = times[ctx.executor_id]
            futures = [ctx.effect(asyncio.sleep, first, 1), ctx.effect(asyncio.sleep, second, 2)]
            assert await asyncio.gather(*futures) == [1, 2]
            await ctx.state.get("after")

        return timed({"a": asks, "b": asks, "c": asks}, "deterministic", seed)[0]

    one = run({"a": (3, 1), "b": (2, 9), "c": (1, 5)})
    other = run({"a": (1, 8), "b": (7, 2), "c": (4, 4)})
    for seen in (one, other):
        assert _order(seen.events, EffectEnded) == _order(seen.events, EffectStarted)
    assert [(e.kind, getattr(e, "inv", 0)) for e in one.events] == [
        (e.kind, getattr(e, "inv", 0)) for e in other.events
    ]


def test_DET_3_in_concurrent_mode_a_result_comes_as_it_comes() -> None:
    async def asks(_: Any, ctx: Context) -> None:
        await asyncio.gather(*(ctx.effect(asyncio.sleep, seconds) for seconds in (3, 1, 2)))

    seen, _ = timed({"a": asks}, "concurrent")
    assert [number for _, number in _order(seen.events, EffectEnded)] == [2, 3, 1]


@pytest.mark.parametrize("seed", range(5))
async def test_DET_3_a_result_is_admitted_only_when_nobody_has_anything_else_to_do(seed: int) -> None:
    async def asks(_: Any, ctx: Context) -> None:
        await ctx.effect(asyncio.sleep, 0)

    async def reads(_: Any, ctx: Context) -> None:
        for _read in range(5):
            await ctx.state.get("k")

    workflow = siblings({"asks": asks, "reads": reads, "too": reads})
    seen = await ruled(workflow, 0, mode="deterministic", seed=seed)
    (ended,) = seen.of(EffectEnded)
    assert all(event.seq < ended.seq for event in seen.of(StateRead))
    assert [event.executor for event in seen.of(HandlerEnded)][-1] == "asks"


@in_every_mode
async def test_DET_3_what_an_effect_gave_is_in_the_events_at_its_admission(options: Options) -> None:
    async def model(question: str, *, loud: bool = False) -> dict[str, str]:
        return {"to": question}

    async def asks(_: Any, ctx: Context) -> None:
        answer = await ctx.effect(model, "q")
        answer["changed"] = "later"
        assert await ctx.effect(len, "four") == 4

    seen = await ruled(alone(asks), 0, **options)
    starts, ends = seen.of(EffectStarted), seen.of(EffectEnded)
    assert [event.number for event in starts] == [event.number for event in ends] == [1, 2]
    assert [event.name.rsplit(".", 1)[-1] for event in starts] == ["model", "len"]
    assert [event.result for event in ends] == [value({"to": "q"}), value(4)]
    assert all(event.line > 0 for event in starts)


async def _by_await(futures: list[Any]) -> None:
    for future in futures:
        await future


async def _by_wait(futures: list[Any]) -> None:
    await asyncio.wait(futures)


async def _by_as_completed(futures: list[Any]) -> None:
    for one in asyncio.as_completed(futures):
        await one


async def _by_timeout(futures: list[Any]) -> None:
    async with asyncio.timeout(100):
        await asyncio.gather(*futures)


async def _by_wait_for(futures: list[Any]) -> None:
    for future in futures:
        await asyncio.wait_for(future, 100)


async def _by_shield(futures: list[Any]) -> None:
    await asyncio.gather(*map(asyncio.shield, futures))


async def _by_gather_of_gathers(futures: list[Any]) -> None:
    await asyncio.gather(asyncio.gather(*futures[:1]), asyncio.gather(*futures[1:]))


@pytest.mark.parametrize(
    "way", [_by_await, _by_wait, _by_as_completed, _by_timeout, _by_wait_for, _by_shield, _by_gather_of_gathers]
)
@both_modes
def test_DET_3_however_a_handler_waits_for_its_effects(way: Callable[[list[Any]], Awaitable[None]], mode: Mode) -> None:
    flight = _Flight()

    async def asks(_: Any, ctx: Context) -> None:
        await way([ctx.effect(flight.takes, seconds) for seconds in (3, 1, 2)])
        await ctx.state.get("after")

    seen, seconds = timed({"a": asks, "b": asks}, mode)
    assert flight.most == 6, "the turn was passed on while it waited"
    assert seconds == pytest.approx(3, abs=0.05)
    assert seen.result.findings == []


@both_modes
def test_DET_3_an_effect_that_failed_raises_where_it_is_awaited(mode: Mode) -> None:
    async def fails() -> None:
        raise LookupError("no such model")

    def fails_in_thread() -> None:
        raise LookupError("nor this")

    async def asks(_: Any, ctx: Context) -> None:
        for effect in (fails, fails_in_thread):
            with pytest.raises(LookupError):
                await ctx.effect(effect)
        results = await asyncio.gather(ctx.effect(fails), ctx.effect(len, "ok"), return_exceptions=True)
        assert isinstance(results[0], LookupError)
        assert results[1] == 2

    seen = asyncio.run(ruled(siblings({"asks": asks}), 0, mode=mode))
    seen.result
    errors = [event.error and event.error.message for event in seen.of(EffectEnded)]
    assert sorted(errors, key=str) == sorted(["no such model", "nor this", "no such model", None], key=str)


@in_every_mode
async def test_DET_3_an_effect_that_failed_unhandled_fails_the_handler(options: Options) -> None:
    async def fails() -> None:
        raise LookupError("no such model")

    async def asks(_: Any, ctx: Context) -> None:
        await ctx.effect(fails)

    seen = await ruled(alone(asks), 0, **options)
    assert isinstance(seen.error, SuperstepError)
    assert isinstance(seen.error.exceptions[0], LookupError)


@both_modes
def test_DET_3_an_effect_given_up_by_its_handler_ends_there(mode: Mode) -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def asks(_: Any, ctx: Context) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ctx.effect(slow), 5)
        await ctx.sleep(1)

    seen, seconds = timed({"asks": asks}, mode)
    assert seconds == pytest.approx(6, abs=0.05), "later effects do not wait for it"
    assert ended == ["cancelled"]
    given_up, slept = seen.of(EffectEnded)
    assert given_up.error is not None
    assert given_up.error.type == "CancelledError"
    assert slept.error is None


@both_modes
def test_DET_3_effects_nobody_waits_for_end_with_their_handler(mode: Mode) -> None:
    flight = _Flight()
    tasks: set[asyncio.Task[Any]] = set()

    async def asks(_: Any, ctx: Context) -> None:
        ctx.effect(flight.takes, 1000)
        await ctx.state.get("k")

    async def main() -> Seen:
        seen = await ruled(siblings({"asks": asks}), 0, mode=mode)
        await asyncio.sleep(0)
        tasks.update(task for task in asyncio.all_tasks() if task is not asyncio.current_task())
        assert asyncio.get_running_loop().time() < 1
        return seen

    seen = run_virtual(main())
    assert not tasks
    assert len(seen.of(EffectStarted)) == 1
    assert seen.of(EffectEnded) == []


@in_every_mode
async def test_DET_3_an_effect_may_be_asked_for_early_and_awaited_late(options: Options) -> None:
    async def asks(_: Any, ctx: Context) -> None:
        early = ctx.effect(str.upper, "early")
        await ctx.state.set("k", 1)
        late = ctx.effect(str.upper, "late")
        await ctx.yield_output(await late)
        await ctx.yield_output(await early)

    seen = await ruled(siblings({"a": asks, "b": give}), 0, **options)
    assert seen.result.outputs == ["LATE", "EARLY", 0]


@both_modes
def test_DET_3_effects_inside_sub_workflows_overlap_too(mode: Mode) -> None:
    flight = _Flight()

    async def asks(_: Any, ctx: Context) -> None:
        await ctx.effect(flight.takes, 10)

    subs: dict[str, Any] = {name: WorkflowExecutor(alone(asks), id=name) for name in "ab"}
    seen, seconds = timed({**subs, "c": asks}, mode)
    seen.result
    assert flight.most == 3
    assert seconds == pytest.approx(10, abs=0.05)


async def test_DET_3_a_watcher_sees_effects_while_they_run() -> None:
    watcher = Watcher()
    seen_inside: list[int] = []

    async def asks(_: Any, ctx: Context) -> None:
        await ctx.effect(look)

    async def look() -> None:
        seen_inside.append(len(watcher.of(EffectStarted)))

    await ruled(alone(asks), 0, watcher=watcher)
    assert seen_inside == [1]
