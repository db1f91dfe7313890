"""DET-1: the same workflow, input, seed and effects give the same events and digest, whatever else is going on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepscope import StateKey, SuperstepError, WorkflowBuilder, WorkflowWarning
from stepscope.events import Found, HandlerEnded, HandlerStarted, RunStarted, StateRead, StateWritten
from support.random_runs import Jitter, Program, build, first_message, programs
from support.repeatable import fingerprint
from support.ruled import ruled, spin
from support.virtual_time import run_virtual
from support.watching import Watcher, comparable
from support.workflows import Context, Node, Seen, alone, full, relay, siblings

pytestmark = pytest.mark.filterwarnings("ignore::stepscope.WorkflowWarning")
assert issubclass(WorkflowWarning, UserWarning)

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
whole = settings(quick, max_examples=full(50, 1000))


def repeat(program: Program, seed: int) -> None:
    """Run twice with other jitter: the events must be the same ones."""
    seen = []
    for jitter in (1, 2):
        watcher = Watcher()
        run = ruled(
            build(program, Jitter(jitter)), first_message(program), watcher=watcher, mode="deterministic", seed=seed
        )
        outcome = asyncio.run(run)
        seen.append((comparable(watcher.events), outcome.result.digest if outcome.outcome else str(outcome.error)))
    assert seen[0] == seen[1]


@quick
@given(programs(live=True), st.integers(0, 3))
def test_DET_1_jitter_changes_no_event(program: Program, seed: int) -> None:
    repeat(program, seed)


@settings(quick, max_examples=10)
@given(programs(live=True, threads=True), st.integers(0, 3))
def test_DET_1_sync_handlers_take_part_in_the_same_order(program: Program, seed: int) -> None:
    repeat(program, seed)


@settings(quick, max_examples=15)
@given(programs(live=True), st.integers(0, 3), st.data())
def test_DET_1_a_run_that_fails_fails_the_same_way(program: Program, seed: int, data: st.DataObject) -> None:
    node = data.draw(st.integers(0, len(program.nodes) - 1))
    repeat(program.with_step(node, ("fail", data.draw(st.integers(1, 3)))), seed)


@pytest.mark.slow
@whole
@given(programs(live=True, threads=True), st.integers(0, 1000))
def test_DET_1_jitter_changes_no_event_in_many_programs(program: Program, seed: int) -> None:
    repeat(program, seed)


def _environment(hash_seed: str) -> dict[str, str]:
    paths = [str(TESTS), str(ROOT / "runtime")]
    return {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(paths)}


def _in_processes(count: int, at_once: int) -> set[tuple[str, ...]]:
    outputs: set[tuple[str, ...]] = set()
    for first in range(0, count, at_once):
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "support.repeatable", "7", str(number)],
                env=_environment(str(number * 1009 + 1)),
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(first, min(count, first + at_once))
        ]
        for process in running:
            out, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            outputs.add(tuple(out.split()))
    return outputs


def test_DET_1_neither_hash_seed_nor_process_changes_events_or_digest() -> None:
    assert _in_processes(5, at_once=2) == {fingerprint(7, 0)}


@pytest.mark.slow
def test_DET_1_a_hundred_runs_under_load_are_one() -> None:
    """Four processes share the machine with two that do nothing but burn it."""
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        assert _in_processes(full(8, 100), at_once=4) == {fingerprint(7, 0)}
    finally:
        for process in burning:
            process.kill()
            process.wait()


async def _three_reads(_: Any, ctx: Context) -> None:
    for _read in range(3):
        await ctx.state.get("k")


def _order(seen: Seen, superstep: int = 2) -> str:
    return "".join(event.executor for event in seen.of(StateRead) if event.superstep == superstep)


async def test_DET_1_a_seed_means_the_same_everywhere() -> None:
    """Written down: these orders may never change, with no Python version and on no machine."""
    workflow = siblings({"a": _three_reads, "b": _three_reads, "c": _three_reads})
    orders = [_order(await ruled(workflow, 0, mode="deterministic", seed=seed)) for seed in (0, 1, 2, -5, 2**70)]
    assert orders == GOLDEN


GOLDEN = ["aabbacbcc", "abbbacacc", "cbcbcaaba", "aabbacccb", "aabbacbcc"]


async def test_DET_1_other_seeds_give_other_interleavings() -> None:
    workflow = siblings({"a": _three_reads, "b": _three_reads, "c": _three_reads})
    seen = [await ruled(workflow, 0, mode="deterministic", seed=seed) for seed in range(30)]
    orders = {_order(one) for one in seen}
    assert len(orders) > 20
    assert {one[0] for one in orders} == {"a", "b", "c"}, "anybody may go first"
    assert len({one.result.digest for one in seen}) == 1, "and for snapshot state it does not matter (DET-2)"


async def test_DET_1_no_seed_means_zero() -> None:
    workflow = siblings({"a": _three_reads, "b": _three_reads})
    without = await ruled(workflow, 0, mode="deterministic")
    zero = await ruled(workflow, 0, mode="deterministic", seed=0)
    assert comparable(without.events) == comparable(zero.events)
    assert without.of(RunStarted)[0].seed == 0


async def test_DET_1_a_supersteps_schedule_does_not_hang_on_earlier_ones() -> None:
    orders = []
    for length in (0, 1, 17):

        async def first(message: Any, ctx: Context, length: int = length) -> None:
            for _ in range(length):
                await ctx.state.get("k")
            await ctx.send_message(message)

        workflow = siblings({"a": _three_reads, "b": _three_reads, "c": _three_reads}, first=first)
        orders.append(_order(await ruled(workflow, 0, mode="deterministic", seed=5)))
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize("seed", range(4))
def test_DET_1_a_foreign_await_keeps_the_turn(seed: int) -> None:
    """Whoever takes longer changes nothing: nobody else goes on meanwhile."""

    def times(a: float, b: float) -> list[tuple[Any, ...]]:
        async def waits(_: Any, ctx: Context) -> None:
            for _round in range(3):
                await ctx.state.get("k")
                await asyncio.sleep(a if ctx.executor_id == "a" else b)

        async def main() -> list[tuple[Any, ...]]:
            seen = await ruled(siblings({"a": waits, "b": waits}), 0, mode="deterministic", seed=seed)
            seen.result
            return comparable(seen.events)

        return run_virtual(main())

    assert times(5, 0.001) == times(0.001, 5)


async def _waits_long(_: Any, ctx: Context) -> None:
    await ctx.state.get("k")
    await asyncio.sleep(40)
    await ctx.state.set("waited", True)


def _stalled(on_stall: str) -> tuple[Seen, Watcher]:
    async def main() -> tuple[Seen, Watcher]:
        watcher = Watcher()
        options: dict[str, Any] = {"mode": "deterministic", "seed": 3, "stall_timeout": 30, "on_stall": on_stall}
        workflow = siblings({"long": _waits_long, "other": _three_reads})
        return await ruled(workflow, 0, watcher=watcher, **options), watcher

    return run_virtual(main())


def _stall_report(watcher: Watcher) -> Found:
    (report,) = [event for event in watcher.of(Found) if event.finding == "stalled"]
    assert report.executors == ["long"]
    assert "has awaited" in report.message
    assert "sleep" in report.message, "it names what is awaited"
    assert "for 30 s" in report.message
    return report  # type: ignore[no-any-return]


def _during(watcher: Watcher, report: Found) -> int:
    """How many reads of the sibling came between the report and the end of the one that waits."""
    (end,) = watcher.of(HandlerEnded, executor="long")
    return sum(report.seq < event.seq < end.seq for event in watcher.of(StateRead, executor="other"))


def test_DET_1_a_stall_is_reported_and_the_turn_is_kept() -> None:
    seen, watcher = _stalled("report")
    assert seen.result.state == {"waited": True}
    report = _stall_report(watcher)
    after = [event for event in watcher.events if event.seq > report.seq]
    assert after[0].kind == "state-written", "nobody else went on"
    assert not seen.findings("nondeterminism")


def test_DET_1_a_stall_may_pass_the_turn_and_marks_the_run() -> None:
    seen, watcher = _stalled("pass")
    assert seen.result.state == {"waited": True}
    _stall_report(watcher)
    (mark,) = seen.findings("nondeterminism")
    assert (mark.executors, mark.clause) == (["long"], "DET-1")
    assert watcher.of(HandlerEnded)[-1].executor == "long", "the others did not wait for it"


def test_DET_1_a_stall_may_fail_the_superstep() -> None:
    seen, watcher = _stalled("fail")
    assert isinstance(seen.error, SuperstepError)
    assert "'long' stalled" in str(seen.error)
    _stall_report(watcher)
    assert dict(watcher.ends())["long"] == "cancelled"


async def test_DET_1_operations_of_child_tasks_mark_the_run() -> None:
    async def children(_: Any, ctx: Context) -> None:
        await asyncio.gather(ctx.state.get("a"), ctx.state.set("b", 1), ctx.state.get("c"))

    seen = await ruled(siblings({"children": children, "other": _three_reads}), 0, mode="deterministic")
    (mark,) = seen.findings("nondeterminism")
    assert mark.executors == ["children"]
    assert "a task that the handler started" in mark.message
    assert seen.result.state == {"b": 1}
    concurrent = await ruled(siblings({"children": children, "other": _three_reads}), 0)
    assert not concurrent.findings("nondeterminism"), "nothing is promised there"


async def test_DET_1_child_tasks_without_operations_do_not() -> None:
    async def children(_: Any, ctx: Context) -> None:
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(5)))
        await ctx.state.get("k")

    seen = await ruled(siblings({"children": children, "other": _three_reads}), 0, mode="deterministic")
    assert not seen.findings("nondeterminism")


async def test_DET_1_live_state_under_a_seed_is_repeatable_though_it_races() -> None:
    async def increments(_: Any, ctx: Context) -> None:
        n = await ctx.state.get("n")
        await ctx.state.set("n", n + 1)

    workflow = siblings(dict.fromkeys("abcd", increments), state=[StateKey("n", 0, access="live")])
    by_seed = []
    for seed in range(12):
        results = [await ruled(workflow, 0, mode="deterministic", seed=seed) for _ in range(2)]
        assert comparable(results[0].events) == comparable(results[1].events)
        by_seed.append(results[0].result.state["n"])
    assert len(set(by_seed)) > 1, "seeds show the race"


async def test_DET_1_starts_are_schedule_points_too() -> None:
    async def nothing(_: Any, ctx: Context) -> None: ...

    workflow = siblings(dict.fromkeys("abc", nothing))
    firsts = set()
    for seed in range(20):
        seen = await ruled(workflow, 0, mode="deterministic", seed=seed)
        firsts.add([event.executor for event in seen.of(HandlerStarted)][1])
    assert firsts == {"a", "b", "c"}


async def test_DET_1_a_set_as_a_value_is_stored_sorted() -> None:
    async def sends(_: Any, ctx: Context) -> None:
        await ctx.state.set("k", {"gamma", "alpha", "beta"})
        await ctx.yield_output(frozenset({3, 1, 2}))

    seen = await ruled(alone(sends), 0, mode="deterministic")
    (written,) = seen.of(StateWritten)
    assert written.new is not None
    assert written.new.tree() == {"$set": ["beta", "alpha", "gamma"]}, "in the order of their encoding: shorter first"


async def test_DET_1_a_handler_that_spins_on_foreign_awaits_does_not_let_others_in() -> None:
    async def busy(_: Any, ctx: Context) -> None:
        await ctx.state.get("first")
        for _round in range(50):
            await asyncio.sleep(0)
        await ctx.state.get("last")

    start, other = Node("busy", busy), Node("then", relay)
    seen = await ruled(WorkflowBuilder(start).add_edge(start, other).build(), 0, mode="deterministic")
    assert [event.key for event in seen.of(StateRead)] == ["first", "last"]
    both = siblings({"busy": busy, "reads": _three_reads})
    for seed in range(5):
        watcher = Watcher()
        await ruled(both, 0, watcher=watcher, mode="deterministic", seed=seed)
        assert not [event for event in watcher.of(Found) if event.finding in ("nondeterminism", "stalled")]
    await spin_is_foreign()


async def spin_is_foreign() -> None:
    """`spin`, which many tests lean on, really has a foreign await in it."""

    async def spins(_: Any, ctx: Context) -> None:
        await spin(ctx)

    assert (await ruled(alone(spins), 0, mode="deterministic")).result.supersteps == 1
