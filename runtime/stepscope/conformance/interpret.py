"""Runs the steps of a handler, for every adapter, async and blocking handlers alike.

The steps are one generator that yields what the engine's operations answer: an awaitable, or, in a blocking handler,
the result itself. What an engine's operation is, an adapter says by subclassing `Operations`.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from typing import Any

from . import steps as p
from .operations import Operations, ProgramError, Unsupported
from .program import Node
from .stage import Invocation, Stage

Steps = Generator[Any, Any, None]
_ambient: contextvars.ContextVar[Any] = contextvars.ContextVar("ambient", default=None)


class _Scope:
    """The names of one handler's steps."""

    def __init__(self, stage: Stage, ops: Operations, inv: Invocation, message: Any) -> None:
        self.stage = stage
        self.ops = ops
        self.inv = inv
        self.names: dict[str, Any] = {"message": message}
        self.later: list[tuple[str, Any]] = []

    def note(self, label: str, value: Any) -> None:
        self.stage.say("note", self.inv.executor, label, _copy(value))

    def keep(self, name: str, value: Any) -> None:
        self.names[name] = value
        self.note(name, value)

    def value(self, given: Any) -> Any:
        """The value that an expression of a step stands for."""
        if isinstance(given, list):
            return [self.value(one) for one in given]
        if not isinstance(given, dict):
            return given
        if "$" not in given:
            return {name: self.value(one) for name, one in given.items()}
        name = given["$"]
        if name == "superstep":
            found = _said(self.ops.superstep, "the number of the superstep")
        elif name == "sources":
            found = _said(self.ops.sources, "the senders of a message")
        else:
            found = self.names[name]
        if "plus" in given:
            found = (found or 0) + self.value(given["plus"])
        if "item" in given:
            found = found[given["item"]]
        if "append" in given:
            found = [*(found or []), self.value(given["append"])]
        return found


def _said(value: Any, what: str) -> Any:
    if value is None:
        raise Unsupported(f"a handler is not told {what}")
    return value


def _copy(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_copy(one) for one in value]
    return {name: _copy(one) for name, one in value.items()} if isinstance(value, dict) else value


async def handle(stage: Stage, node: Node, ops: Operations, message: Any) -> None:
    """Run an async handler."""
    inv = stage.begin(node.id, _copy(message), ops.superstep)
    try:
        await _drive(_steps(node.steps, _Scope(stage, ops, inv, message)))
    except BaseException as error:
        _over(stage, inv, error)
        raise
    stage.finish(inv, "end")


def handle_blocking(stage: Stage, node: Node, ops: Operations, message: Any) -> None:
    """Run a blocking handler; `ops` returns results."""
    inv = stage.begin(node.id, _copy(message), ops.superstep)
    try:
        steps, answer = _steps(node.steps, _Scope(stage, ops, inv, message)), None
        while True:
            try:
                answer = steps.send(answer)
            except StopIteration:
                break
    except BaseException as error:
        _over(stage, inv, error)
        raise
    stage.finish(inv, "end")


def _over(stage: Stage, inv: Invocation, error: BaseException) -> None:
    if isinstance(error, Unsupported) and not stage.unsupported:
        stage.unsupported = str(error)
    stage.finish(inv, "fail" if isinstance(error, Exception) else "cancel")


async def _drive(steps: Steps) -> None:
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            asked = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration:
            return
        answer = error = None
        try:
            answer = await asked if inspect.isawaitable(asked) else asked
        except BaseException as raised:
            error = raised


def _steps(steps: Sequence[p.Step], scope: _Scope) -> Steps:
    for step in steps:
        yield from _step(step, scope)


def _step(step: p.Step, scope: _Scope) -> Steps:
    ops, value = scope.ops, scope.value
    match step:
        case p.Send():
            yield ops.send(value(step.value), step.to)
        case p.Output():
            yield ops.output(value(step.value))
        case p.Get():
            scope.keep(step.name, (yield ops.get(step.key)))
        case p.Set():
            yield ops.set(step.key, value(step.value))
        case p.Delete():
            yield ops.delete(step.key)
        case p.Add():
            yield ops.add(step.key, value(step.value))
        case p.Update():
            yield ops.update(step.key, lambda before: (before or 0) + step.plus)
        case p.Hold():
            yield from _hold(step, scope)
        case p.Gate() | p.Block():
            blocking = ops.blocking or isinstance(step, p.Block)
            yield scope.stage.gate(step.gate or scope.inv.executor, scope.inv, blocking=blocking)
        case p.Effect():
            started = ops.effect(_effect(step, scope))
            if step.later:
                scope.later.append((step.name, started))
            else:
                scope.keep(step.name, (yield started))
        case p.Settle():
            for name, started in scope.later:
                scope.keep(name, (yield started))
            scope.later.clear()
        case p.Draw():
            scope.keep(step.name, str((yield ops.draw(step.what))))
        case p.Raise():
            failed = scope.stage.failures
            failed[scope.inv.executor, step.message] += 1
            if step.times is None or failed[scope.inv.executor, step.message] <= step.times:
                raise ProgramError(step.message)
        case p.Try():
            yield from _try(step, scope)
        case p.If():
            yield from _steps(step.steps if step.when(value(step.value)) else step.otherwise, scope)
        case p.Mutate():
            scope.names[step.name].append(step.append)
        case p.Let():
            scope.names[step.name] = value(step.value)
        case p.Note():
            scope.note(step.label, value(step.value))
        case p.Ambient():
            if step.value is None:
                scope.keep(step.name, _ambient.get())
            else:
                _ambient.set(step.value)
        case p.Remember():
            yield ops.remember(value(step.value))
        case p.Recall():
            scope.keep(step.name, (yield ops.recall()))
        case _:
            yield _tasks(step, scope)


def _tasks(step: p.Leave | p.Together | p.Within | p.Stubborn, scope: _Scope) -> Any:
    if scope.ops.blocking:
        raise Unsupported("a blocking handler starts no tasks")
    if isinstance(step, p.Leave):
        task = asyncio.ensure_future(_quietly(_drive(_steps(step.steps, scope))))
        scope.stage.left.append(task)
        return None
    if isinstance(step, p.Together):
        return asyncio.gather(*(_drive(_steps(one, scope)) for one in step.tasks))
    return _within(step, scope) if isinstance(step, p.Within) else _stubborn(step, scope)


async def _quietly(body: Coroutine[Any, Any, None]) -> None:
    """A task left behind may fail: what matters of it, it has noted."""
    try:
        await body
    except Exception:
        return


async def _within(step: p.Within, scope: _Scope) -> None:
    try:
        async with asyncio.timeout(step.seconds):
            await _drive(_steps(step.steps, scope))
    except TimeoutError:
        scope.keep(step.name, "too late")
    else:
        scope.keep(step.name, "in time")


async def _stubborn(step: p.Stubborn, scope: _Scope) -> None:
    while True:
        try:
            return await _drive(_steps(step.steps, scope))
        except asyncio.CancelledError:
            scope.note("ignored", True)


def _hold(step: p.Hold, scope: _Scope) -> Steps:
    block = scope.ops.hold(step.keys)
    yield block.enter()
    if step.forget:
        yield from _steps(step.steps, scope)
        return
    try:
        yield from _steps(step.steps, scope)
    except BaseException as error:
        yield block.leave(error)
        raise
    yield block.leave(None)


def _try(step: p.Try, scope: _Scope) -> Steps:
    try:
        yield from _steps(step.steps, scope)
    except Unsupported:
        raise
    except Exception as error:
        scope.keep(step.name, scope.ops.describe(error).kind)
    else:
        scope.keep(step.name, "none")


def _effect(step: p.Effect, scope: _Scope) -> Callable[[], Awaitable[Any]]:
    result = scope.value(step.value)

    async def call() -> Any:
        scope.stage.say("called", scope.inv.executor, step.name)
        if step.gate is not None:
            await scope.stage.gate(step.gate, scope.inv, blocking=False)
        return result

    return call
