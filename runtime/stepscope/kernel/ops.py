"""What a handler may ask of the runtime, one type each. An awaited one is a schedule point.

`line` is the line of the handler's source that asked, 0 where unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from ..events import ErrorInfo
from ..values import Value
from .model import HoldRecord


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send a message along the edges, or only to `target` (ORD-7, ORD-8)."""

    payload: Value
    target: str | None
    line: int


class Yield(msgspec.Struct, frozen=True, gc=False):
    """Yield an output of the workflow (ORD-6, BAR-7)."""

    value: Value
    line: int


class Get(msgspec.Struct, frozen=True):
    """Read a key; `default` is what an absent key gives."""

    key: str
    default: Any
    line: int


class Set(msgspec.Struct, frozen=True, gc=False):
    """Write a key; a `value` of None deletes it."""

    key: str
    value: Value | None
    line: int


class Add(msgspec.Struct, frozen=True, gc=False):
    """Contribute to a reducer key (STA-2)."""

    key: str
    value: Value
    line: int


class Update(msgspec.Struct, frozen=True):
    """Read, compute, write: in one operation (STA-4)."""

    key: str
    function: Callable[[Any], Any]
    line: int


class Acquire(msgspec.Struct, frozen=True, gc=False):
    """Enter a hold block; the keys are in canonical order, none twice (STA-5)."""

    keys: tuple[str, ...]
    line: int


class Release(msgspec.Struct, frozen=True):
    """Leave a hold block; `undo` takes back its writes to the held keys (STA-6)."""

    record: HoldRecord
    undo: bool
    line: int


class BeginEffect(msgspec.Struct, frozen=True, gc=False):
    """An effect starts (DET-3); gives its number in the invocation, from 1."""

    name: str
    line: int


class EndEffect(msgspec.Struct, frozen=True, gc=False):
    """An effect's result is admitted (DET-3)."""

    number: int
    name: str
    result: Value | None
    error: ErrorInfo | None


Op: TypeAlias = Send | Yield | Get | Set | Add | Update | Acquire | Release | BeginEffect | EndEffect


def describe(op: Op) -> str:
    """The operation in a few words, for tables of who waits for what."""
    match op:
        case Get(key=key):
            return f"get {key!r}"
        case Set(key=key, value=value):
            return f"{'delete' if value is None else 'set'} {key!r}"
        case Add(key=key):
            return f"add to {key!r}"
        case Update(key=key):
            return f"update {key!r}"
        case Acquire(keys=keys):
            return f"hold {', '.join(map(repr, keys))}"
        case Release(record=record):
            return f"release {', '.join(map(repr, record.keys))}"
        case Send(target=target):
            return f"send to {target!r}" if target else "send"
        case Yield():
            return "yield an output"
        case BeginEffect(name=name) | EndEffect(name=name):
            return f"effect {name}"
