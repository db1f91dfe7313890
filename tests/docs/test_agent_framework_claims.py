"""What docs/guide/moving-from-agent-framework.md says about Agent Framework is what it does: a program for each row.

Skipped where it is not installed.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Never

import pytest

from support.claims import Claims

pytest.importorskip("agent_framework")

from agent_framework import (
    Executor,
    FileCheckpointStorage,
    InMemoryCheckpointStorage,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowRunState,
    executor,
    handler,
)

claim = Claims("moving-from-agent-framework.md", "## Guarantee by guarantee")


def send_on(id: str) -> Any:
    """An executor that sends on what it gets."""

    @executor(id=id)
    async def relay(message: int, ctx: WorkflowContext[int]) -> None:
        await ctx.send_message(message)

    return relay


def collect(into: list[Any], id: str = "sink") -> Any:
    """An executor that keeps what it gets."""

    @executor(id=id)
    async def keep(message: Any, ctx: WorkflowContext[Never]) -> None:
        into.append(message)

    return keep


def siblings(workers: list[Any], **options: Any) -> Workflow:
    """A start, and executors side by side."""
    start = send_on("start")
    return WorkflowBuilder(start_executor=start, **options).add_fan_out_edges(start, workers).build()


def run(workflow: Workflow, message: Any = 0) -> Any:
    """One run."""
    return asyncio.run(workflow.run(message))


@claim("Several sources send to one target")
def arrival_order() -> None:
    chance = random.Random(1)

    def source(id: str) -> Any:
        @executor(id=id)
        async def send(n: int, ctx: WorkflowContext[str]) -> None:
            await asyncio.sleep(chance.random() / 100)
            await ctx.send_message(id)

        return send

    orders = set()
    for _ in range(12):
        got: list[Any] = []
        start, sink, sources = send_on("start"), collect(got), [source(x) for x in "abcd"]
        builder = WorkflowBuilder(start_executor=start).add_fan_out_edges(start, sources)
        for one in sources:
            builder.add_edge(one, sink)
        run(builder.build())
        orders.add(tuple(got))
    assert len(orders) > 1


@claim("One source addresses two targets of one fan-out group")
def head_of_line() -> None:
    def log_of(group: bool) -> list[str]:
        log: list[str] = []

        def target(id: str) -> Any:
            @executor(id=id)
            async def work(n: int, ctx: WorkflowContext[Never]) -> None:
                log.append(f"{id} begins")
                await asyncio.sleep(0.02)
                log.append(f"{id} ends")

            return work

        @executor(id="start")
        async def start(n: int, ctx: WorkflowContext[int]) -> None:
            await ctx.send_message(n, target_id="a")
            await ctx.send_message(n, target_id="b")

        a, b = target("a"), target("b")
        builder = WorkflowBuilder(start_executor=start)
        builder = builder.add_fan_out_edges(start, [a, b]) if group else builder.add_edge(start, a).add_edge(start, b)
        run(builder.build())
        return log

    assert log_of(group=True) == ["a begins", "a ends", "b begins", "b ends"]
    assert log_of(group=False)[:2] == ["a begins", "b begins"]


@claim("What is in a fan-in group when sources send twice?")
def fan_in_twice() -> None:
    def source(id: str, first: float) -> Any:
        @executor(id=id)
        async def send(n: int, ctx: WorkflowContext[str]) -> None:
            await asyncio.sleep(first)
            await ctx.send_message(f"{id}0")
            await asyncio.sleep(0.01)
            await ctx.send_message(f"{id}1")

        return send

    groups: list[list[str]] = []

    @executor(id="sink")
    async def sink(group: list[str], ctx: WorkflowContext[Never]) -> None:
        groups.append(group)

    start, sources = send_on("start"), [source("a", 0.03), source("b", 0)]
    builder = WorkflowBuilder(start_executor=start).add_fan_out_edges(start, sources)
    run(builder.add_fan_in_edges(sources, sink).build())
    assert sorted(groups[0]) == ["a0", "b0", "b1"]
    assert len(groups) == 1


@claim("A fan-in waits for a source that is silent")
def starved_fan_in() -> None:
    @executor(id="silent")
    async def silent(n: int, ctx: WorkflowContext[int]) -> None: ...

    groups: list[list[int]] = []

    @executor(id="sink")
    async def sink(group: list[int], ctx: WorkflowContext[Never]) -> None:
        groups.append(group)

    start, sources = send_on("start"), [send_on("loud"), silent]
    builder = WorkflowBuilder(start_executor=start).add_fan_out_edges(start, sources)
    result = run(builder.add_fan_in_edges(sources, sink).build())
    assert groups == []
    assert result.get_final_state() == WorkflowRunState.IDLE
    assert {event.type for event in result} <= {"started", "status", "executor_invoked", "executor_completed", "output",
                                                "superstep_started", "superstep_completed"}  # fmt: skip


@claim("A message that its target has no handler for")
def no_handler() -> None:
    @executor(id="start")
    async def start(n: int, ctx: WorkflowContext[Any]) -> None:
        await ctx.send_message("text")

    got: list[int] = []

    @executor(id="numbers")
    async def numbers(n: int, ctx: WorkflowContext[Never]) -> None:
        got.append(n)

    result = run(WorkflowBuilder(start_executor=start).add_edge(start, numbers).build())
    assert got == []
    assert result.get_final_state() == WorkflowRunState.IDLE


def shared() -> list[Any]:
    """What a second executor finds, after the first has done something and while its superstep goes on."""
    found: list[Any] = []
    done, looked = asyncio.Event(), asyncio.Event()

    @executor(id="writer")
    async def writer(message: list[int], ctx: WorkflowContext[Never]) -> None:
        ctx.set_state("key", "new")
        message.append(1)
        done.set()
        await looked.wait()

    @executor(id="reader")
    async def reader(message: list[int], ctx: WorkflowContext[Never]) -> None:
        await done.wait()
        found.extend([ctx.get_state("key"), list(message)])
        looked.set()

    @executor(id="start")
    async def start(message: list[int], ctx: WorkflowContext[list[int]]) -> None:
        ctx.set_state("key", "old")
        await ctx.send_message(message)

    run(WorkflowBuilder(start_executor=start).add_fan_out_edges(start, [writer, reader]).build(), [])
    return found


@claim("Does a sibling see what I wrote, before the barrier?")
def dirty_read() -> None:
    assert shared()[0] == "new"


@claim("Does changing a message's payload reach the other targets?")
def shared_payload() -> None:
    assert shared()[1] == [1]


@claim("Five executors read, wait, and write `k + 1`")
def lost_updates() -> None:
    def worker(id: str) -> Any:
        @executor(id=id)
        async def count(n: int, ctx: WorkflowContext[int]) -> None:
            k = ctx.get_state("k", 0)
            await asyncio.sleep(0.01)
            ctx.set_state("k", k + 1)
            await ctx.send_message(n)

        return count

    seen: list[int] = []

    @executor(id="after")
    async def after(group: list[int], ctx: WorkflowContext[Never]) -> None:
        seen.append(ctx.get_state("k"))

    start, workers = send_on("start"), [worker(x) for x in "abcde"]
    builder = WorkflowBuilder(start_executor=start).add_fan_out_edges(start, workers)
    run(builder.add_fan_in_edges(workers, after).build())
    assert seen == [1]


@claim("Is there a lock?")
def no_lock() -> None:
    for owner in (WorkflowContext, Workflow, WorkflowBuilder):
        assert not [name for name in dir(owner) if not name.startswith("_") and ("lock" in name or "hold" in name)]


@claim("An async handler blocks for 300 ms")
def blocked_loop() -> None:
    took: list[float] = []

    @executor(id="ticks")
    async def ticks(n: int, ctx: WorkflowContext[Never]) -> None:
        before = time.perf_counter()
        await asyncio.sleep(0.01)
        took.append(time.perf_counter() - before)

    @executor(id="blocks")
    async def blocks(n: int, ctx: WorkflowContext[Never]) -> None:
        time.sleep(0.3)  # noqa: ASYNC251 -- the claim

    run(siblings([ticks, blocks]))
    assert took[0] >= 0.29


@claim("A plain function made an executor by `@executor`")
def plain_functions() -> None:
    threads: list[threading.Thread] = []

    @executor(id="plain")
    def plain(n: int, ctx: WorkflowContext[Never]) -> None:
        threads.append(threading.current_thread())

    run(WorkflowBuilder(start_executor=plain).build())
    assert threads[0] is not threading.main_thread()

    class Method(Executor):
        @handler
        def work(self, n: int, ctx: WorkflowContext[Never]) -> None: ...

    with pytest.raises(TypeError):
        run(WorkflowBuilder(start_executor=Method(id="method")).build())


@claim("An executor raises")
def failure() -> None:
    @executor(id="bad")
    async def bad(n: int, ctx: WorkflowContext[Never]) -> None:
        await asyncio.sleep(0.01)
        raise ConnectionError

    cancelled: list[bool] = []

    @executor(id="sibling")
    async def sibling(n: int, ctx: WorkflowContext[Never]) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    @executor(id="talker")
    async def talker(n: int, ctx: WorkflowContext[int]) -> None:
        ctx.set_state("k", 1)
        await ctx.send_message(n)

    states: list[Any] = []

    @executor(id="start")
    async def start(n: int, ctx: WorkflowContext[int]) -> None:
        states.append(ctx.get_state("k"))
        await ctx.send_message(n)

    builder = WorkflowBuilder(start_executor=start).add_fan_out_edges(start, [bad, sibling, talker])
    workflow = builder.add_edge(talker, collect([])).build()

    async def main() -> tuple[list[tuple[str, Any]], str]:
        events: list[tuple[str, Any]] = []
        with pytest.raises(ConnectionError):
            async for event in workflow.run(0, stream=True):
                events.append((event.type, getattr(event, "executor_id", None)))
        with pytest.raises(Exception) as refused:
            await workflow.run(0)
        return events, str(refused.value)

    events, again = asyncio.run(main())
    assert cancelled == [True]
    assert ("executor_failed", "bad") in events
    assert {kind for kind, who in events if who == "sibling"} == {"executor_invoked"}
    assert "in-flight executor messages" in again
    assert states == [None]


@claim("A task outlives its handler")
def escaped_task() -> None:
    tasks: list[asyncio.Task[None]] = []
    got: list[Any] = []

    @executor(id="hasty")
    async def hasty(n: int, ctx: WorkflowContext[str]) -> None:
        async def later() -> None:
            await asyncio.sleep(0.01)
            ctx.set_state("late", True)
            await ctx.send_message("late")

        tasks.append(asyncio.create_task(later()))

    @executor(id="slow")
    async def slow(n: int, ctx: WorkflowContext[str]) -> None:
        await asyncio.sleep(0.05)
        await ctx.send_message("in time")

    @executor(id="sink")
    async def sink(text: str, ctx: WorkflowContext[Never]) -> None:
        got.append((text, ctx.get_state("late")))

    start = send_on("start")
    builder = WorkflowBuilder(start_executor=start).add_fan_out_edges(start, [hasty, slow])
    run(builder.add_edge(hasty, sink).add_edge(slow, sink).build())
    assert sorted(got) == [("in time", True), ("late", True)]


class Full(InMemoryCheckpointStorage):
    """A storage that cannot write."""

    async def save(self, checkpoint: Any) -> Any:
        raise OSError("no space left on device")


def two_steps(**options: Any) -> Workflow:
    """An executor, and another after it; each yields an output."""

    @executor(id="one")
    async def one(n: int, ctx: WorkflowContext[int, int]) -> None:
        await ctx.yield_output(n)
        await ctx.send_message(n + 1)

    @executor(id="two")
    async def two(n: int, ctx: WorkflowContext[Never, int]) -> None:
        await ctx.yield_output(n)

    return WorkflowBuilder(start_executor=one, name="steps", **options).add_edge(one, two).build()


@claim("A checkpoint cannot be written")
def failing_checkpoint() -> None:
    result = run(two_steps(checkpoint_storage=Full()), 1)
    assert result.get_outputs() == [1, 2]
    assert result.get_final_state() == WorkflowRunState.IDLE


@claim("What is in a checkpoint's file?")
def pickles() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(two_steps(checkpoint_storage=FileCheckpointStorage(folder)), 1)
        assert any("__pickled__" in path.read_text() for path in Path(folder).glob("*"))


@claim("A resumed run's outputs")
def resumed_outputs() -> None:
    async def main() -> list[list[int]]:
        storage = InMemoryCheckpointStorage()
        await two_steps().run(1, checkpoint_storage=storage)
        kept = sorted(await storage.list_checkpoints(workflow_name="steps"), key=lambda one: one.iteration_count)
        return [
            (await two_steps().run(checkpoint_id=one.checkpoint_id, checkpoint_storage=storage)).get_outputs()
            for one in kept
        ]

    assert asyncio.run(main()) == [[1, 2], [2], []]


@claim("Two runs of one workflow object at once")
def two_runs() -> None:
    async def main() -> list[Any]:
        workflow = two_steps()

        async def one() -> Any:
            return await workflow.run(0)

        return list(await asyncio.gather(one(), one(), return_exceptions=True))

    assert sorted(isinstance(one, Exception) for one in asyncio.run(main())) == [False, True]


@claim("Can a run be repeated exactly?")
def no_seed() -> None:
    for function in (Workflow.run, WorkflowBuilder.__init__):
        assert not [name for name in function.__annotations__ if "seed" in name or "determin" in name]


@pytest.mark.parametrize("question", claim.programs)
def test_a_row_says_what_is_so(question: str) -> None:
    claim.programs[question]()


def test_every_row_has_its_program() -> None:
    claim.check()
