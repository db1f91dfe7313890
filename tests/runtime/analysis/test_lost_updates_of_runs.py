"""Lost updates in runs of the runtime itself: what is reported, and what the final value says."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, Never, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from stepscope import Executor, StateKey, WorkflowBuilder, WorkflowContext, executor, handler
from stepscope.analysis import lost_updates
from stepscope.events import AnyEvent, HandlerStarted, RunStarted
from stepscope.observe import ALL, RunSink
from support.lost_update_oracle import Oracle

Act: TypeAlias = Literal["get", "set", "update", "delete", "yield", "hold", "fail"]


class Kept:
    """Observer and sink: keeps the events of a run."""

    durable = ALL

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def begin(self, started: RunStarted) -> RunSink:
        return self

    def append(self, event: AnyEvent) -> None:
        self.events.append(event)

    def enter_handler(self, event: HandlerStarted) -> None: ...
    def flush(self, *, barrier: bool) -> None: ...
    def close(self) -> None: ...


@executor(id="start")
async def start(go: str, ctx: WorkflowContext[str]) -> None:
    await ctx.send_message(go)


class Worker(Executor):
    """Does what it was given: acts, and blocks of acts inside a hold, some of which fail."""

    def __init__(self, id: str, acts: list[Any]) -> None:
        super().__init__(id)
        self.acts = acts

    @handler
    async def work(self, go: str, ctx: WorkflowContext[Never]) -> None:
        await self.do(self.acts, ctx)

    async def do(self, acts: list[Any], ctx: WorkflowContext[Never]) -> None:
        for act, inner in acts:
            match act:
                case "get":
                    await ctx.state.get("k", 0)
                case "set":
                    await ctx.state.set("k", inner)
                case "update":
                    await ctx.state.update("k", lambda n: (n or 0) + 1)
                case "delete":
                    await ctx.state.delete("k")
                case "increment":
                    await ctx.state.set("k", await ctx.state.get("k", 0) + 1)
                case "hold":
                    async with ctx.state.hold("k"):
                        await self.do(inner, ctx)
                case _:
                    try:
                        async with ctx.state.hold("k"):
                            await self.do(inner, ctx)
                            raise LookupError
                    except LookupError:
                        pass


def run(programs: list[list[Any]], seed: int) -> tuple[Any, list[AnyEvent]]:
    workers = [Worker(f"w{n}", acts) for n, acts in enumerate(programs)]
    workflow = (
        WorkflowBuilder(start_executor=start, state=[StateKey("k", initial=0, access="live")])
        .add_fan_out_edges(start, workers)
        .build()
    )
    kept = Kept()
    result = asyncio.run(workflow.run("go", mode="deterministic", seed=seed, record=kept))
    return result.state.get("k"), kept.events


plain = st.tuples(st.sampled_from(["get", "update", "delete"]), st.none()) | st.tuples(
    st.just("set"), st.integers(0, 3)
)
held = st.tuples(st.sampled_from(["hold", "fail"]), st.lists(plain, max_size=4))
programs = st.lists(st.lists(plain | held, min_size=1, max_size=6), min_size=2, max_size=4)


@settings(max_examples=60, deadline=None)
@given(programs, st.integers(0, 1000))
def test_what_is_reported_is_what_the_definition_says(given_programs: list[list[Any]], seed: int) -> None:
    _, events = run(given_programs, seed)
    assert [finding.seqs for finding in lost_updates(events)] == Oracle().run(events)


increment = st.just(("increment", None))
counting = st.lists(increment | st.tuples(st.just("update"), st.none()), min_size=1, max_size=3)
undone = st.tuples(st.just("fail"), counting)
safe = st.tuples(st.just("hold"), counting)
counters = st.lists(
    st.lists(increment | st.tuples(st.just("update"), st.none()) | safe | undone, min_size=1, max_size=4),
    min_size=2, max_size=4,
)  # fmt: skip


def increments(acts: list[Any]) -> int:
    return sum({"fail": 0, "hold": 0}.get(act, 1) + (increments(inner) if act == "hold" else 0) for act, inner in acts)


@settings(max_examples=60, deadline=None)
@given(counters, st.integers(0, 1000))
def test_a_counter_is_short_exactly_when_updates_were_lost(given_programs: list[list[Any]], seed: int) -> None:
    value, events = run(given_programs, seed)
    missing = sum(map(increments, given_programs)) - value
    lost = lost_updates(events)
    assert bool(missing) == bool(lost)
    assert missing <= len(lost)
