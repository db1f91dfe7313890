"""No run goes on for ever, and the cycle that kept it going is named (DLK-1)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from stepscope import ConvergenceError, SuperstepError, Workflow, WorkflowBuilder
from stepscope.events import Committed, Found, RunEnded
from support.workflows import Context, Node, Options, Seen, build, in_every_mode, relay, swallow, watch


def countdown(*names: str, max_supersteps: int, tail: bool = False) -> Workflow:
    """A cycle of executors that send on one less; the run of input n takes n + 1 supersteps."""

    async def act(hops: int, ctx: Context) -> None:
        if hops:
            await ctx.send_message(hops - 1)

    nodes = [Node(name, act) for name in names]
    builder = WorkflowBuilder(nodes[0], name="loop", max_supersteps=max_supersteps)
    for source, target in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
        builder.add_edge(source, target)
    return build(builder)


def ended(seen: Seen) -> tuple[str, int]:
    (end,) = seen.of(RunEnded)
    return end.status, end.supersteps


@in_every_mode
@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_dlk_1_quiescent_exactly_at_the_limit_succeeds(options: Options, limit: int) -> None:
    seen = await watch(countdown("a", "b", max_supersteps=limit), limit - 1, **options)
    assert seen.result.supersteps == limit
    assert seen.result.findings == []


@in_every_mode
@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_dlk_1_one_more_does_not(options: Options, limit: int) -> None:
    """All that was allowed is run and committed; no handler of the next superstep starts."""
    seen = await watch(countdown("a", "b", max_supersteps=limit), limit, **options)
    assert isinstance(seen.error, ConvergenceError)
    assert not isinstance(seen.error, SuperstepError)
    assert len(seen.of(Committed)) == limit
    assert ended(seen) == ("failed", limit)
    (found,) = seen.of(Found)
    assert (found.finding, found.clause) == ("non-convergence", "DLK-1")


@in_every_mode
@pytest.mark.parametrize("names", ["a", "ab", "abcde"])
async def test_dlk_1_the_cycle_is_named(options: Options, names: str) -> None:
    seen = await watch(countdown(*names, max_supersteps=20), 1000, **options)
    assert isinstance(seen.error, ConvergenceError)
    assert set(seen.error.executors) == set(names)
    assert len(seen.error.executors) == len(names)
    for part in ("'loop'", "20", *names):
        assert part in str(seen.error)
    cycle = [*seen.error.executors, seen.error.executors[0]]
    assert " -> ".join(cycle) in str(seen.error)
    following = dict(zip(names, names[1:] + names[0], strict=True))
    assert all(following[one] == next_one for one, next_one in pairwise(cycle))


@in_every_mode
async def test_dlk_1_the_cycle_that_is_still_active_is_named_and_not_another(options: Options) -> None:
    """One loop has ended long ago, and its messages led on into the one that does not end."""

    async def forever(hops: int, ctx: Context) -> None:
        await ctx.send_message(hops)

    a, b, c, d = Node("a", relay), Node("b", relay), Node("c", forever), Node("d", forever)

    def short(hops: int) -> bool:
        return False

    builder = WorkflowBuilder(a, max_supersteps=10).add_edge(a, b).add_edge(b, a, short).add_edge(b, c)
    seen = await watch(build(builder.add_edge(c, d).add_edge(d, c)), 0, **options)
    assert isinstance(seen.error, ConvergenceError)
    assert set(seen.error.executors) == {"c", "d"}
    assert "'a'" not in str(seen.error)
    assert "a ->" not in str(seen.error)


@in_every_mode
async def test_dlk_1_no_cycle_is_said_to_be_none(options: Options) -> None:
    nodes = [Node(name, relay) for name in "abcd"]
    workflow = WorkflowBuilder(nodes[0], max_supersteps=2).add_chain(nodes).build()
    seen = await watch(workflow, 0, **options)
    assert isinstance(seen.error, ConvergenceError)
    assert "no cycle" in str(seen.error)
    assert "c" in seen.error.executors


@in_every_mode
async def test_dlk_1_a_cycle_that_fed_the_active_one_is_active_though_it_is_not_its_turn(options: Options) -> None:
    """Only the sink has an inbox now and lies on no cycle: the loop before it has ended."""

    async def act(hops: int, ctx: Context) -> None:
        await ctx.send_message(hops - 1, "sink" if hops == 0 else None)

    a, sink, end = Node("a", act), Node("sink", relay), Node("end", swallow)
    builder = WorkflowBuilder(a, max_supersteps=4).add_edge(a, a, condition=lambda hops: hops >= 0)
    seen = await watch(
        build(builder.add_edge(a, sink, condition=lambda hops: hops < 0).add_edge(sink, end)), 2, **options
    )
    assert isinstance(seen.error, ConvergenceError)
    assert "no cycle" in str(seen.error)
    assert seen.error.executors == ("end",)
