"""DLK-4: a superstep in which nothing happens any more is reported, with who waits for what, and may be failed.

Concurrent runs mostly; what a controlled run says of the turn that is kept is in test_determinism (DET-1). Virtual
time: a minute takes no time, and is measured exactly. Where there are threads, each waits until the report is there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stepscope import Finding, StateKey, SuperstepError, Workflow, WorkflowExecutor
from stepscope.events import AnyEvent, Found
from support.virtual_time import run_virtual
from support.watching import Watcher
from support.workflows import (
    CONCURRENT,
    Act,
    Context,
    Options,
    Seen,
    ThreadNode,
    alone,
    give,
    in_every_mode,
    siblings,
)

LIMIT = 20.0


class Clock(Watcher):
    """Also notes when, by the event loop's clock, a stall was reported."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[tuple[float, Found]] = []

    def append(self, event: AnyEvent) -> None:
        super().append(event)
        if isinstance(event, Found) and event.finding == "stalled":
            self.reports.append((asyncio.get_running_loop().time(), event))


def ran(workflow: Callable[[], Workflow], options: Options = CONCURRENT, **more: Any) -> tuple[Seen, Clock]:
    """Run in virtual time; the workflow is made inside the loop."""
    clock = Clock()

    async def main() -> Seen:
        seen = Seen(clock.events)
        async with asyncio.timeout(1000):
            try:
                seen.outcome = await workflow().run(0, record=clock, **{"stall_timeout": LIMIT, **options, **more})
            except Exception as error:
                seen.error = error
        return seen

    return run_virtual(main()), clock


def rendezvous(until: float | None = None) -> Workflow:
    """Two executors that wait for each other's event; after `until` seconds something else sets them."""
    events = {"a": asyncio.Event(), "b": asyncio.Event()}

    def waits_for(mine: str, other: str) -> Act:
        async def act(_: Any, ctx: Context) -> None:
            await events[other].wait()
            events[mine].set()
            await ctx.yield_output(mine)

        return act

    if until is not None:
        asyncio.get_running_loop().call_later(until, events["a"].set)
    return siblings({"a": waits_for("a", "b"), "b": waits_for("b", "a")})


def the_report(seen: Seen, clock: Clock) -> tuple[float, Finding | Found]:
    """The only one; a run that succeeded has it in its result, too."""
    ((at, event),) = clock.reports
    assert (event.clause, event.confidence) == ("DLK-4", "observed")
    if seen.outcome is not None:
        (finding,) = seen.findings("stalled")
        assert finding.message == event.message
    return at, event


def test_dlk_4_executors_that_wait_for_each_other_are_reported() -> None:
    seen, clock = ran(lambda: rendezvous(until=300))
    assert seen.result.outputs == ["a", "b"], "a report changes nothing"
    at, report = the_report(seen, clock)
    assert report.executors == ["a", "b"]
    assert report.superstep == 2
    assert "nothing has happened in superstep 2 for 20 s: 'a' waits for Event.wait at workflows.py:" in report.message
    assert "; 'b' waits for Event.wait at workflows.py:" in report.message
    assert LIMIT <= at <= 1.25 * LIMIT + 0.1


def test_dlk_4_it_fails_where_that_is_asked_for() -> None:
    seen, clock = ran(rendezvous, on_stall="fail")
    assert isinstance(seen.error, SuperstepError)
    assert "superstep 2 stalled: nothing happened in it for 20 s; 'a' waits for" in str(seen.error)
    assert clock.ends()[1:] == [("a", "cancelled"), ("b", "cancelled")]
    the_report(seen, clock)


def test_dlk_4_a_controlled_run_says_who_else_waits() -> None:
    seen, clock = ran(lambda: rendezvous(until=200), {"mode": "deterministic", "seed": 1}, on_stall="pass")
    assert seen.result.outputs == ["a", "b"]
    first, second = (event for _, event in clock.reports)
    assert {*first.executors, *second.executors} == {"a", "b"}
    (early,) = first.executors
    (late,) = second.executors
    assert f"{late!r} has awaited Event.wait" in second.message
    assert f"while {early!r} waits for Event.wait at workflows.py:" in second.message


def test_dlk_4_the_table_names_keys_and_their_holders() -> None:
    async def keeps(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("ledger"):
            await asyncio.Event().wait()

    async def wants(_: Any, ctx: Context) -> None:
        await ctx.state.update("ledger", lambda n: n + 1)

    seen, clock = ran(
        lambda: siblings({"a": keeps, "b": wants}, state=[StateKey("ledger", 0, access="live")]), on_stall="fail"
    )
    _, report = the_report(seen, clock)
    assert report.locks == ["ledger"]
    assert report.message.endswith("'b' waits for key 'ledger', held by 'a'.")


@pytest.mark.parametrize("on_stall", ["report", "pass"])
def test_dlk_4_a_stall_is_told_once_and_the_next_one_again(on_stall: str) -> None:
    async def twice(_: Any, ctx: Context) -> None:
        await asyncio.sleep(100)
        await ctx.state.set("x", 1)
        await asyncio.sleep(100)

    seen, clock = ran(lambda: alone(twice), on_stall=on_stall)
    assert seen.result.state == {"x": 1}
    first, second = (at for at, _ in clock.reports)
    assert LIMIT <= first <= 1.25 * LIMIT + 0.1
    assert 100 + LIMIT <= second <= 100 + 1.25 * LIMIT + 0.1


def test_dlk_4_going_round_without_a_schedule_point_is_a_stall() -> None:
    async def polls(_: Any, ctx: Context) -> None:
        for _ in range(60):
            await asyncio.sleep(1)

    seen, clock = ran(lambda: alone(polls))
    at, report = the_report(seen, clock)
    assert LIMIT <= at <= 1.25 * LIMIT + 0.1
    assert "'only' waits for sleep at workflows.py" in report.message


async def _operations(_: Any, ctx: Context) -> None:
    for _ in range(20):
        await asyncio.sleep(LIMIT * 0.9)
        await ctx.state.get("x")


async def _effect(_: Any, ctx: Context) -> None:
    await ctx.sleep(LIMIT * 10)


async def _draws(_: Any, ctx: Context) -> None:
    for _ in range(20):
        await asyncio.sleep(LIMIT * 0.9)
        ctx.random()


async def _short(_: Any, ctx: Context) -> None:
    await asyncio.sleep(LIMIT * 0.7)


async def _three_messages(message: Any, ctx: Context) -> None:
    for _ in range(3):
        await ctx.send_message(message)


async def _for_ever_nothing(_: Any, ctx: Context) -> None:
    await asyncio.sleep(LIMIT * 2)


@pytest.mark.parametrize("act", [_operations, _effect, _draws], ids=["operations", "an effect", "random numbers"])
def test_dlk_4_a_superstep_with_signs_of_life_is_no_stall(act: Act) -> None:
    async def sits(_: Any, ctx: Context) -> None:
        await asyncio.sleep(LIMIT * 9)

    seen, clock = ran(lambda: siblings({"sits": sits, "lives": act}))
    assert seen.result.findings == []
    assert not clock.reports


def test_dlk_4_handlers_that_begin_and_end_are_signs_of_life() -> None:
    async def sits(_: Any, ctx: Context) -> None:
        await asyncio.sleep(LIMIT * 2)

    seen, clock = ran(lambda: siblings({"sits": sits, "lives": _short}, first=_three_messages))
    assert [round(at) for at, _ in clock.reports] in ([], [round(at) for at, _ in clock.reports if at > LIMIT * 2])
    seen, clock = ran(lambda: siblings(dict.fromkeys("abc", _short)), max_concurrency=1)
    assert not clock.reports
    assert seen.result.supersteps == 2


def test_dlk_4_a_sub_workflow_that_stalls_is_reported_by_itself() -> None:
    def workflow() -> Workflow:
        inner = siblings({"x": _for_ever_nothing, "y": _for_ever_nothing})
        return siblings({"sub": WorkflowExecutor(inner, id="sub"), "lives": _operations}, then=give)

    seen, clock = ran(workflow)
    assert seen.result.outputs == []
    _, report = the_report(seen, clock)
    assert report.executors == ["sub/x", "sub/y"]
    assert isinstance(report, Found)
    assert report.scope > 0


def test_dlk_4_what_happens_inside_a_sub_workflow_is_a_sign_of_life_of_its_host() -> None:
    seen, clock = ran(lambda: siblings({"sub": WorkflowExecutor(siblings({"x": _operations}), id="sub")}))
    assert seen.result.findings == []
    assert not clock.reports


def test_dlk_4_one_that_stalls_with_its_host_is_in_the_hosts_table() -> None:
    def workflow() -> Workflow:
        inner = siblings({"x": _for_ever_nothing})
        return siblings({"sub": WorkflowExecutor(inner, id="sub"), "sits": _for_ever_nothing}, then=give)

    seen, clock = ran(workflow)
    assert seen.error is None
    _, report = the_report(seen, clock)
    assert report.executors == ["sub", "sits", "sub/x"]
    assert "'sub' waits for superstep 2 of its sub-workflow; " in report.message
    assert "'sub/x' waits for sleep at " in report.message
    failed, clock = ran(workflow, on_stall="fail")
    assert isinstance(failed.error, SuperstepError)
    assert {("sub", "cancelled"), ("sits", "cancelled"), ("sub/x", "cancelled")} <= set(clock.ends())


def test_dlk_4_a_stall_inside_a_sub_workflow_may_fail_its_host() -> None:
    def workflow() -> Workflow:
        inner = siblings({"x": _for_ever_nothing})
        return siblings({"sub": WorkflowExecutor(inner, id="sub"), "lives": _operations}, then=give)

    seen, clock = ran(workflow, on_stall="fail")
    assert isinstance(seen.error, SuperstepError)
    assert {("sub", "failed"), ("sub/x", "cancelled"), ("lives", "cancelled")} <= set(clock.ends())
    the_report(seen, clock)


def test_dlk_4_many_that_wait_are_counted() -> None:
    async def waits(_: Any, ctx: Context) -> None:
        await asyncio.Event().wait()

    seen, clock = ran(lambda: siblings({f"n{i}": waits for i in range(30)}), on_stall="fail")
    _, report = the_report(seen, clock)
    assert report.message.endswith("and 10 more.")
    assert len(report.executors) == 30


@in_every_mode
async def test_dlk_4_a_thread_that_does_nothing_is_reported_where_it_is(options: Options) -> None:
    told = threading.Event()

    class Tells(Watcher):
        def append(self, event: AnyEvent) -> None:
            super().append(event)
            if isinstance(event, Found) and event.finding == "stalled":
                told.set()

    def until_told(message: Any, ctx: Any) -> None:
        told.wait()
        ctx.yield_output(message)

    watcher = Tells()
    async with asyncio.timeout(20):
        result = await alone(ThreadNode("only", until_told)).run(7, record=watcher, stall_timeout=0.05, **options)
    assert result.outputs == [7]
    (report,) = [event for event in watcher.of(Found) if event.finding == "stalled"]
    assert ".wait at " in report.message
    assert "(ThreadNode.handle)" in report.message


def test_dlk_4_a_run_that_is_over_is_not_looked_at() -> None:
    async def main() -> int:
        await siblings({"a": _short, "b": _short}).run(0, stall_timeout=LIMIT)
        await asyncio.sleep(0)
        loop: Any = asyncio.get_running_loop()
        return sum(not timer.cancelled() for timer in loop._scheduled)

    assert run_virtual(main()) == 0


def test_dlk_4_findings_take_no_part_in_the_digest() -> None:
    slow, clock = ran(lambda: rendezvous(until=100))
    quick, none = ran(lambda: rendezvous(until=1))
    assert (len(clock.reports), len(none.reports)) == (1, 0)
    assert slow.result.digest == quick.result.digest
