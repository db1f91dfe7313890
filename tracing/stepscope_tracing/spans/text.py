"""Values as attribute text, and back, exactly.

A stored value (see `stepscope.values`) becomes JSON of its tree wherever JSON holds it exactly. What it does not hold
(bytes, NaN, infinities) becomes `VALUE_AS_MSGPACK` and base64 of the stored bytes; no JSON text begins like that.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from stepscope.errors import WorkflowError
from stepscope.values import Value

from .names import VALUE_AS_MSGPACK

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode
_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode


def text_of_data(data: bytes) -> str:
    """Text of a stored value's bytes (MessagePack)."""
    json = _to_json(_unpack(data))
    # Compared, not reasoned about: whatever does not come back byte for byte is kept as bytes.
    if _pack(_from_json(json)) == data:
        return json.decode()
    return VALUE_AS_MSGPACK + base64.b64encode(data).decode()


def data_of_text(text: str) -> bytes:
    """Stored bytes of a value from its text. Raises `WorkflowError` for text that is neither form."""
    if not isinstance(text, str):  # a receiver, or somebody, has changed it
        raise WorkflowError(f"an attribute does not hold a value, but {text!r:.40}; was it changed?")
    try:
        if text.startswith(VALUE_AS_MSGPACK):
            data = base64.b64decode(text[len(VALUE_AS_MSGPACK) :], validate=True)
            _unpack(data)
            return data
        return _pack(_from_json(text))
    except (msgspec.DecodeError, binascii.Error, RecursionError) as error:
        raise WorkflowError(f"an attribute does not hold a value: {error}; was it cut by a receiver's limit?") from None


def text_of(value: Value) -> str:
    """Text of a value."""
    return text_of_data(value.data)


def value_of(text: str) -> Value:
    """The value that `text_of` wrote. Raises `WorkflowError` for anything else."""
    return Value(data_of_text(text))


def clean(text: str) -> str:
    """A string that UTF-8 can carry: lone surrogates, as in odd file names, are written as escapes."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def _enc_hook(obj: Any) -> Any:
    if isinstance(obj, Value):
        return text_of(obj)
    raise NotImplementedError(f"{type(obj).__name__} in an event")


def _dec_hook(kind: type, obj: Any) -> Any:
    if kind is Value and isinstance(obj, str):
        return value_of(obj)
    raise NotImplementedError(f"{kind!r} in an event")


_struct_to_json = msgspec.json.Encoder(enc_hook=_enc_hook).encode


def text_of_struct(obj: Any) -> str:
    """JSON of a part of an event that has fields itself (a graph, changes); its values are texts in it."""
    return _struct_to_json(obj).decode()


def struct_of(text: str, kind: Any) -> Any:
    """What `text_of_struct` wrote, as `kind`. Raises `WorkflowError` for anything else."""
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=_dec_hook)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise WorkflowError(f"an attribute does not hold what it should: {error}.") from None
