"""DLK-5: lock orders that could deadlock are reported though nothing hung."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from stepscope import DeadlockError, Executor, StateKey, WorkflowBuilder, WorkflowContext, handler
from stepscope.analysis import lock_orders
from stepscope.events import AnyEvent, LockAcquired
from stepscope.findings import Finding
from support.watching import Watcher

Order = Sequence[str | tuple[str, ...]]


class Taker(Executor):
    """Holds keys one inside the other; a tuple is one hold of several; "?key" only reads."""

    def __init__(self, id: str, order: Order) -> None:
        super().__init__(id)
        self.order = order

    @handler
    async def take(self, _: int, ctx: WorkflowContext[int]) -> None:
        await self._nest(ctx, list(self.order))

    async def _nest(self, ctx: WorkflowContext[int], rest: list[str | tuple[str, ...]]) -> None:
        if not rest:
            return
        keys = rest[0] if isinstance(rest[0], tuple) else (rest[0],)
        if keys[0].startswith("?"):
            await ctx.state.get(keys[0][1:])
            await self._nest(ctx, rest[1:])
            return
        async with ctx.state.hold(*keys):
            await self._nest(ctx, rest[1:])


class Begin(Executor):
    """Sends to all."""

    @handler
    async def begin(self, n: int, ctx: WorkflowContext[int]) -> None:
        await ctx.send_message(n)


async def run(*orders: Order, one_after_another: bool = False) -> list[AnyEvent]:
    """Concurrent mode runs each of these to its end before the next, as nothing in them waits: nothing hangs."""
    takers = [Taker(f"t{i}", order) for i, order in enumerate(orders)]
    begin = Begin("begin")
    builder = WorkflowBuilder(begin, state=[StateKey(k, initial=0, access="live") for k in "abcdefg"])
    if one_after_another:
        chain: list[Executor] = [begin]
        for taker in takers:
            relay = Begin(f"relay-{taker.id}")
            builder.add_fan_out_edges(chain[-1], [taker, relay])
            chain.append(relay)
    else:
        builder.add_fan_out_edges(begin, takers)
    watcher = Watcher()
    await builder.build().run(1, record=watcher)
    assert any(isinstance(event, LockAcquired) for event in watcher.events)
    return list(watcher.events)


def story(findings: list[Finding]) -> list[tuple[list[str], list[str]]]:
    return [(finding.locks, sorted(finding.executors)) for finding in findings]


async def test_dlk_5_two_orders_of_two_keys() -> None:
    (finding,) = lock_orders(await run(["a", "b"], ["b", "a"]))
    assert (finding.kind, finding.clause, finding.confidence) == ("potential-deadlock", "DLK-5", "predicted")
    assert finding.locks == ["a", "b"]
    assert sorted(finding.executors) == ["t0", "t1"]
    assert finding.superstep == 2
    assert len(finding.seqs) == 2


async def test_dlk_5_three_orders_that_close_a_cycle() -> None:
    found = lock_orders(await run(["a", "b"], ["b", "c"], ["c", "a"]))
    assert story(found) == [(["a", "b", "c"], ["t0", "t1", "t2"])]


async def test_dlk_5_every_key_held_at_the_time_counts_not_only_the_one_taken_last() -> None:
    """t0 asks for c while it holds a and b; t1 for a while it holds c."""
    assert story(lock_orders(await run(["a", "b", "c"], ["c", "a"]))) == [(["a", "c"], ["t0", "t1"])]


async def test_dlk_5_the_inner_one_may_be_a_plain_read() -> None:
    found = lock_orders(await run(["a", "?b"], ["b", "?a"]))
    assert story(found) == [(["a", "b"], ["t0", "t1"])]


@pytest.mark.parametrize(
    "orders",
    [
        (["a", "b"], ["a", "b"]),
        ([("a", "b")], [("b", "a")]),
        (["a", "b"], ["b"], ["a"]),
        (["g", "a", "b"], ["g", "b", "a"]),
        (["a", "b"], ["b", "c"]),
        (["a", "b", "a"], ["a", "b"]),
    ],
    ids=["same order", "one hold", "no nesting", "gate", "no cycle", "entered again"],
)
async def test_dlk_5_orders_that_cannot_deadlock(orders: tuple[Any, ...]) -> None:
    assert lock_orders(await run(*orders)) == []


async def test_dlk_5_supersteps_do_not_overlap() -> None:
    assert lock_orders(await run(["a", "b"], ["b", "a"], one_after_another=True)) == []


async def test_dlk_5_one_executor_handles_one_message_at_a_time() -> None:
    class Both(Taker):
        @handler
        async def take(self, n: int, ctx: WorkflowContext[int]) -> None:
            await self._nest(ctx, ["a", "b"] if n == 1 else ["b", "a"])

    class Twice(Begin):
        @handler
        async def begin(self, n: int, ctx: WorkflowContext[int]) -> None:
            await ctx.send_message(1)
            await ctx.send_message(2)

    begin, both = Twice("begin"), Both("both", [])
    keys = [StateKey(k, initial=0, access="live") for k in "ab"]
    watcher = Watcher()
    await WorkflowBuilder(begin, state=keys).add_edge(begin, both).build().run(1, record=watcher)
    assert lock_orders(watcher.events) == []


async def test_dlk_5_a_deadlock_that_happened_is_not_also_possible() -> None:
    class Slow(Taker):
        async def _nest(self, ctx: WorkflowContext[int], rest: list[str | tuple[str, ...]]) -> None:
            await asyncio.sleep(0)
            await super()._nest(ctx, rest)

    begin, one, two = Begin("begin"), Slow("t0", ["a", "b"]), Slow("t1", ["b", "a"])
    keys = [StateKey(k, initial=0, access="live") for k in "ab"]
    workflow = WorkflowBuilder(begin, state=keys).add_fan_out_edges(begin, [one, two]).build()
    watcher = Watcher()
    with pytest.raises(DeadlockError):
        await workflow.run(1, record=watcher)
    assert lock_orders(watcher.events) == []
