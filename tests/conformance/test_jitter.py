"""No order but the specified one, whatever the timing: many jittered runs for each ordering clause (ORD-1 to ORD-8).

Each scenario says what must be seen; that the real order of sends differs from run to run is checked too, so that a
pass means something.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest

from stepscope import Workflow, WorkflowBuilder
from stepscope.events import Delivered, Dropped, HandlerStarted, OutputYielded, Sent
from support.order import OrderChecker
from support.workflows import Act, Context, Jitter, Node, Seen, build, full, relay, siblings, watch

SOURCES = "cab"
"""Ids in rank order, which is not the order of ids."""


@dataclass(frozen=True)
class Scenario:
    """A workflow whose handlers jitter, and what each of its runs must show."""

    make: Callable[[Jitter], Workflow]
    look: Callable[[Seen], Any]
    expected: Any


Look: TypeAlias = Callable[[Seen], Any]


def handled(target: str) -> Look:
    """What the target's handlers got, in the order in which they began."""

    def look(seen: Seen) -> Any:
        payload = {one.inv: one.payload.tree() for one in seen.of(Delivered)}
        return [payload[one.inv] for one in seen.of(HandlerStarted, target)]

    return look


def talking(jitter: Jitter, times: int = 3) -> Act:
    """An act that sends and yields its own id with a number, jittering in between."""

    async def act(_: Any, ctx: Context) -> None:
        for number in range(times):
            await jitter()
            await ctx.send_message(f"{ctx.executor_id}{number}")
            await jitter()
            await ctx.yield_output(f"{ctx.executor_id}{number}")
        await jitter()

    return act


def taking(jitter: Jitter) -> Act:
    """An act that takes its time."""

    async def act(_: Any, ctx: Context) -> None:
        await jitter()

    return act


def many_to_one(jitter: Jitter) -> Workflow:
    return siblings(dict.fromkeys(SOURCES, talking(jitter)), then=taking(jitter))


def one_to_many(jitter: Jitter) -> Workflow:
    return siblings(dict.fromkeys(SOURCES, taking(jitter)), first=talking(jitter))


def fan_in(jitter: Jitter) -> Workflow:
    """The sources are declared in another order than their rank, and one sends more than the others."""
    start, join = Node("start", relay), Node("join", taking(jitter))
    nodes = {name: Node(name, talking(jitter, times)) for name, times in zip(SOURCES, (2, 3, 2), strict=True)}
    builder = WorkflowBuilder(start).add_fan_out_edges(start, list(nodes.values()))
    return build(builder.add_fan_in_edges([nodes["b"], nodes["c"], nodes["a"]], join))


def to_oneself(jitter: Jitter) -> Workflow:
    async def act(hops: int, ctx: Context) -> None:
        await jitter()
        if hops:
            await ctx.send_message(hops - 1)
        await jitter()

    start = Node("start", relay)
    nodes = [Node(name, act) for name in SOURCES]
    builder = WorkflowBuilder(start).add_fan_out_edges(start, nodes)
    for node in nodes:
        builder.add_fan_out_edges(node, nodes)
    return build(builder)


def refused(jitter: Jitter) -> Workflow:
    start, then = Node("start", relay), Node("then", taking(jitter))
    nodes = [Node(name, talking(jitter)) for name in SOURCES]
    builder = WorkflowBuilder(start).add_fan_out_edges(start, nodes)
    for node in nodes:
        builder.add_edge(node, then, condition=lambda text: text[1] != "1")
    return builder.build()


def all_talk(*numbers: int) -> list[str]:
    return [f"{name}{number}" for name in SOURCES for number in numbers]


SCENARIOS = {
    "ORD-1": Scenario(one_to_many, handled("a"), ["start0", "start1", "start2"]),
    "ORD-2": Scenario(many_to_one, handled("then"), all_talk(0, 1, 2)),
    "ORD-3": Scenario(
        one_to_many, lambda seen: [one.executor for one in seen.of(HandlerStarted)][:4], ["start", *SOURCES]
    ),
    "ORD-4": Scenario(fan_in, handled("join"), [["b0", "c0", "a0"], ["b1", "c1", "a1"]]),
    "ORD-5": Scenario(many_to_one, lambda seen: OrderChecker(seen.events).ord_5(), None),
    "ORD-6": Scenario(many_to_one, lambda seen: seen.result.outputs, all_talk(0, 1, 2)),
    "ORD-7": Scenario(
        to_oneself, lambda seen: [(one.superstep, one.executor) for one in seen.of(Delivered)],
        [(1, "start"), *((superstep, name) for superstep in (2, 3, 4) for name in SOURCES for _ in range(3 ** (superstep - 2)))],
    ),
    "ORD-8": Scenario(
        refused,
        lambda seen: [seen.of(Sent)[0].message > 0, *((one.source, one.why) for one in seen.of(Dropped))],
        [True, *((name, "conditions") for name in SOURCES)],
    ),
}  # fmt: skip


async def jittered(clause: str, seeds: range) -> None:
    """Run the clause's scenario under these seeds, bounded now and then."""
    scenario = SCENARIOS[clause]
    real_orders = set()
    for seed in seeds:
        limit = (None, None, 1, 2)[seed % 4] if clause != "ORD-3" else None
        seen = await watch(scenario.make(Jitter(seed)), 2, mode="concurrent", max_concurrency=limit)
        assert scenario.look(seen) == scenario.expected, f"seed {seed}"
        OrderChecker(seen.events).all()
        real_orders.add(tuple(_real_order(seen)))
    assert len(real_orders) > 1, "the jitter changed nothing: this run proves nothing"


def _real_order(seen: Seen) -> list[str]:
    return [one.executor for one in seen.events if isinstance(one, (Sent, OutputYielded, HandlerStarted))]


@pytest.mark.parametrize("clause", SCENARIOS)
async def test_a_few_jittered_runs(clause: str) -> None:
    await jittered(clause, range(4))


@pytest.mark.slow
@pytest.mark.parametrize("clause", SCENARIOS)
async def test_many_jittered_runs(clause: str) -> None:
    await jittered(clause, range(1000, 1000 + full(10, 200)))
