"""Our own runtime behind the vectors: a program becomes a workflow, its events become what is seen."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, get_args

from stepscope import (
    Case,
    Default,
    Executor,
    FunctionExecutor,
    StateKey,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowError,
    WorkflowExecutor,
    WorkflowResult,
    errors,
    last,
)
from stepscope.analysis import check_events
from stepscope.conformance import program as p
from stepscope.conformance.interpret import Operations, ProgramError, Unsupported, handle, handle_blocking
from stepscope.conformance.observation import Ran, Report
from stepscope.conformance.stage import Stage
from stepscope.conformance.vector import Kind, Run
from stepscope.context import Hold
from stepscope.events import (
    AnyEvent,
    Committed,
    Dropped,
    Found,
    HandlerEnded,
    HandlerStarted,
    OutputYielded,
    RunStarted,
    StateWritten,
    SuperstepCompleted,
    SuperstepFailed,
)
from stepscope.values import Value

REDUCERS: dict[str, Callable[[Any, Any], Any]] = {"sum": operator.add, "max": max, "concat": operator.add, "last": last}
TYPES: dict[str, Any] = {"any": Any, "number": int | float, "text": str, "list": list}
KINDS: dict[type[BaseException], Kind] = {
    errors.StateConflictError: "state-conflict",
    errors.StateUsageError: "state-usage",
    errors.SuperstepOverError: "superstep-over",
    errors.DeadlockError: "deadlock",
    errors.ConvergenceError: "non-convergence",
    errors.StarvedFanInError: "starved-fan-in",
    errors.DroppedMessageError: "dropped-message",
    errors.HandlerTimeoutError: "timeout",
    errors.CheckpointError: "checkpoint-failed",
    ProgramError: "handler-failed",
}


def make() -> StepscopeAdapter:
    """The adapter."""
    return StepscopeAdapter()


class StepscopeAdapter:
    """Builds workflows with the public API."""

    async def run(self, program: p.Program, message: Any, how: Run, stage: Stage) -> Ran:
        """See `Adapter`."""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                workflow = built(program, stage)
            except WorkflowError as error:
                return Ran(error=Report(kind="refused", text=str(error)))
        if how.resume or how.replay or how.checkpoints != "none":
            raise Unsupported("this version has no checkpoints and no replay")
        watcher = Watcher(stage)
        ran = Ran(reports=[Report(kind="other", text=str(one.message)) for one in warned])
        options = _options(how)
        result: WorkflowResult | None = None
        try:
            if how.stream:
                async for event in workflow.stream(message, record=watcher, **options):
                    match event.type:
                        case "output":
                            stage.stream(f"output {event.data}", provisional=event.provisional)
                        case "superstep_completed" | "superstep_failed":
                            stage.stream(f"{event.type.removeprefix('superstep_')} {event.superstep}")
                        case "run_completed":
                            result = event.data
            else:
                result = await workflow.run(message, record=watcher, **options)
        except WorkflowError as error:
            ran.error = described(error)
        if result is None:
            ran.outputs, ran.state, ran.supersteps = watcher.outputs, watcher.state, watcher.supersteps
        else:
            ran.outputs, ran.state, ran.supersteps = result.outputs, result.state, result.supersteps
            ran.digest = result.digest
        ran.terminals = watcher.terminals
        seen = {(one.kind, one.text) for one in stage.reports}
        for finding in check_events(watcher.events):
            report = Report(kind=_kind_of_finding(finding.kind), text=finding.message)
            if (report.kind, report.text) not in seen:
                ran.reports.append(report)
        return ran


def _options(how: Run) -> dict[str, Any]:
    given = {
        "mode": how.mode,
        "seed": how.seed,
        "max_concurrency": how.max_concurrency,
        "strict": how.strict,
        "stall_timeout": how.stall_timeout,
        "on_stall": how.on_stall,
        "cancel_grace": how.cancel_grace,
    }
    return {name: value for name, value in given.items() if value is not None}


def built(program: p.Program, stage: Stage) -> Workflow:
    """The program as a workflow. Raises `WorkflowError`."""
    executors = [_executor(node, stage) for node in program.executors]
    keys = [
        StateKey(
            key.name,
            access=key.access,
            reducer=REDUCERS[key.reducer] if key.reducer else None,
            **({"initial": key.initial} if "initial" in key.model_fields_set else {}),
        )
        for key in program.keys
    ]
    builder = WorkflowBuilder(executors[0], name=program.name, state=keys, max_supersteps=program.max_supersteps)
    by_id = {one.id: one for one in executors}
    for edge in program.edges:
        match edge:
            case p.Single():
                builder.add_edge(by_id[edge.source], by_id[edge.target], condition=edge.when and _test(edge.when))
            case p.FanOut():
                builder.add_fan_out_edges(by_id[edge.source], [by_id[one] for one in edge.targets])
            case p.FanIn():
                builder.add_fan_in_edges([by_id[one] for one in edge.sources], by_id[edge.target])
            case p.Switch():
                cases: list[Case | Default] = [Case(_test(one.when), by_id[one.target]) for one in edge.cases]
                if edge.default is not None:
                    cases.append(Default(by_id[edge.default]))
                builder.add_switch_case_edge_group(by_id[edge.source], cases)
            case p.Selection():
                targets = [by_id[one] for one in edge.targets]
                builder.add_multi_selection_edge_group(
                    by_id[edge.source], targets, selection_func=lambda message, ids: [x for x in ids if x in message]
                )
    return builder.build()


def _test(when: p.When) -> Callable[[Any], bool]:
    return lambda message: when(message)


def _executor(node: p.Node, stage: Stage) -> Executor:
    if node.workflow is not None:
        return WorkflowExecutor(built(node.workflow, stage), id=node.id)
    return _Node(node, stage)


class _Node(FunctionExecutor):
    """An executor of a program. What it remembers goes into checkpoints."""

    def __init__(self, node: p.Node, stage: Stage) -> None:
        self.kept: Any = None
        take: Any
        if node.form == "async":

            async def take(message: Any, ctx: WorkflowContext[Any, Any]) -> None:
                await handle(stage, node, _Operations(self, ctx), message)

        else:

            def take(message: Any, ctx: WorkflowContext[Any, Any]) -> None:
                handle_blocking(stage, node, _BlockingOperations(self, ctx), message)

        take.__annotations__ = {"message": TYPES[node.takes], "ctx": WorkflowContext[Any, Any]}
        super().__init__(take, node.id, timeout=node.timeout)

    async def on_checkpoint_save(self) -> dict[str, Any]:
        """What it remembers."""
        return {"kept": self.kept}

    async def on_checkpoint_restore(self, snapshot: dict[str, Any]) -> None:
        """Remember again."""
        self.kept = snapshot["kept"]


class _Operations(Operations):
    def __init__(self, executor: _Node, ctx: WorkflowContext[Any, Any]) -> None:
        self._executor = executor
        self._ctx = ctx
        self.superstep = ctx.superstep
        self.sources = ctx.source_ids

    def send(self, value: Any, target: str | None) -> Any:
        return self._ctx.send_message(value, target_id=target)

    def output(self, value: Any) -> Any:
        return self._ctx.yield_output(value)

    def get(self, key: str) -> Any:
        return self._ctx.state.get(key)

    def set(self, key: str, value: Any) -> Any:
        return self._ctx.state.set(key, value)

    def delete(self, key: str) -> Any:
        return self._ctx.state.delete(key)

    def add(self, key: str, value: Any) -> Any:
        return self._ctx.state.add(key, value)

    def update(self, key: str, function: Callable[[Any], Any]) -> Any:
        return self._ctx.state.update(key, function)

    def hold(self, keys: list[str]) -> _Block:
        return _Block(self._ctx.state.hold(*keys), self.blocking)

    def effect(self, function: Callable[[], Awaitable[Any]]) -> Any:
        return self._ctx.effect(function)

    def draw(self, what: str) -> Any:
        return getattr(self._ctx, what)()

    def remember(self, value: Any) -> Any:
        self._executor.kept = value

    def recall(self) -> Any:
        return self._executor.kept

    def describe(self, error: BaseException) -> Report:
        return described(error)


class _BlockingOperations(_Operations):
    blocking: ClassVar[bool] = True


class _Block:
    def __init__(self, hold: Hold[Any, Any], blocking: bool) -> None:
        self._hold = hold
        self._blocking = blocking

    def enter(self) -> Any:
        return self._hold.__enter__() if self._blocking else self._hold.__aenter__()

    def leave(self, error: BaseException | None) -> Any:
        leave: Any = self._hold.__exit__ if self._blocking else self._hold.__aexit__
        return leave(None if error is None else type(error), error, None)


def described(error: BaseException) -> Report:
    """What an error of ours is about; of a failed superstep, what its first failure is."""
    if isinstance(error, ExceptionGroup):
        inside = [described(one) for one in error.exceptions]
        return Report(kind=inside[0].kind, text=f"{error} " + " ".join(one.text for one in inside))
    kind: Kind = next((kind for type_, kind in KINDS.items() if isinstance(error, type_)), "other")
    return Report(kind=kind, text=str(error))


def _kind_of_finding(kind: str) -> Kind:
    known: dict[str, Kind] = {one: one for one in get_args(Kind)}
    return "state-conflict" if kind == "write-conflict" else known.get(kind, "other")


class Watcher:
    """An observer of one run: committed state and outputs, outcomes, and reports as they come. Keeps the events."""

    durable = 1 << 62

    def __init__(self, stage: Stage) -> None:
        """It sees one run after the other."""
        self._stage = stage
        self._pending: list[tuple[int, int, Any]] = []
        self._ranks: dict[str, int] = {}
        self.events: list[AnyEvent] = []
        self.outputs: list[Any] = []
        self.state: dict[str, Any] = {}
        self.terminals: list[tuple[str, str]] = []
        self.supersteps = 0

    def begin(self, started: RunStarted) -> Watcher:
        """See `Observer`."""
        return self

    def append(self, event: AnyEvent) -> None:
        """Take an event."""
        self.events.append(event)
        match event:
            case RunStarted(scope=0):
                self._ranks = {one.id: one.rank for one in event.graph.executors}
                self.state = {key.name: key.initial.fresh() for key in event.graph.keys if key.initial is not None}
            case OutputYielded(scope=0):
                self._pending.append((self._ranks[event.executor], event.number, event.value.fresh()))
            case Committed(scope=0):
                self._commit(event)
            case StateWritten(scope=0, access="live"):
                self._write(event.key, event.new)
            case SuperstepFailed(scope=0):
                for change in event.reverted:
                    self._write(change.key, change.new)
            case SuperstepCompleted(scope=0):
                self.supersteps = event.superstep
                self._stage.say("barrier", str(event.superstep))
            case HandlerEnded():
                self.terminals.append((event.executor, event.outcome))
            case Found():
                self._stage.report(_kind_of_finding(event.finding), event.message)
            case Dropped(why="conditions"):
                self._stage.report("not-taken", f"{event.source}: {event.reason}")
            case _:
                pass

    def _commit(self, event: Committed) -> None:
        self.outputs += [value for _, _, value in sorted(self._pending, key=lambda one: one[:2])]
        self._pending.clear()
        for change in event.changes:
            self._write(change.key, change.new)

    def _write(self, key: str, value: Value | None) -> None:
        if value is None:
            self.state.pop(key, None)
        else:
            self.state[key] = value.fresh()

    def enter_handler(self, event: HandlerStarted) -> None:
        """Nothing to set."""

    def flush(self, *, barrier: bool) -> None:
        """Nothing is written."""

    def close(self) -> None:
        """Nothing to close."""
