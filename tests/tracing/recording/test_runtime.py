"""Recordings of real runs agree with what the runtime itself answers."""

from __future__ import annotations

import asyncio
import operator
from pathlib import Path
from typing import Any, Never

import pytest

from stepscope import (
    Executor,
    StateKey,
    SuperstepError,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowExecutor,
    executor,
    handler,
)
from stepscope.events import Event
from stepscope_tracing import Recording, Run, open_recorder


class Clerk(Executor):
    """Uses every kind of state, waits for locks, sends on until the number is used up."""

    @handler
    async def work(self, n: int, ctx: WorkflowContext[int, str]) -> None:
        await ctx.state.add("hits", 1)
        await ctx.state.set(f"seen by {self.id}", {"n": n, "text": "x" * 50})
        async with ctx.state.hold("ledger"):
            before = await ctx.state.get("ledger", 0)
            await asyncio.sleep(0)
            await ctx.state.set("ledger", before + n)
        await ctx.effect(lambda: n * 2)
        if n:
            await ctx.send_message(n - 1)
        else:
            await ctx.yield_output(f"done by {self.id}")


def office(name: str = "office") -> Workflow:
    start, left, right = Clerk(id="start"), Clerk(id="left"), Clerk(id="right")
    return (
        WorkflowBuilder(
            start_executor=start,
            name=name,
            state=[StateKey("hits", initial=0, reducer=operator.add), StateKey("ledger", initial=0, access="live")],
        )
        .add_fan_out_edges(start, [left, right])
        .add_edge(left, start, condition=lambda n: n > 0)
        .build()
    )


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def recorded(path: Path, workflow: Workflow, message: Any, **options: Any) -> tuple[Any, Run]:
    result = await workflow.run(message, record=open_recorder(path), **options)
    with Recording.open(path) as recording:
        run = recording.run(result.run_id)
        return result, Run.of_events(run.events())


@pytest.mark.parametrize("mode", ["concurrent", "deterministic"])
async def test_state_outputs_and_digest_are_the_results(tmp_path: Path, mode: str) -> None:
    result, run = await recorded(tmp_path / "run.stepscope", office(), 5, mode=mode)
    assert {key: cell.value.tree() for key, cell in run.state_at(run.last).items()} == result.state
    assert [output.value.tree() for output in run.outputs()] == result.outputs
    assert run.digest() == result.digest
    assert run.counts().supersteps == result.supersteps == run.supersteps()[-1].superstep
    assert run.info.status == "completed"
    assert [f.kind for f in run.findings()] == [f.kind for f in result.findings]
    assert run.locks()
    assert all(use.acquired_seq and use.released_seq for use in run.locks())
    assert run.locks_at(run.last) == {}
    assert all(one.outcome == "completed" for one in run.deliveries())
    assert run.counts().lock_acquisitions == run.counts().deliveries
    assert [lane.executor for lane in run.lanes()] == ["start", "left", "right"]


async def test_a_sub_workflow_lies_inside_its_host(tmp_path: Path) -> None:
    host = WorkflowExecutor(office("inner"), id="host")

    @executor(id="ask")
    async def ask(n: int, ctx: WorkflowContext[int]) -> None:
        await ctx.send_message(n)

    @executor(id="end")
    async def end(text: str, ctx: WorkflowContext[Never, str]) -> None:
        await ctx.yield_output(text.upper())

    workflow = WorkflowBuilder(start_executor=ask, name="outer").add_edge(ask, host).add_edge(host, end).build()
    result, run = await recorded(tmp_path / "run.stepscope", workflow, 3)
    assert run.digest() == result.digest
    assert [output.value.tree() for output in run.outputs()] == result.outputs
    (hosting,) = run.deliveries(executor="host")
    inner = run.supersteps(hosting.inv)
    assert [span.superstep for span in inner] == list(range(1, len(inner) + 1))
    assert hosting.started < inner[0].first < inner[-1].last < hosting.ended
    assert {o.executor for o in run.invocations(inner[0].first, inner[0].last)} == {"host", "host/start"}
    assert run.state_at(run.last, scope=hosting.inv)["ledger"].value.tree() > 0
    assert run.state_at(run.last) == {}
    assert [(lane.executor, lane.depth) for lane in run.lanes()] == [
        ("ask", 0), ("host", 0), ("host/start", 1), ("host/left", 1), ("host/right", 1), ("end", 0),
    ]  # fmt: skip
    assert run.superstep_at(inner[0].first) == run.supersteps()[1]


async def test_a_failed_run_is_recorded_to_its_end(tmp_path: Path) -> None:
    @executor(id="bad")
    async def bad(n: int, ctx: WorkflowContext[Never, int]) -> None:
        await ctx.state.update("count", lambda old: old + 1)
        await ctx.yield_output(n)
        raise ValueError("no such thing")

    path = tmp_path / "run.stepscope"
    workflow = WorkflowBuilder(
        start_executor=bad, name="bad", state=[StateKey("count", initial=0, access="live")]
    ).build()
    with pytest.raises(SuperstepError):
        await workflow.run(1, record=open_recorder(path))
    with Recording.open(path) as recording:
        run = recording.run()
        assert (run.info.status, run.info.complete) == ("failed", True)
        assert run.supersteps()[0].outcome == "failed"
        assert run.outputs() == []
        assert run.state_at(run.last)["count"].value.tree() == 0
        assert run.deliveries()[0].outcome == "failed"
        assert run.find("no such thing", 1) == run.next(0, kinds=["handler-ended"])


async def test_an_announced_superstep_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    announced = 0
    async for event in office().stream(8, record=open_recorder(path)):
        if event.type == "superstep_completed":
            with Recording.open(path) as recording:
                spans = recording.run().supersteps()
                assert spans[event.superstep - 1].outcome == "completed"
            announced += 1
    with Recording.open(path) as recording:
        assert announced == len(recording.run().supersteps()) > 5


async def test_many_runs_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    recorder = open_recorder(path)
    results = await asyncio.gather(*(office().run(n, record=recorder) for n in range(8)))
    with Recording.open(path) as recording:
        assert len(recording.runs) == 8
        for result in results:
            run = recording.run(result.run_id)
            assert run.digest() == result.digest
            assert all(isinstance(event, Event) for event in run.iter_events())
    assert names_in(tmp_path) == ["run.stepscope"]
