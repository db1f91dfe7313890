"""Which types a workflow declares: those whose values a checkpoint may hold (BAR-4).

They are the message, send and output types of handlers, the types of initial state values, those given to the builder,
and whatever these are made of: members of a union, items of a list, fields of a dataclass. What a sub-workflow declares
is declared by the workflow around it too: its outputs become messages there (SUB-1).
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints, is_typeddict

from ..errors import WorkflowError
from ..statekey import StateKey
from ..values import fields_of
from .executor import Executor
from .matching import name_of, unwrapped


def declared_types(executors: Iterable[Executor], keys: Iterable[StateKey], given: Iterable[type]) -> list[type]:
    """All of them, each once."""
    found: dict[type, None] = {}
    for cls in given:
        _collect(cls, {}, found)
    for key in keys:
        if key.initial is not None:
            for cls in _types_in(key.initial.peek):
                _collect(cls, {}, found)
    for one in executors:
        for spec in one.handlers:
            for annotation in (spec.message_type, spec.sends, spec.outputs):
                _collect(annotation, spec.scope, found)
    return list(found)


def check_types(workflow: str, given: Sequence[Any]) -> list[type]:
    """What the builder was given as `types=`. Raises `WorkflowError` for what is no type of data."""
    for one in given:
        if not isinstance(one, type) or not has_fields(one):
            shown = name_of(one) if isinstance(one, type) else repr(one)
            raise WorkflowError(
                f"workflow {workflow!r}: types= takes dataclasses, pydantic models, enums and named tuples, not {shown}."
            )
    return list(given)


def classes_in(annotation: Any) -> list[type]:
    """What an annotation declares."""
    found: dict[type, None] = {}
    _collect(annotation, {}, found)
    return list(found)


def has_fields(cls: type) -> bool:
    """Whether values of it are data with named parts, or an enum's members."""
    return (
        dataclasses.is_dataclass(cls)
        or hasattr(cls, "__pydantic_fields__")
        or issubclass(cls, enum.Enum)
        or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    )


def _collect(annotation: Any, scope: Mapping[str, Any], found: dict[type, None]) -> None:
    annotation = unwrapped(annotation)
    if isinstance(annotation, TypeVar):
        for bound in (annotation.__bound__, *annotation.__constraints__):
            if bound is not None:
                _collect(bound, scope, found)
        return
    if get_origin(annotation) is Literal:
        for one in get_args(annotation):
            _collect(type(one), scope, found)
        return
    for part in (get_origin(annotation), *get_args(annotation)):
        if part is not None:
            _collect(part, scope, found)
    if not isinstance(annotation, type) or annotation in found:
        return
    if not has_fields(annotation) and not is_typeddict(annotation):
        if annotation.__module__ not in (
            "builtins",
            "typing",
        ):  # its subclasses may be data, as a Protocol's or an abstract class's
            found[annotation] = None
        return
    found[annotation] = None
    for hint in _fields(annotation, scope):
        _collect(hint, scope, found)


def _fields(cls: type, scope: Mapping[str, Any]) -> Iterator[Any]:
    """Types of a class's fields, those that can be resolved."""
    models = getattr(cls, "__pydantic_fields__", None)
    if models is not None:
        yield from (field.annotation for field in models.values())
        return
    for base in reversed(cls.__mro__):
        try:
            own = inspect.get_annotations(base)
        except NameError:
            continue
        for name, hint in own.items():  # one by one: a name that cannot be resolved spoils no other field
            holder = type(base.__name__, (), {"__annotations__": {name: hint}, "__module__": base.__module__})
            try:
                yield get_type_hints(holder, localns={**scope}, include_extras=True)[name]
            except (NameError, TypeError, AttributeError):
                continue


def _types_in(value: Any) -> Iterator[type]:
    """Types of a value and of what is in it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _types_in(key)
            yield from _types_in(item)
    elif isinstance(value, (list, set, frozenset)) or type(value) is tuple:
        for item in value:
            yield from _types_in(item)
    elif has_fields(type(value)):
        yield type(value)
        named = None if isinstance(value, enum.Enum) else fields_of(value)
        if named is not None:
            yield from _types_in(named[1])
