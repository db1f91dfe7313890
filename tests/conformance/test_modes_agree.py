"""DET-2: with snapshot and reducer state, a concurrent run comes to what the deterministic one comes to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepscope import StateKey, SuperstepError, WorkflowBuilder
from stepscope.digest import digest_of_events
from stepscope.events import Delivered, Sent
from support.random_runs import KEYS, Jitter, Program, build, first_message, programs
from support.ruled import ruled
from support.watching import Watcher
from support.workflows import Context, Node, Options, full, siblings

pytestmark = pytest.mark.filterwarnings("ignore::stepscope.WorkflowWarning")
quick = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
whole = settings(quick, max_examples=full(50, 1000))
LIMITS = st.sampled_from([None, 1, 2, 3])


def observe(program: Program, jitter: int | None, **options: Any) -> dict[str, Any]:
    """What of a run must not hang on timing: all that is committed, and what went where."""
    watcher = Watcher()
    seen = asyncio.run(ruled(build(program, Jitter(jitter)), first_message(program), watcher=watcher, **options))
    sent: dict[str, list[Any]] = {}
    for event in sorted(watcher.of(Sent), key=lambda event: (event.scope != 0, event.superstep, event.number)):
        if not event.scope:
            sent.setdefault(event.executor, []).append((event.superstep, event.number, event.payload))
    inboxes = [
        (event.superstep, event.executor, event.position, event.sources, event.payload)
        for event in watcher.of(Delivered)
        if not event.scope
    ]
    result = seen.outcome
    return {
        "digest": digest_of_events(watcher.events),
        "supersteps": watcher.events[-1].superstep,
        "result": (result.outputs, result.state, result.supersteps, result.digest) if result else None,
        "sent": sent if result else None,  # a failed superstep is cut short wherever it was
        "inboxes": inboxes,
    }


def agree(program: Program, seed: int, jitters: tuple[int, ...], limit: int | None) -> None:
    expected = observe(program, None, mode="deterministic", seed=seed)
    for jitter in jitters:
        assert observe(program, jitter, seed=seed, max_concurrency=limit) == expected
    assert observe(program, jitters[0], mode="deterministic", seed=seed, max_concurrency=limit) == expected


@quick
@given(programs(threads=False), st.integers(0, 3), LIMITS)
def test_DET_2_the_modes_agree(program: Program, seed: int, limit: int | None) -> None:
    agree(program, seed, (1, 2), limit)


@settings(quick, max_examples=15)
@given(programs(threads=True), st.integers(0, 3), LIMITS)
def test_DET_2_the_modes_agree_with_threads(program: Program, seed: int, limit: int | None) -> None:
    agree(program, seed, (1,), limit)


@settings(quick, max_examples=20)
@given(programs(), st.data(), LIMITS)
def test_DET_2_what_is_committed_before_a_failure_agrees(
    program: Program, data: st.DataObject, limit: int | None
) -> None:
    node = data.draw(st.integers(0, len(program.nodes) - 1))
    agree(program.with_step(node, ("fail", data.draw(st.integers(1, 4)))), 0, (1, 2), limit)


@settings(quick, max_examples=20)
@given(programs())
def test_DET_2_and_so_do_all_seeds_where_nothing_is_drawn(program: Program) -> None:
    nodes = [replace(one, steps=tuple(step for step in one.steps if step[0] != "random")) for one in program.nodes]
    program = replace(program, nodes=tuple(nodes))
    seen = [observe(program, 1, mode="deterministic", seed=seed) for seed in range(3)]
    assert seen[0] == seen[1] == seen[2] == observe(program, 2)


@pytest.mark.slow
@whole
@given(programs(threads=True), st.integers(0, 1000), LIMITS)
def test_DET_2_the_modes_agree_in_many_programs(program: Program, seed: int, limit: int | None) -> None:
    agree(program, seed, (1, 2), limit)


@pytest.mark.parametrize("limit", [None, 1, 2])
async def test_DET_2_the_last_to_finish_is_not_the_last_in_order(limit: int | None) -> None:
    finished: list[str] = []

    async def contributes(_: Any, ctx: Context) -> None:
        for _round in range(10 if ctx.executor_id == "a" else 0):
            await asyncio.sleep(0)
        await ctx.state.add("log", [ctx.executor_id])
        await ctx.send_message(ctx.executor_id)
        await ctx.yield_output(ctx.executor_id)
        finished.append(ctx.executor_id)

    async def collects(message: Any, ctx: Context) -> None:
        await ctx.state.add("heard", [message])

    heard = StateKey("heard", [], reducer=lambda a, b: [*a, *b])
    workflow = siblings({"a": contributes, "b": contributes, "c": contributes}, state=[*KEYS, heard], then=collects)
    seen = await ruled(workflow, 0, max_concurrency=limit)
    if limit is None:
        assert finished == ["b", "c", "a"]
    assert seen.result.outputs == seen.result.state["log"] == seen.result.state["heard"] == ["a", "b", "c"]


async def test_DET_2_a_conflict_is_one_in_every_mode() -> None:
    async def writes(_: Any, ctx: Context) -> None:
        await ctx.state.set("k", ctx.executor_id)

    start = Node("start", writes)
    workflow = WorkflowBuilder(start).build()
    assert (await ruled(workflow, 0)).result.state == {"k": "start"}
    both = siblings({"a": writes, "b": writes})
    texts = set()
    every: list[Options] = [{}, {"max_concurrency": 1}, {"mode": "deterministic", "seed": 1}, {"mode": "deterministic"}]
    for options in every:
        seen = await ruled(both, 0, **options)
        assert isinstance(seen.error, SuperstepError)
        texts.add(str(seen.error))
    assert len(texts) == 1
