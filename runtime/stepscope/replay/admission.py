"""Recorded results of effects, given to handlers as the objects they were (DET-3)."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import Any, Protocol, get_type_hints

from ..errors import WorkflowError
from ..events import EffectEnded
from ..kernel import Invocation
from ..values import Value
from .raised import raised_again
from .same import left_out


class Restores(Protocol):
    """Makes the program's own objects of stored values."""

    def restored(self, data: bytes, where: str) -> Value:
        """The value as an object. Raises `WorkflowError`, beginning with `where`, for what cannot be one."""
        ...

    def declare(self, annotations: Iterable[Any]) -> None:
        """Know the classes in these annotations too."""
        ...


class Results:
    """What effects give in a replay."""

    def __init__(self, types: Restores) -> None:
        """`types` are those that the workflow declares."""
        self._types = types
        self._learnt: set[CodeType] = set()
        self._names: dict[tuple[Invocation, int], Mapping[str, Any]] = {}

    def learn(self, inv: Invocation, number: int, function: Callable[..., Any]) -> None:
        """An effect calls this: its return annotation declares what may come, its module names what it may raise."""
        while isinstance(function, functools.partial):
            function = function.func
        function = getattr(function, "__func__", function)
        self._names[inv, number] = getattr(function, "__globals__", {})
        code = getattr(function, "__code__", None)
        if code is None or code in self._learnt:
            return
        self._learnt.add(code)
        try:
            returns = get_type_hints(function, include_extras=True).get("return")
        except (NameError, TypeError, AttributeError):
            return
        self._types.declare([returns])

    def value(self, inv: Invocation, event: EffectEnded) -> Value:
        """The recorded result. Raises `WorkflowError` if the recording has not got it."""
        where = f"event {event.seq}, the result of effect {event.name!r} of executor {inv.executor!r}"
        if event.result is None:
            raise WorkflowError(f"{where}, is missing in the recording, which therefore cannot be replayed.")
        if left_out(event.result):
            raise WorkflowError(
                f"{where}, was left out of the recording; replay cannot go on without it: record without redacting it."
            )
        return self._types.restored(event.result.data, where)

    def outcome(self, loop: asyncio.AbstractEventLoop, inv: Invocation, event: EffectEnded) -> asyncio.Future[Any]:
        """What the effect's work would have come to: its result and its error. Raises as `value` does."""
        done: asyncio.Future[Any] = loop.create_future()
        names = self._names.pop((inv, event.number), {})
        if event.error is None:
            done.set_result((self.value(inv, event).fresh(), None))
            return done
        error = raised_again(event.error, [_globals_of(inv), names])
        if isinstance(error, asyncio.CancelledError):
            done.cancel()
        else:
            done.set_result((None, error))
        return done


def _globals_of(inv: Invocation) -> Mapping[str, Any]:
    """Names of the module of an invocation's handler."""
    names: Mapping[str, Any] = getattr(getattr(inv.handler, "function", None), "__globals__", {})
    return names
