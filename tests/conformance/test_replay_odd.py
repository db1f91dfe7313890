"""DET-4 over recordings that are not what a run of this workflow wrote: resumed runs, checkpoints, and nonsense."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest

from stepscope import InMemoryCheckpointStorage, StateKey, Workflow, WorkflowError, WorkflowExecutor
from stepscope.events import AnyEvent, Event, Resumed
from support.replays import check_identical, recorded, replayed
from support.watching import Watcher
from support.workflows import Context, ThreadContext, ThreadNode, full, give, in_every_mode, relay, siblings
from support.workflows import Options as Given

LIVE = [StateKey("a", initial=0, access="live"), StateKey("kept", initial=[])]


async def _works(x: int, ctx: Context) -> None:
    async with ctx.state.hold("a"):
        n = await ctx.state.get("a")
        await ctx.effect(asyncio.sleep, 0)
        ctx.random()
        await ctx.state.set("a", n + 1)
    await ctx.send_message(n)


def _in_a_thread(x: int, ctx: ThreadContext) -> None:
    ctx.state.update("a", lambda n: n + x)
    ctx.send_message(ctx.now().year)


def _rich(fails: bool = False) -> Workflow:
    async def last(x: int, ctx: Context) -> None:
        await ctx.yield_output(x)
        if fails:
            raise ValueError

    inner = siblings({"p": _works, "q": _works}, state=LIVE, then=give)
    return siblings(
        {"x": _works, "y": _works, "t": ThreadNode("t", _in_a_thread), "h": WorkflowExecutor(inner, "h")},
        state=LIVE, then=last,
    )  # fmt: skip


@in_every_mode
async def test_DET_4_checkpoints_take_no_part(options: Given) -> None:
    storage = InMemoryCheckpointStorage()
    events = await recorded(_rich(), 1, checkpoints=storage, **options)
    assert any(one.kind == "checkpointed" for one in events)
    check_identical(await replayed(_rich(), events), events)


@in_every_mode
async def test_DET_4_a_resumed_run_is_replayed_from_where_it_went_on(options: Given) -> None:
    storage = InMemoryCheckpointStorage()
    await recorded(_rich(fails=True), 1, checkpoints=storage, **options)
    for info in await storage.list_checkpoints():
        watcher = Watcher()
        await _rich().resume(storage, checkpoint_id=info.checkpoint_id, record=watcher)
        assert any(isinstance(one, Resumed) for one in watcher.events)
        check_identical(await replayed(_rich(), watcher.events), watcher.events)


async def test_DET_4_a_resumed_run_of_another_workflow() -> None:
    storage = InMemoryCheckpointStorage()
    watcher = Watcher()
    await recorded(_rich(fails=True), 1, checkpoints=storage)
    await _rich().resume(storage, record=watcher)
    resumed = watcher.events[1]
    assert isinstance(resumed, Resumed)
    one = msgspec.structs.replace(resumed.waiting[0], target="nobody")
    watcher.events[1] = msgspec.structs.replace(resumed, waiting=[one])
    with pytest.raises(WorkflowError, match="'nobody'"):
        await replayed(_rich(), watcher.events)


def _spoilt(events: list[AnyEvent], rng: random.Random) -> list[AnyEvent]:
    """The same with something wrong after the first event: gone, twice, swapped, from elsewhere, another number or text."""
    events = list(events)
    for _ in range(rng.randint(1, 3)):
        at, other = (rng.randrange(1, len(events)) for _ in range(2))
        match rng.randrange(5):
            case 0:
                del events[at]
            case 1:
                events.insert(other, events[at])
            case 2:
                events[at], events[other] = events[other], events[at]
            case 3:
                del events[at : at + rng.randint(1, 5)]
            case 4:
                events[at] = _altered(events[at], rng)
        if len(events) < 3:
            break
    return events


def _altered(event: AnyEvent, rng: random.Random) -> AnyEvent:
    changes: dict[str, Any] = {}
    for name in ("inv", "scope", "superstep", "number", "executor", "key", "outcome", "name", "reason", "queue"):
        value = getattr(event, name, None)
        if value is None or rng.random() < 0.6:
            continue
        if isinstance(value, int):
            changes[name] = rng.choice([value + 1, 0, -1, 1 << 40])
        elif isinstance(value, str):
            changes[name] = rng.choice(["", "nobody", "x", "abandoned", "cancelled", "failed", "error", "ended"])
        elif isinstance(value, list):
            changes[name] = []
    assert isinstance(event, Event)
    return msgspec.structs.replace(event, **changes)


async def _bear(rng: random.Random, mode: Any) -> str:
    events = await recorded(_rich(rng.random() < 0.4), 1, mode=mode, seed=rng.randrange(100))
    try:
        report = await replayed(_rich(rng.random() < 0.4), _spoilt(events, rng), stall_timeout=0.3, cancel_grace=0.3)
    except WorkflowError:
        return "refused"
    assert (report.divergence is None) == (report.outcome == "identical")
    return report.outcome


def _bear_many(numbers: range) -> None:
    outcomes = set()
    for number in numbers:
        rng = random.Random(number)
        outcomes.add(asyncio.run(_bear(rng, rng.choice(["concurrent", "deterministic"]))))
    assert "diverged" in outcomes


def test_DET_4_a_recording_that_makes_no_sense_is_no_hang_and_no_crash() -> None:
    _bear_many(range(20))


@pytest.mark.slow
def test_DET_4_many_recordings_that_make_no_sense() -> None:
    _bear_many(range(1000, 1000 + full(40, 800)))


async def test_DET_4_the_replay_of_a_run_that_never_began() -> None:
    first, *_, last = await recorded(_rich(), 1)
    ended = msgspec.structs.replace(last, status="cancelled", supersteps=0, outputs=0)
    assert (await replayed(_rich(), [first, ended])).outcome == "identical"
    other = await replayed(siblings({"a": relay}), [first, ended])
    assert other.divergence is not None
    assert other.divergence.step == 1
