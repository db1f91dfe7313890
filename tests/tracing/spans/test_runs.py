"""Spans of real runs: all kinds of handlers, sub-workflows, locks, failures and cancellation."""

from __future__ import annotations

import asyncio
import operator
from pathlib import Path
from typing import Any, Never

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from stepscope import (
    StateKey,
    SuperstepError,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowExecutor,
    executor,
)
from stepscope.events import AnyEvent, HandlerStarted, RunStarted
from stepscope.observe import ALL
from stepscope_tracing import Recording, open_recorder
from stepscope_tracing.otlp import OtlpObserver
from stepscope_tracing.spans import SpanObserver, spans_of_events
from support.otlp_sink import OtlpSink
from support.spans import Spans


class Kept:
    """Keeps a run's events."""

    durable = ALL

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def begin(self, started: RunStarted) -> Kept:
        return self

    def append(self, event: AnyEvent) -> None:
        self.events.append(event)

    def enter_handler(self, event: HandlerStarted) -> None: ...

    def flush(self, *, barrier: bool) -> None: ...

    def close(self) -> None: ...


class Program:
    """A program with tracing set up, its spans, and the events behind them."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("program")
        self.kept = Kept()

    async def run(self, workflow: Workflow, message: Any = "go", **options: Any) -> Any:
        return await workflow.run(message, record=[self.kept, SpanObserver(self.provider)], **options)

    def spans(self) -> Spans:
        """All spans, after checking that ours hold the run, once, and are what is made later."""
        finished = self.exporter.get_finished_spans()
        ours = Spans([span for span in finished if "stepscope.seq" in (span.attributes or {})])
        assert ours.events() == self.kept.events
        later = spans_of_events(self.kept.events, resource=self.provider.resource)
        assert [span.to_json() for span in ours.all] == [span.to_json() for span in later]
        return Spans(finished)


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.mark.parametrize("mode", ["concurrent", "deterministic"])
async def test_the_programs_own_spans_hang_under_the_handler_that_made_them(program: Program, mode: str) -> None:
    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[str]) -> None:
        with program.tracer.start_as_current_span("in task"):
            await ctx.send_message(text)
            await asyncio.sleep(0)

    @executor(id="sync")
    def sync(text: str, ctx: WorkflowContext[Never, str]) -> None:
        with program.tracer.start_as_current_span("in thread"):
            ctx.yield_output(text)

    @executor(id="other")
    async def other(text: str, ctx: WorkflowContext[Never, str]) -> None:
        async def child() -> None:
            with program.tracer.start_as_current_span("in child task"):
                pass

        await asyncio.create_task(child())

    workflow = WorkflowBuilder(start_executor=start, name="w").add_fan_out_edges(start, [sync, other]).build()
    await program.run(workflow, mode=mode)
    spans = program.spans()
    top = "invoke_workflow w"
    assert spans.path(spans.one("in task")) == [top, "superstep 1", "process start", "in task"]
    assert spans.path(spans.one("in thread")) == [top, "superstep 2", "process sync", "in thread"]
    assert spans.path(spans.one("in child task")) == [top, "superstep 2", "process other", "in child task"]
    assert spans.path(spans.one("output sync")) == [top, "superstep 2", "process sync", "output sync"]
    assert spans.roots() == [spans.one(top)]
    assert trace.get_current_span() is trace.INVALID_SPAN


def nested() -> Workflow:
    @executor(id="inner")
    async def inner(text: str, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(text + "!")

    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[str]) -> None:
        await ctx.send_message(text)

    @executor(id="end")
    async def end(text: str, ctx: WorkflowContext[Never, str]) -> None:
        await ctx.yield_output(text)

    sub = WorkflowExecutor(WorkflowBuilder(start_executor=inner, name="part").build(), id="sub")
    return WorkflowBuilder(start_executor=start, name="whole").add_chain([start, sub, end]).build()


async def test_a_sub_workflow_and_where_its_messages_came_from(program: Program) -> None:
    result = await program.run(nested())
    assert result.outputs == ["go!"]
    spans = program.spans()
    path = ["invoke_workflow whole", "superstep 2", "process sub", "invoke_workflow part", "superstep 1"]
    assert spans.path(spans.one("process sub/inner"))[:-1] == path
    assert spans.linked(spans.one("process sub/inner")) == [spans.one("invoke_workflow part")]
    assert spans.linked(spans.one("process start")) == [spans.one("invoke_workflow whole")]
    assert [span.name for span in spans.linked(spans.one("process end"))] == ["send sub"]


async def test_a_run_started_in_a_handler_is_part_of_the_same_trace(program: Program) -> None:
    @executor(id="a")
    async def small(text: str, ctx: WorkflowContext[Never, str]) -> None: ...

    workflow = WorkflowBuilder(start_executor=small, name="small").build()

    @executor(id="host")
    async def host(text: str, ctx: WorkflowContext[Never, str]) -> None:
        await workflow.run("x", record=SpanObserver(program.provider))

    await WorkflowBuilder(start_executor=host, name="big").build().run("x", record=SpanObserver(program.provider))
    spans = Spans(program.exporter.get_finished_spans())
    assert spans.path(spans.one("invoke_workflow small"))[-2:] == ["process host", "invoke_workflow small"]
    assert [span.name for span in spans.roots()] == ["invoke_workflow big"]


async def test_contention_for_a_lock(program: Program) -> None:
    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[str]) -> None:
        await ctx.send_message(text)

    def holder(name: str) -> Any:
        @executor(id=name)
        async def hold(text: str, ctx: WorkflowContext[Never, str]) -> None:
            async with ctx.state.hold("ledger"):
                n = await ctx.state.get("ledger", 0)
                await asyncio.sleep(0.005)
                await ctx.state.set("ledger", n + 1)
            await ctx.state.add("hits", 1)

        return hold

    @executor(id="reader")
    async def reader(text: str, ctx: WorkflowContext[Never, str]) -> None:
        await ctx.state.get("ledger", 0)

    keys = [StateKey("ledger", initial=0, access="live"), StateKey("hits", initial=0, reducer=operator.add)]
    workflow = (
        WorkflowBuilder(start_executor=start, name="locks", state=keys)
        .add_fan_out_edges(start, [holder("a"), holder("b"), reader])
        .build()
    )
    result = await program.run(workflow)
    assert result.state == {"ledger": 2, "hits": 2}
    spans = program.spans()
    holds = spans.named("lock.hold ledger")
    waits = {str(parent.name): wait for wait in spans.named("lock.wait ledger") if (parent := spans.parent(wait))}
    assert waits.keys() == {"process b", "process reader"}
    assert [hold for hold in holds if (spans.parent(hold) or hold).name == "process a"] == spans.linked(
        waits["process b"]
    )
    assert all((hold.end_time or 0) - (hold.start_time or 0) > 1_000_000 for hold in holds)


async def test_a_failing_superstep(program: Program) -> None:
    reached = asyncio.Event()

    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[str]) -> None:
        await ctx.send_message(text)

    @executor(id="bad")
    async def bad(text: str, ctx: WorkflowContext[Never, str]) -> None:
        await reached.wait()
        raise ValueError(f"not {text}")

    @executor(id="slow")
    async def slow(text: str, ctx: WorkflowContext[Never, str]) -> None:
        async with ctx.state.hold("ledger"):
            await ctx.state.set("ledger", 1)
            with program.tracer.start_as_current_span("slow work"):
                reached.set()
                await asyncio.sleep(60)

    workflow = (
        WorkflowBuilder(start_executor=start, name="failing", state=[StateKey("ledger", initial=0, access="live")])
        .add_fan_out_edges(start, [bad, slow])
        .build()
    )
    with pytest.raises(SuperstepError):
        await program.run(workflow)
    spans = program.spans()
    for name, error in (
        ("process bad", "not go"),
        ("process slow", "cancelled"),
        ("superstep 2", "not go"),
        ("invoke_workflow failing", None),
    ):
        status = spans.one(name).status
        assert status.status_code is StatusCode.ERROR
        assert error is None or status.description == error
    assert spans.one("superstep 1").status.status_code is StatusCode.UNSET
    (exception,) = spans.one("process bad").events
    assert "raise ValueError" in str((exception.attributes or {})["exception.stacktrace"])
    assert (exception.attributes or {})["exception.type"] == (spans.one("process bad").attributes or {})["error.type"]
    assert spans.path(spans.one("slow work"))[-2] == "process slow"
    assert len(spans.named("barrier")) == 1
    assert spans.one("state.undo ledger")


async def test_a_cancelled_run(program: Program) -> None:
    reached = asyncio.Event()

    @executor(id="a")
    async def stay(text: str, ctx: WorkflowContext[Never, str]) -> None:
        ctx.effect(asyncio.sleep, 60)
        await asyncio.sleep(0)
        reached.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(program.run(WorkflowBuilder(start_executor=stay, name="w").build()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    spans = program.spans()
    root = spans.one("invoke_workflow w")
    assert root.status.status_code is StatusCode.ERROR
    assert (root.attributes or {})["stepscope.status"] == "cancelled"
    assert spans.one("process a").status.description == "cancelled"
    assert all(span.end_time is not None for span in spans.all)


async def test_a_recording_gives_the_spans_that_the_run_gave(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    await nested().run("go", record=[open_recorder(path), SpanObserver(program.provider)])
    with Recording.open(path) as recording:
        later = list(spans_of_events(recording.run().iter_events(), resource=program.provider.resource))
    live = program.exporter.get_finished_spans()
    assert [span.to_json() for span in later] == [span.to_json() for span in live]


async def test_over_otlp_as_it_runs() -> None:
    kept = Kept()
    with OtlpSink() as sink, OtlpObserver(sink.url) as observer:
        await nested().run("go", record=[kept, observer])
        delivery = observer.close()
    expected = {span.context.span_id.to_bytes(8, "big") for span in spans_of_events(kept.events)}
    assert sink.spans.keys() == expected
    assert (delivery.complete, delivery.delivered) == (True, len(expected))
