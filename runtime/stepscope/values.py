"""Values as data: what messages, state, outputs and effects may be, and how they are stored.

A value is turned into a *tree* of None, bool, int, float, str, bytes, lists and string-keyed maps; whatever
is not one of these becomes a map with one key that starts with ``$`` (``{"$tuple": [...]}``,
``{"$data": "module:Class", "fields": {...}}``). The tree is stored as MessagePack. Reading a stored value
needs none of the program's classes and runs none of its code.

Sets are always sorted. Maps keep their insertion order when stored, because handlers can see it, and are
sorted for digests, because it is rarely meant (DET-1).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from .errors import UnstorableValueError

Tree: TypeAlias = Any
"""What a stored value looks like to a reader: JSON values and bytes; other types are `$`-tagged maps."""

_ATOMS = frozenset({type(None), bool, int, float, str, bytes})
_IMMUTABLE = _ATOMS | {dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID, decimal.Decimal}
_MAX_DEPTH = 200
_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
"""The whole numbers MessagePack has; others are tagged."""

_encode = msgspec.msgpack.Encoder().encode
_encode_sorted = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder().decode


class _Unstorable(Exception):
    def __init__(self, value: object, path: str, reason: str = "") -> None:
        self.value = value
        self.path = path
        self.reason = reason


def type_name(cls: type) -> str:
    """Name of a class as stored: ``module:Qualified.Name``."""
    return f"{cls.__module__}:{cls.__qualname__}"


def _int(value: int) -> Tree:
    return value if _LEAST <= value <= _MOST else {"$int": str(value)}


def _str(value: str) -> Tree:
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, as in file names that are not UTF-8
        return {"$str": value.encode("utf-8", "surrogatepass")}
    return value


def _dict(value: dict[Any, Any], path: str, depth: int) -> Tree:
    if all(type(k) is str and k[:1] != "$" and k.isascii() for k in value):
        return {k: v if type(v) in _PLAIN else _tree(v, f"{path}.{k}", depth) for k, v in value.items()}
    return {"$dict": [[_tree(k, f"{path}.keys()", depth), _tree(v, f"{path}[{k!r}]", depth)] for k, v in value.items()]}


def _items(value: Any, path: str, depth: int) -> list[Tree]:
    return [v if type(v) in _PLAIN else _tree(v, f"{path}[{i}]", depth) for i, v in enumerate(value)]


def _set(value: Any, path: str, depth: int) -> Tree:
    return {"$set": sorted((_tree(v, f"{path}{{…}}", depth) for v in value), key=_encode_sorted)}


def _frozenset(value: Any, path: str, depth: int) -> Tree:
    return {"$frozenset": _set(value, path, depth)["$set"]}


_PLAIN = frozenset({type(None), bool, float, bytes})
_CONTAINERS: dict[type, Callable[[Any, str, int], Tree]] = {
    list: _items,
    tuple: lambda v, path, depth: {"$tuple": _items(v, path, depth)},
    dict: _dict,
    set: _set,
    frozenset: _frozenset,
}
_SCALARS: dict[type, Callable[[Any], Tree]] = {
    int: _int,
    str: _str,
    dt.datetime: lambda v: {"$datetime": v.isoformat()},
    dt.date: lambda v: {"$date": v.isoformat()},
    dt.time: lambda v: {"$time": v.isoformat()},
    dt.timedelta: lambda v: {"$timedelta": [v.days, v.seconds, v.microseconds]},
    uuid.UUID: lambda v: {"$uuid": str(v)},
    decimal.Decimal: lambda v: {"$decimal": str(v)},
}


def fields_of(value: object) -> tuple[str, dict[str, Any]] | None:
    """Tag and named fields of a dataclass, pydantic model or named tuple; None for anything else."""
    cls = type(value)
    if dataclasses.is_dataclass(cls):
        return "$data", {f.name: getattr(value, f.name) for f in dataclasses.fields(cls) if hasattr(value, f.name)}
    if hasattr(cls, "__pydantic_fields__"):
        return "$model", {**vars(value), **(getattr(value, "__pydantic_extra__", None) or {})}
    if isinstance(value, tuple) and hasattr(cls, "_fields"):
        return "$named", dict(zip(cls._fields, value, strict=True))
    return None


def _tree(value: Any, path: str, depth: int = 0) -> Tree:
    cls = type(value)
    if cls in _PLAIN:
        return value
    scalar = _SCALARS.get(cls)
    if scalar is not None:
        return scalar(value)
    if depth >= _MAX_DEPTH:
        raise _Unstorable(value, path, f"it is nested more than {_MAX_DEPTH} deep, or contains itself")
    container = _CONTAINERS.get(cls)
    if container is not None:
        return container(value, path, depth + 1)
    if isinstance(value, enum.Enum):
        return {"$enum": type_name(cls), "member": value.name}
    named = fields_of(value)
    if named is None:
        raise _Unstorable(value, path)
    tag, fields = named
    return {tag: type_name(cls), "fields": {k: _tree(v, f"{path}.{k}", depth + 1) for k, v in fields.items()}}


def isolate(value: Any) -> Any:
    """Copy a storable value so that changing the copy changes nothing else (ORD-3, STA-8)."""
    cls = type(value)
    if cls in _IMMUTABLE or isinstance(value, enum.Enum):
        return value
    if cls is list:
        return [v if type(v) in _IMMUTABLE else isolate(v) for v in value]
    if cls is dict:
        return {(k if type(k) in _IMMUTABLE else isolate(k)): isolate(v) for k, v in value.items()}
    if cls in (tuple, set, frozenset):
        return cls(map(isolate, value))
    if dataclasses.is_dataclass(cls):
        copy = object.__new__(cls)
        for field in dataclasses.fields(cls):
            if hasattr(value, field.name):  # a frozen dataclass refuses plain assignment
                object.__setattr__(copy, field.name, isolate(getattr(value, field.name)))
        return copy
    if isinstance(value, tuple):
        return cls._make(map(isolate, value))
    return value.model_copy(deep=True)


class Value:
    """One immutable value: the object as the program gave it, isolated, and its stored form.

    Made by `Value.of` inside a running program, or from `data` alone by a reader of recordings.
    """

    __slots__ = ("_object", "canonical_data", "data", "live", "ref")

    def __init__(self, data: bytes) -> None:
        """Wrap stored bytes; `fresh` then gives the tree, not the program's own type."""
        self.data = data
        self.ref = 0
        self.live = False
        self.canonical_data: bytes | None = None
        self._object: Any = None

    @classmethod
    def of(cls, obj: Any, what: str, *names: str) -> Value:
        """Freeze `obj`.

        `what`, formatted with `names`, begins the sentence of the `UnstorableValueError` raised for what is not data.
        """
        kind = type(obj)
        try:
            if kind in _PLAIN or (kind is int and _LEAST <= obj <= _MOST):
                data = _encode(obj)
            elif kind is int or kind is str:
                data = _encode(_SCALARS[kind](obj))
            else:
                data = _encode(_tree(obj, ""))
                obj = isolate(obj)
        except _Unstorable as error:
            raise UnstorableValueError(
                what.format(*names), error.path, type_name(type(error.value)), error.reason
            ) from None
        except RecursionError:
            raise UnstorableValueError(
                what.format(*names), "", type_name(kind), "it is nested too deep, or contains itself"
            ) from None
        self = cls.__new__(cls)
        self.data = data
        self.ref = 0
        self.live = True
        self.canonical_data = data if kind in _ATOMS else None
        self._object = obj
        return self

    @classmethod
    def restored(cls, data: bytes, obj: Any) -> Value:
        """A value that was stored as `data`, and is `obj` in this program; `obj` is not copied."""
        self = cls(data)
        self.live = True
        self._object = obj
        return self

    @classmethod
    def group(cls, members: Sequence[Value]) -> Value:
        """The list of these values, as a fan-in delivers it (ORD-4), without encoding them again."""
        n = len(members)
        head = bytes((0x90 | n,)) if n < 16 else b"\xdc" + n.to_bytes(2) if n < 1 << 16 else b"\xdd" + n.to_bytes(4)
        self = cls(head + b"".join(member.data for member in members))
        self.live = True
        self._object = [member._object for member in members]
        return self

    def fresh(self) -> Any:
        """An isolated copy for a handler; for a value read from a recording, its tree."""
        if not self.live:
            return _decode(self.data)
        obj = self._object
        return obj if type(obj) in _IMMUTABLE else isolate(obj)

    @property
    def peek(self) -> Any:
        """The isolated object itself, to look at and never to change or hand out; the tree for a stored value."""
        return self._object if self.live else _decode(self.data)

    def tree(self) -> Tree:
        """The stored form, decoded: see the module's docstring."""
        return _decode(self.data)

    def canonical(self) -> bytes:
        """Stored form with every map sorted by key: equal for equal values, in any process (DET-1)."""
        if self.canonical_data is None:
            tree = _decode(self.data)
            self.canonical_data = _encode_sorted(_sort_pairs(tree) if b"$dict" in self.data else tree)
        return self.canonical_data

    def __eq__(self, other: object) -> bool:
        """Equal when stored alike, whatever the order of map keys."""
        return isinstance(other, Value) and (self.data == other.data or self.canonical() == other.canonical())

    def __hash__(self) -> int:
        """Hash of the canonical form."""
        return hash(self.canonical())

    def __repr__(self) -> str:
        """Short text for people."""
        return f"Value({text(self.tree(), 80)})"


def _sort_pairs(tree: Tree) -> Tree:
    if isinstance(tree, list):
        return [_sort_pairs(v) for v in tree]
    if isinstance(tree, dict):
        plain = {k: _sort_pairs(v) for k, v in tree.items()}
        if set(plain) == {"$dict"}:
            plain["$dict"] = sorted(plain["$dict"], key=_encode_sorted)
        return plain
    return tree


def _plain_text(tree: Tree) -> str:
    if isinstance(tree, list):
        return f"[{', '.join(map(_plain_text, tree))}]"
    if not isinstance(tree, dict):
        return repr(tree)
    if len(tree) <= 2:
        for tag, content in tree.items():
            if tag in ("$data", "$model", "$named"):
                inner = ", ".join(f"{k}={_plain_text(v)}" for k, v in tree.get("fields", {}).items())
                return f"{str(content).rsplit(':', 1)[-1]}({inner})"
            if tag == "$enum":
                return f"{str(content).rsplit(':', 1)[-1]}.{tree.get('member')}"
            if tag == "$tuple":
                return f"({', '.join(map(_plain_text, content))}{',' if len(content) == 1 else ''})"
            if tag in ("$set", "$frozenset"):
                return f"{{{', '.join(map(_plain_text, content))}}}" if content else "set()"
            if tag == "$dict":
                return f"{{{', '.join(f'{_plain_text(k)}: {_plain_text(v)}' for k, v in content)}}}"
            if tag == "$redacted":
                return "‹redacted›"
            if tag[:1] == "$" and len(tree) == 1:
                return f"{content}"
            break
    return f"{{{', '.join(f'{k}: {_plain_text(v)}' for k, v in tree.items())}}}"


def text(tree: Tree, width: int | None = None) -> str:
    """One line of text for a stored tree, cut to `width` characters with an ellipsis."""
    try:
        line = _plain_text(tree)
    except (TypeError, AttributeError, ValueError):  # looks like a tagged value and is none: not written by us
        line = repr(tree)
    return line if width is None or len(line) <= width else line[: max(0, width - 1)] + "…"
