"""Edges as the builder takes them, before they are compiled to `kernel.model.Group`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import WorkflowError
from ..events import EdgeKind
from .executor import Executor

Endpoint: TypeAlias = Executor | str
"""An executor, or the id of one that is given elsewhere."""
Condition: TypeAlias = Callable[[Any], object]
Selection: TypeAlias = Callable[[Any, list[str]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a switch: the first whose `condition(message)` is true gets the message."""

    condition: Condition
    target: Endpoint


@dataclass(frozen=True, slots=True)
class Default:
    """Where a switch sends what no case took."""

    target: Endpoint


@dataclass(frozen=True, slots=True)
class EdgeSpec:
    """One edge group as given."""

    kind: EdgeKind
    sources: tuple[Endpoint, ...]
    targets: tuple[Endpoint, ...]
    tests: tuple[Condition | None, ...]
    select: Selection | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What decides for each target, in words; "" for nothing."""
        if self.select is not None:
            return (label_of(self.select),) * len(self.targets)
        default = "default" if self.kind == "switch-case" else ""
        return tuple(default if test is None else label_of(test) for test in self.tests)


def id_of(endpoint: Endpoint) -> str:
    """The executor's id."""
    return endpoint if isinstance(endpoint, str) else endpoint.id


def label_of(function: Callable[..., object]) -> str:
    """A function's name, with the line for a lambda."""
    name = getattr(function, "__name__", type(function).__name__)
    code = getattr(function, "__code__", None)
    return f"lambda at line {code.co_firstlineno}" if name == "<lambda>" and code is not None else str(name)


def plain_function(function: Callable[..., Any] | None, what: str) -> None:
    """Refuse what cannot decide at the barrier. Raises `WorkflowError`."""
    if function is None:
        return
    if not callable(function):
        raise WorkflowError(f"{what} is {function!r}, which cannot be called.")
    if inspect.iscoroutinefunction(function):
        raise WorkflowError(
            f"{what} ({label_of(function)}) is async; edges decide at the barrier, where nothing waits: use a plain function."
        )
