"""How events become blocks of bytes, and back.

A block is one MessagePack array of events, each an array that begins with its kind. A value inside an event is
either its own MessagePack form as binary (up to `INLINE` bytes) or the number of a row in the table `payloads`,
which holds that form. Beside each block lie its *codes*: one byte an event, by which events are counted, found and
drawn without being decoded. Decoding runs nothing of the recorded program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

import msgspec

from stepscope.events import (
    EVENT_TYPES,
    AnyEvent,
    BarrierArrived,
    Checkpointed,
    Committed,
    Delivered,
    Dropped,
    EffectEnded,
    EffectStarted,
    Event,
    Found,
    HandlerEnded,
    HandlerStarted,
    LockAcquired,
    LockReleased,
    LockWaiting,
    OutputYielded,
    Resumed,
    Routed,
    RunEnded,
    RunStarted,
    Sent,
    StateRead,
    StateWritten,
    SuperstepCompleted,
    SuperstepFailed,
    SuperstepStarted,
    TimedOut,
)
from stepscope.values import Value

INLINE = 32
"""Bytes up to which a value is stored where it is used."""

OTHER = 0
"""Code of an event type that this version gives no code."""
CODES: dict[type[Event], int] = {
    RunStarted: 1, RunEnded: 2, SuperstepStarted: 3, SuperstepCompleted: 4, SuperstepFailed: 5, Delivered: 6,
    HandlerStarted: 7, HandlerEnded: 8, Sent: 9, Routed: 10, Dropped: 11, StateRead: 12, StateWritten: 13,
    LockWaiting: 14, LockAcquired: 15, LockReleased: 16, EffectStarted: 17, EffectEnded: 18, OutputYielded: 19,
    BarrierArrived: 20, Committed: 21, Found: 22, TimedOut: 23, Checkpointed: 24,
    Resumed: 25,
}  # fmt: skip
RUN_BROKEN, HANDLER_BROKEN, EFFECT_BROKEN, UNDONE, NOT_KEPT = 32, 33, 34, 35, 36
"""Codes instead of the usual ones: a run, handler or effect that ended badly; a write that took one back; a checkpoint
that could not be written."""

_PLAIN: dict[int, int] = {RUN_BROKEN: 2, HANDLER_BROKEN: 8, EFFECT_BROKEN: 18, UNDONE: 13, NOT_KEPT: 24}
_VARIANTS: dict[type[Event], Callable[[Any], int]] = {
    RunEnded: lambda e: 2 if e.status == "completed" else RUN_BROKEN,
    HandlerEnded: lambda e: HANDLER_BROKEN if e.outcome in ("failed", "abandoned") else 8,
    EffectEnded: lambda e: 18 if e.error is None else EFFECT_BROKEN,
    StateWritten: lambda e: UNDONE if e.op == "undo" else 13,
    Checkpointed: lambda e: 24 if e.error is None else NOT_KEPT,
}
ERRORS = bytes((5, RUN_BROKEN, HANDLER_BROKEN, EFFECT_BROKEN, NOT_KEPT))
"""The codes that mean that something went wrong."""

KIND_OF_CODE: dict[int, str] = {code: kind.kind for kind, code in CODES.items()}
KIND_OF_CODE |= {variant: KIND_OF_CODE[plain] for variant, plain in _PLAIN.items()}
_CODES_OF_KIND: dict[str, bytes] = {
    kind: bytes(code for code, name in KIND_OF_CODE.items() if name == kind) for kind in EVENT_TYPES
}

Reference: TypeAlias = bytes | int
"""A stored value: its bytes, or the number of a payload."""

EVENTS: Any = list[AnyEvent]
_codes_get = CODES.get
_varied = re.compile(b"[%s]" % re.escape(bytes({CODES[kind] for kind in _VARIANTS})))


def codes_of(events: Sequence[Event]) -> bytes:
    """One byte an event: see `CODES`."""
    codes = bytearray([_codes_get(type(event), OTHER) for event in events])
    for match in _varied.finditer(bytes(codes)):
        event = events[match.start()]
        codes[match.start()] = _VARIANTS[type(event)](event)
    return bytes(codes)


def codes_for(kinds: Collection[str]) -> bytes:
    """The codes that events of these kinds can have. Raises `ValueError` for a kind that does not exist."""
    unknown = sorted(kind for kind in kinds if kind not in _CODES_OF_KIND)
    if unknown:
        raise ValueError(f"there is no event kind {unknown[0]!r}; the kinds are {', '.join(sorted(EVENT_TYPES))}")
    return b"".join(_CODES_OF_KIND[kind] for kind in sorted(set(kinds))) or bytes((OTHER,))


def pattern_of(codes: bytes) -> re.Pattern[bytes]:
    """Finds any of `codes` in a run's codes."""
    return re.compile(b"[%s]" % re.escape(codes))


def encoder(reference: Callable[[Value], Reference]) -> Callable[[Sequence[AnyEvent]], bytes]:
    """An encoder of blocks; `reference` says how a value is stored."""

    def hook(obj: Any) -> Any:
        if type(obj) is Value:
            return reference(obj)
        return f"{type(obj).__module__}:{type(obj).__qualname__}"  # something odd among a run's options

    return msgspec.msgpack.Encoder(enc_hook=hook).encode


def decoder(resolve: Callable[[Reference], Value]) -> Callable[[bytes], list[AnyEvent]]:
    """A decoder of blocks; `resolve` makes values. Raises `msgspec.MsgspecError` for anything else than a block."""

    def hook(kind: type, obj: Any) -> Any:
        if kind is Value and type(obj) in (bytes, int):
            return resolve(obj)
        raise msgspec.ValidationError(f"a {type(obj).__name__} where a value belongs")

    decode: Callable[[bytes], list[AnyEvent]] = msgspec.msgpack.Decoder(EVENTS, dec_hook=hook).decode
    return decode


_NOTHING = Value(b"\xc0")
decode_without_values = decoder(lambda _: _NOTHING)
"""Decodes a block faster, where nobody looks at its values: each is a nil."""


def mended(obj: Any) -> Any:
    """An event, or a part of one, with text that UTF-8 cannot carry (lone surrogates, as in file names) escaped."""
    if isinstance(obj, str):
        return obj if obj.isascii() else obj.encode("utf-8", "backslashreplace").decode()
    if isinstance(obj, list):
        return [mended(item) for item in obj]
    if isinstance(obj, dict):
        return {mended(key): mended(item) for key, item in obj.items()}
    if isinstance(obj, msgspec.Struct):
        return type(obj)(*(mended(getattr(obj, name)) for name in obj.__struct_fields__))
    return obj
