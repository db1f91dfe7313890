"""From a stored value back to the program's own objects, by the types a workflow declares, and by no others (BAR-4).

Nothing is imported and no constructor runs: an object is made empty and its fields are put in. A type is found by the
name it is stored under, among the declared types and their subclasses.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import inspect
import operator
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import CheckpointError, WorkflowError
from ..values import Tree, Value, type_name

_OPEN = frozenset({"builtins", "typing", "abc", "enum", "collections.abc", "pydantic", "pydantic.main"})
"""Modules whose classes declare nothing: every enum is an `Enum`, every model a `BaseModel`."""
_TAGS = (b"$data", b"$model", b"$named", b"$enum")


class Types:
    """The types that values of one workflow may have."""

    def __init__(
        self,
        workflow: str,
        declared: Iterable[type],
        *,
        source: str = "checkpoint",
        error: type[WorkflowError] = CheckpointError,
    ) -> None:
        """`declared` are classes. Errors are of type `error` and name the `workflow` and the `source` of values."""
        self._workflow = workflow
        self._source = source
        self._error = error
        self._declared = {type_name(cls): cls for cls in declared}
        self._found: dict[str, type] = {}

    def find(self, name: str) -> type | None:
        """The class stored as `name`; None if the workflow declares none of that name."""
        found = self._declared.get(name) or self._found.get(name)
        if found is None:  # a subclass may have been defined since
            self._found = {type_name(cls): cls for cls in _subclasses(self._declared.values())}
            found = self._found.get(name)
        return found

    def undeclared(self, value: Value) -> str:
        """Name of a type inside `value` that `restored` could not find; "" if there is none."""
        if not any(tag in value.data for tag in _TAGS):
            return ""
        return next((name for name in _names(value.tree()) if self.find(name) is None), "")

    def undeclared_error(self, name: str, where: str) -> WorkflowError:
        """What to raise for a type name that is not declared."""
        short = name.rpartition(":")[2].rpartition(".")[2]
        return self._error(
            f"{where}: workflow {self._workflow!r} declares no type {name!r}, so a value of it cannot be read from a "
            f"{self._source}; give WorkflowBuilder types=[{short}], or annotate a handler with it."
        )

    def restored(self, data: bytes, where: str) -> Value:
        """A stored value, with the program's own objects.

        Raises the error, beginning with `where`, for a type that is not declared or has changed, and for data that no
        value is stored as.
        """
        value = Value(data)
        try:
            return Value.restored(data, self._object(value.tree(), where))
        except _Changed as changed:
            raise self._error(
                f"{where}: {changed}; it was changed since the {self._source} was written: use the type as it was."
            ) from None
        except WorkflowError:
            raise
        except Exception as error:
            raise self._error(
                f"{where}: a value's data is not what a value is stored as ({type(error).__name__}: {error}); use another "
                f"{self._source}."
            ) from None

    def _object(self, tree: Tree, where: str) -> Any:
        if isinstance(tree, list):
            return [self._object(item, where) for item in tree]
        if not isinstance(tree, dict):
            return tree
        for tag, content in tree.items():
            if tag[:1] != "$":
                break
            if tag in _SCALARS:
                return _SCALARS[tag](content)
            if tag in _CONTAINERS:
                return _CONTAINERS[tag](self._object(item, where) for item in content)
            if tag == "$dict":
                return {self._object(key, where): self._object(item, where) for key, item in content}
            cls = self.find(content)
            if cls is None:
                raise self.undeclared_error(content, where)
            if tag == "$enum":
                return _member(cls, tree["member"])
            fields = {name: self._object(item, where) for name, item in tree["fields"].items()}
            return _MAKERS[tag](cls, fields)
        return {key: self._object(item, where) for key, item in tree.items()}


def _subclasses(classes: Iterable[type]) -> Iterator[type]:
    """Every subclass once."""
    left = [cls for cls in classes if cls.__module__ not in _OPEN]
    seen = set(left)
    sub: type
    while left:
        for sub in type.__subclasses__(left.pop()):
            if sub not in seen:
                seen.add(sub)
                left.append(sub)
                yield sub


def _names(tree: Tree) -> Iterator[str]:
    """Names of the types that a stored tree needs."""
    if isinstance(tree, list):
        for item in tree:
            yield from _names(item)
    elif isinstance(tree, dict):
        for tag in ("$data", "$model", "$named", "$enum"):
            if tag in tree:
                yield tree[tag]
        for item in tree.values():
            yield from _names(item)


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "$int": int,
    "$str": lambda content: content.decode("utf-8", "surrogatepass"),
    "$datetime": dt.datetime.fromisoformat,
    "$date": dt.date.fromisoformat,
    "$time": dt.time.fromisoformat,
    "$timedelta": lambda content: dt.timedelta(*content),
    "$uuid": uuid.UUID,
    "$decimal": decimal.Decimal,
}
_CONTAINERS: dict[str, Callable[[Iterable[Any]], Any]] = {"$tuple": tuple, "$set": set, "$frozenset": frozenset}


class _Changed(Exception):
    """A class is not what it was."""

    def __init__(self, cls: type, what: str) -> None:
        super().__init__(f"{type_name(cls)} {what}")


def _member(cls: type, name: str | None) -> Any:
    """An enum's member; a flag's may be several, "A|B", or none at all."""
    if not issubclass(cls, enum.Enum):
        raise _Changed(cls, "is no enum")
    members = cls.__members__
    if name is not None and name in members:
        return members[name]
    if issubclass(cls, enum.Flag):
        parts = [] if name is None else name.split("|")
        if all(part in members or part.isdecimal() for part in parts):
            bits = [int(part) if part.isdecimal() else members[part].value for part in parts]
            return cls(functools.reduce(operator.or_, bits, 0))
    raise _Changed(cls, f"has no member {name!r}")


def _data(cls: type, fields: dict[str, Any]) -> Any:
    if not dataclasses.is_dataclass(cls):
        raise _Changed(cls, "is no dataclass")
    names = {field.name for field in dataclasses.fields(cls)}
    _refuse_unknown(cls, fields, names)
    made = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    missing = [field.name for field in dataclasses.fields(cls) if field.init and not hasattr(made, field.name)]
    if missing:
        raise _Changed(cls, f"has a field {missing[0]!r} that no value was stored of")
    return made


def _refuse_unknown(cls: type, fields: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise _Changed(cls, f"has no field {unknown[0]!r}")


def _model(cls: Any, fields: dict[str, Any]) -> Any:
    """A pydantic model, as unpickling makes one: no validator runs, and every field that was stored counts as set."""
    known = getattr(cls, "__pydantic_fields__", None)
    if known is None:
        raise _Changed(cls, "is no pydantic model")
    absent = {name: known[name] for name in sorted(set(known) - set(fields))}
    missing = [name for name, field in absent.items() if field.is_required() or field.default_factory is not None]
    if missing:
        raise _Changed(cls, f"has a field {missing[0]!r} that no value was stored of")
    made = object.__new__(cls)
    cached = {name for name in fields if isinstance(inspect.getattr_static(cls, name, None), functools.cached_property)}
    extra = {name: value for name, value in fields.items() if name not in known and name not in cached}
    if cls.model_config.get("extra") != "allow":
        _refuse_unknown(cls, extra, ())
    defaults = {name: field.get_default() for name, field in absent.items()}
    private = {name: one.get_default() for name, one in cls.__private_attributes__.items()}
    for name, content in (
        ("__dict__", {**defaults, **{name: value for name, value in fields.items() if name not in extra}}),
        ("__pydantic_extra__", extra if cls.model_config.get("extra") == "allow" else None),
        ("__pydantic_fields_set__", {name for name in fields if name not in cached}),
        ("__pydantic_private__", private or None),
    ):
        object.__setattr__(made, name, content)
    return made


def _named(cls: type, fields: dict[str, Any]) -> Any:
    names: tuple[str, ...] = getattr(cls, "_fields", ())
    if not issubclass(cls, tuple) or set(names) != set(fields):
        raise _Changed(cls, f"has not the fields {', '.join(fields)}")
    return tuple.__new__(cls, [fields[name] for name in names])


_MAKERS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {"$data": _data, "$model": _model, "$named": _named}
