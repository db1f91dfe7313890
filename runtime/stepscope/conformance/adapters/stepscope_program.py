"""A vector's program as a workflow of ours: executors, edges, keys, and what a step is."""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from stepscope import (
    Case,
    Default,
    Executor,
    FunctionExecutor,
    StateKey,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowExecutor,
    last,
)
from stepscope.conformance import program as p
from stepscope.conformance.interpret import handle, handle_blocking
from stepscope.conformance.observation import Report
from stepscope.conformance.operations import Operations
from stepscope.conformance.stage import Stage
from stepscope.conformance.steps import When
from stepscope.context import Hold

from .stepscope_watch import described

REDUCERS: dict[str, Callable[[Any, Any], Any]] = {"sum": operator.add, "max": max, "concat": operator.add, "last": last}
TYPES: dict[str, Any] = {"any": Any, "number": int | float, "text": str, "list": list}


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


def _test(when: When) -> Callable[[Any], bool]:
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
