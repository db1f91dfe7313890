"""The digest recomputed from a run's events is the one the run reports, whatever happened in it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepscope import StateKey, WorkflowBuilder, WorkflowResult
from stepscope.digest import digest_of_events
from stepscope.drivers.options import Mode
from stepscope.events import AnyEvent, OutputYielded, RunEnded, Sent, SuperstepCompleted, SuperstepStarted
from stepscope.values import Value
from support.random_runs import Jitter, Program, build, first_message, programs
from support.ruled import ruled
from support.watching import Watcher
from support.workflows import Context, Node, full, sending, siblings

pytestmark = pytest.mark.filterwarnings("ignore::stepscope.WorkflowWarning")
quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
whole = settings(quick, max_examples=full(50, 1000))
MODES = st.sampled_from(["concurrent", "deterministic"])


def run(program: Program, mode: Mode, watcher: Watcher, **options: Any) -> WorkflowResult | None:
    seen = asyncio.run(
        ruled(build(program, Jitter(1)), first_message(program), watcher=watcher, mode=mode, seed=1, **options)
    )
    return seen.outcome


def until_superstep(events: list[AnyEvent], last: int) -> list[AnyEvent]:
    """A run's events up to the end of one of its own supersteps."""
    for place, event in enumerate(events):
        if isinstance(event, SuperstepCompleted) and not event.scope and event.superstep == last:
            return events[: place + 1]
    return events[:1]


@quick
@given(programs(live=True, threads=True), MODES)
def test_equals_the_results(program: Program, mode: Mode) -> None:
    watcher = Watcher()
    result = run(program, mode, watcher)
    assert result is not None
    assert digest_of_events(watcher.events) == result.digest


@pytest.mark.slow
@whole
@given(programs(live=True, threads=True), MODES)
def test_equals_the_results_of_many(program: Program, mode: Mode) -> None:
    watcher = Watcher()
    result = run(program, mode, watcher)
    assert result is not None
    assert digest_of_events(watcher.events) == result.digest


@quick
@given(programs(live=False), st.data(), MODES)
def test_of_a_failed_run_is_that_of_its_committed_part(program: Program, data: st.DataObject, mode: Mode) -> None:
    """The same program without the failure has the same digest up to there."""
    fine, failed = Watcher(), Watcher()
    run(program, mode, fine)
    node = data.draw(st.integers(0, len(program.nodes) - 1))
    if run(program.with_step(node, ("fail", data.draw(st.integers(1, 3)))), mode, failed) is not None:
        return  # it was not there in that superstep
    (end,) = [event for event in failed.of(RunEnded) if not event.scope]
    assert digest_of_events(failed.events) == digest_of_events(until_superstep(fine.events, end.supersteps))


@settings(quick, max_examples=25)
@given(programs(), MODES)
def test_after_each_superstep_it_is_another(program: Program, mode: Mode) -> None:
    watcher = Watcher()
    run(program, mode, watcher)
    steps = [event.superstep for event in watcher.of(SuperstepCompleted) if not event.scope]
    digests = [digest_of_events(until_superstep(watcher.events, step)) for step in [0, *steps]]
    assert len(set(digests)) == len(digests)
    cut = digest_of_events([e for e in watcher.events if not isinstance(e, SuperstepCompleted)])
    assert cut == digests[-1], "the commit counts, not its announcement"


@settings(quick, max_examples=25)
@given(programs(), st.data())
def test_any_message_or_output_that_differs_changes_it(program: Program, data: st.DataObject) -> None:
    watcher = Watcher()
    run(program, "deterministic", watcher)
    places = [i for i, e in enumerate(watcher.events) if isinstance(e, (Sent, OutputYielded)) and not e.scope]
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    event = watcher.events[place]
    other = Value.of("something else", "test")
    changed: AnyEvent
    if isinstance(event, Sent):
        changed = msgspec.structs.replace(event, payload=other)
    else:
        assert isinstance(event, OutputYielded)
        changed = msgspec.structs.replace(event, value=other)
    events = [*watcher.events[:place], changed, *watcher.events[place + 1 :]]
    assert digest_of_events(events) != digest_of_events(watcher.events)


async def test_what_it_hangs_on() -> None:
    async def act(message: Any, ctx: Context) -> None:
        await ctx.state.set("k", message)

    def workflow(initial: object = 1, start: str = "start") -> Any:
        return WorkflowBuilder(Node(start, act), state=[StateKey("other", initial)]).build()

    base = (await workflow().run("x")).digest
    assert (await workflow().run("x")).digest == base
    assert (await workflow().run("x", mode="deterministic", seed=9)).digest == base
    assert (await workflow().run("y")).digest != base, "the input"
    assert (await workflow(2).run("x")).digest != base, "initial state"
    assert (await workflow(start="begin").run("x")).digest != base, "where it goes"


async def test_it_does_not_hang_on_the_order_of_map_keys() -> None:
    digests = set()
    for message in ({"a": 1, "b": 2}, {"b": 2, "a": 1}):
        seen = await ruled(siblings({"a": sending(message)}), message)
        digests.add(seen.result.digest)
    assert len(digests) == 1


async def test_to_whom_a_message_is_addressed_counts() -> None:
    digests = {
        (await ruled(siblings({"a": sending(1), "b": sending(2)}, first=sending(0, target=target)), 0)).result.digest
        for target in (None, "a", "b")
    }
    assert len(digests) == 3


def test_events_that_do_not_begin_at_the_beginning_are_refused() -> None:
    watcher = Watcher()
    asyncio.run(ruled(siblings({"a": sending()}), 0, watcher=watcher))
    rest = watcher.events[1:]
    assert isinstance(rest[0], SuperstepStarted)
    with pytest.raises(ValueError, match="do not begin with a run's start"):
        digest_of_events(rest)
