"""An executor of a program in Agent Framework, and what its handler can do there."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, Protocol

from agent_framework import FunctionExecutor, WorkflowContext

from .. import program as p
from ..interpret import handle, handle_blocking
from ..operations import Operations, Unsupported
from ..stage import Stage

TYPES: dict[str, Any] = {"any": Any, "number": int | float, "text": str, "list": list[Any]}
REDUCERS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": operator.add,
    "max": max,
    "concat": operator.add,
    "last": lambda before, added: added,
}


class AnyRun(Protocol):
    """What an executor knows of its run. It tells it where the state is."""

    stage: Stage
    superstep: int | None
    state: Any


class NodeExecutor(FunctionExecutor):
    """An executor of a program. What it remembers goes into checkpoints. The first one puts initial values in place."""

    def __init__(self, node: p.Node, program: p.Program, run: AnyRun) -> None:
        self.kept: Any = None
        initial = (
            [] if node is not program.executors[0] else [k for k in program.keys if "initial" in k.model_fields_set]
        )
        reducers = {key.name: REDUCERS[key.reducer] for key in program.keys if key.reducer is not None}

        def prepare(ctx: Any) -> None:
            run.state = ctx.state
            while initial:
                key = initial.pop()
                ctx.set_state(key.name, key.initial)

        take: Any
        if node.form == "async":

            async def take(message: Any, ctx: WorkflowContext[Any, Any]) -> None:
                prepare(ctx)
                await handle(run.stage, node, _Operations(self, ctx, run, reducers), message)

        else:
            loop = asyncio.get_running_loop()

            def take(message: Any, ctx: WorkflowContext[Any, Any]) -> None:
                prepare(ctx)
                handle_blocking(run.stage, node, _BlockingOperations(self, ctx, run, reducers, loop), message)

        take.__annotations__ = {"message": TYPES[node.takes], "ctx": WorkflowContext[Any, Any]}
        super().__init__(take, node.id)

    async def on_checkpoint_save(self) -> dict[str, Any]:
        """What it remembers."""
        return {"kept": self.kept}

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        """Remember again."""
        self.kept = state["kept"]


class _Operations(Operations):
    def __init__(
        self, executor: NodeExecutor, ctx: Any, run: AnyRun, reducers: dict[str, Callable[[Any, Any], Any]]
    ) -> None:
        self._executor = executor
        self._ctx = ctx
        self._reducers = reducers
        self.superstep = run.superstep
        self.sources = [_source(one) for one in ctx.source_executor_ids]

    def send(self, value: Any, target: str | None) -> Any:
        return self._ctx.send_message(value, target_id=target)

    def output(self, value: Any) -> Any:
        return self._ctx.yield_output(value)

    def get(self, key: str) -> Any:
        return self._ctx.get_state(key)

    def set(self, key: str, value: Any) -> Any:
        self._ctx.set_state(key, value)

    def delete(self, key: str) -> Any:
        if self._ctx.state.has(key):
            self._ctx.state.delete(key)

    def add(self, key: str, value: Any) -> Any:
        if key not in self._reducers:
            raise Unsupported("there are no reducers, and a key that is not declared has no way to merge")
        has = self._ctx.state.has(key)
        self._ctx.set_state(key, self._reducers[key](self._ctx.get_state(key), value) if has else value)

    def update(self, key: str, function: Callable[[Any], Any]) -> Any:
        self._ctx.set_state(key, function(self._ctx.get_state(key)))

    def hold(self, keys: list[str]) -> Any:
        raise Unsupported("there are no locks")

    def effect(self, function: Callable[[], Awaitable[Any]]) -> Any:
        raise Unsupported("there are no recorded effects")

    def remember(self, value: Any) -> Any:
        self._executor.kept = value

    def recall(self) -> Any:
        return self._executor.kept


class _BlockingOperations(_Operations):
    """From a worker thread: coroutines are run on the workflow's loop, as one does there."""

    blocking: ClassVar[bool] = True

    def __init__(
        self, executor: NodeExecutor, ctx: Any, run: AnyRun, reducers: Any, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(executor, ctx, run, reducers)
        self._loop = loop

    def send(self, value: Any, target: str | None) -> Any:
        return self._wait(super().send(value, target))

    def output(self, value: Any) -> Any:
        return self._wait(super().output(value))

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _source(given: str) -> str:
    """The run's input comes from an edge of the engine's own."""
    return "" if given.startswith("internal:") or given == "Workflow" else given
