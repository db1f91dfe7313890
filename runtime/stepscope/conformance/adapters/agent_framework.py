"""Microsoft Agent Framework behind the vectors: programs in its own idioms, what it says on its documented channels.

State is its shared `State`: a read-modify-write is a get and a set with no await between, which is the strongest thing
it offers, and what a reducer or an `update` becomes. What it says is: its event stream, the errors it raises, log
records from WARNING up, warnings, and the delivery status on its telemetry's spans.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent_framework import (
    Case,
    Default,
    WorkflowBuilder,
    WorkflowCheckpointException,
    WorkflowConvergenceException,
    WorkflowExecutor,
)
from agent_framework.observability import enable_instrumentation
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from .. import program as p
from ..adapter import unless_stopped
from ..observation import Ran, Report
from ..operations import ProgramError, Unsupported
from ..stage import Stage
from ..steps import When
from ..vector import Kind, Run
from .agent_framework_node import NodeExecutor
from .agent_framework_storage import Storage


def make() -> AgentFrameworkAdapter:
    """The adapter."""
    return AgentFrameworkAdapter()


class AgentFrameworkAdapter:
    """Builds workflows with the public API, and watches their event streams."""

    def __init__(self) -> None:
        """Telemetry is switched on: its spans say what became of messages."""
        self._spans = _Spans()
        if not isinstance(trace.get_tracer_provider(), TracerProvider):
            trace.set_tracer_provider(TracerProvider())
        provider: Any = trace.get_tracer_provider()
        provider.add_span_processor(self._spans)
        enable_instrumentation()

    async def run(self, program: p.Program, message: Any, how: Run, stage: Stage) -> Ran:
        """See `Adapter`."""
        _refuse(how)
        one = _OneRun(stage)
        self._spans.run = one
        kept = tempfile.TemporaryDirectory(prefix="stepscope-conformance-")
        heard = _Heard(stage)
        logger = logging.getLogger("agent_framework")
        logger.addHandler(heard)
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                workflow = one.tried(program)
            for said in warned:
                stage.report("other", str(said.message))
            if workflow is None:
                return one.ran()
            storage = None
            if how.checkpoints != "none":
                storage = Storage(Path(kept.name), stage, how.checkpoints)
            running = workflow.run(message, stream=True, checkpoint_storage=storage)
            await unless_stopped(how, one.watch(running, how))
            if storage is not None and (how.resume_from is not None or (how.resume and not one.completed)):
                one = self._spans.run = _OneRun(stage)
                if (workflow := one.tried(how.changed or program)) is not None:
                    checkpoint_id = await storage.id_of(how.resume_from, program.name)
                    storage.tamper(how.tamper)
                    running = workflow.run(checkpoint_id=checkpoint_id, checkpoint_storage=storage, stream=True)
                    await one.watch(running, how)
        finally:
            kept.cleanup()
            logger.removeHandler(heard)
            self._spans.run = None
        return one.ran()


def _refuse(how: Run) -> None:
    """Raises `Unsupported` for what the engine has not got."""
    if how.mode == "deterministic":
        raise Unsupported("there is no deterministic mode")
    if how.max_concurrency is not None:
        raise Unsupported("there is no bound on parallelism")
    if how.strict:
        raise Unsupported("there is no strict mode")
    if how.on_stall != "report":
        raise Unsupported("there is no choice of what a stalled superstep does")
    if how.replay:
        raise Unsupported("there is no replay of a run")


class _OneRun:
    """One workflow, while it runs."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.superstep: int | None = None
        self.state: Any = None
        self.error: Report | None = None
        self._committed: list[Any] = []
        self._provisional: list[Any] = []
        self._terminals: list[tuple[str, str]] = []
        self._supersteps = 0
        self._told = False
        self.completed = False
        self.groups: dict[str, str] = {}
        """What each edge group joins, by the id that telemetry knows it by."""

    # -- the program

    def tried(self, program: p.Program) -> Any:
        """The program as a workflow, or None, and why in `error`."""
        try:
            return self.built(program)
        except Unsupported:
            raise
        except Exception as error:
            self.error = Report(kind="refused", text=f"{type(error).__name__}: {error}")
            return None

    def built(self, program: p.Program) -> Any:
        """The program as a workflow."""
        executors = [self._executor(node, program) for node in program.executors]
        by_id = {one.id: one for one in executors}
        builder = WorkflowBuilder(start_executor=executors[0], name=program.name, max_iterations=program.max_supersteps)
        for edge in program.edges:
            match edge:
                case p.Single():
                    condition = None if edge.when is None else _test(edge.when)
                    builder.add_edge(by_id[edge.source], by_id[edge.target], condition=condition)
                case p.FanOut(targets=[target]):
                    builder.add_edge(by_id[edge.source], by_id[target])
                case p.FanOut():
                    builder.add_fan_out_edges(by_id[edge.source], [by_id[one] for one in edge.targets])
                case p.FanIn():
                    builder.add_fan_in_edges([by_id[one] for one in edge.sources], by_id[edge.target])
                case p.Switch():
                    cases: list[Any] = [Case(condition=_test(one.when), target=by_id[one.target]) for one in edge.cases]
                    if edge.default is None:
                        raise Unsupported("a switch needs a default")
                    cases.append(Default(target=by_id[edge.default]))
                    builder.add_switch_case_edge_group(by_id[edge.source], cases)
                case p.Selection():
                    targets = [by_id[one] for one in edge.targets]
                    builder.add_multi_selection_edge_group(
                        by_id[edge.source],
                        targets,
                        selection_func=lambda message, ids: [x for x in ids if x in message],
                    )
        workflow = builder.build()
        for group in workflow.to_dict()["edge_groups"]:
            self.groups[group["id"]] = ", ".join(f"{one['source_id']} to {one['target_id']}" for one in group["edges"])
        return workflow

    def _executor(self, node: p.Node, program: p.Program) -> Any:
        if node.timeout is not None:
            raise Unsupported("a handler has no timeout")
        if node.workflow is not None:
            return WorkflowExecutor(_OneRun(self.stage).built(node.workflow), id=node.id)
        return NodeExecutor(node, program, self)

    # -- what it says

    async def watch(self, events: Any, how: Run) -> None:
        """Take the event stream to its end, or to the error that ends it."""
        self._told = how.stream
        try:
            async for event in events:
                self._take(event)
            self.completed = True
        except Unsupported:
            raise
        except WorkflowCheckpointException as error:
            self.error = Report(kind="checkpoint-damaged", text=f"{error}: {error.__cause__}")
        except WorkflowConvergenceException as error:
            self.error = Report(kind="non-convergence", text=str(error))
        except Exception as error:
            self.error = _described(error)

    def _take(self, event: Any) -> None:
        match event.type:
            case "superstep_started":
                self.superstep = event.iteration
            case "superstep_completed":
                self._supersteps = event.iteration
                self._committed += self._provisional
                self._provisional = []
                self._stream(f"completed {event.iteration}")
                self.stage.say("barrier", str(event.iteration))
            case "output":
                self._provisional.append(event.data)
                self._stream(f"output {event.data}")
            case "executor_completed":
                self._terminals.append((event.executor_id, "completed"))
            case "executor_failed":
                self._terminals.append((event.executor_id, "failed"))
                self.stage.report("handler-failed", f"{event.executor_id}: {event.details.message}")
            case "failed":
                self._stream(f"failed {self.superstep}")
            case "warning" | "error":
                self.stage.report("other", str(event.data))
            case _:
                pass

    def _stream(self, line: str) -> None:
        if self._told:
            self.stage.stream(line)

    def ran(self) -> Ran:
        """What it came to: outputs count once their superstep was said to be complete."""
        state = None if self.state is None else self.state.export_state()
        return Ran(
            outputs=self._committed,
            state=None if state is None else {key: value for key, value in state.items() if not key.startswith("_")},
            supersteps=self._supersteps,
            error=self.error,
            terminals=self._terminals,
        )


def _test(when: When) -> Callable[[Any], bool]:
    return lambda message: when(message)


def _described(error: BaseException) -> Report:
    return Report(kind="handler-failed" if isinstance(error, ProgramError) else "other", text=f"{error}")


class _Heard(logging.Handler):
    """Log records from WARNING up, as reports."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(logging.WARNING)
        self._stage = stage

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self._stage.report("checkpoint-failed" if "checkpoint" in text.lower() else "other", text)


class _Spans(SpanProcessor):
    """Deliveries that did not come about, as the telemetry tells them."""

    run: _OneRun | None = None

    def on_end(self, span: ReadableSpan) -> None:
        """A message went through an edge group, or did not."""
        given = span.attributes or {}
        status = str(given.get("edge_group.delivery_status", ""))
        if self.run is None or given.get("edge_group.delivered") is not False or "dropped" not in status:
            return
        group = self.run.groups.get(str(given.get("edge_group.id")), "")
        wanted = given.get("message.target_id")
        where = f"message of {given.get('message.source_id')}, {given.get('edge_group.type')} from {group}"
        where += f" (addressed to {wanted})" if wanted else ""
        kind: Kind = "not-taken" if "condition" in status else "dropped-message"
        self.run.stage.report(kind, f"{where}: {status}")
