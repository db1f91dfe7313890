"""What a checkpoint holds, and its bytes (BAR-4).

The bytes are a mark, a format version, a digest, and one MessagePack body. The digest covers all the rest, so a
checkpoint in which any byte has changed is refused. The body's values are in their stored form; they become the
program's objects only once the workflow is known to be the same (`fingerprint`), by `encoding`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import CheckpointError
from ..kernel.snapshot import Snapshot
from ..values import Value
from .encoding import Types
from .fingerprint import Fingerprint
from .storage import CheckpointInfo

_MARK = b"stepscope checkpoint\n"
_VERSION = 1
_DIGEST = 32


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """How the run was made: the same in all its checkpoints.

    `options` are those of `RunOptions`; `seed` is the one drawn, as text: it may be any whole number.
    """

    graph: Fingerprint
    options: dict[str, Any]
    seed: str
    input: bytes


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    info: CheckpointInfo
    made: msgspec.Raw
    snapshot: msgspec.Raw
    executors: dict[str, bytes]


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that has been read and verified; its values are still in stored form."""

    info: CheckpointInfo
    made: Made
    snapshot: msgspec.Raw
    executors: dict[str, bytes]

    @property
    def where(self) -> str:
        """For messages."""
        return f"checkpoint {self.info.checkpoint_id!r}"

    def restored(self, types: Types) -> Snapshot:
        """The kernel's part, with the program's own objects. Raises `CheckpointError` as `Types.restored` does."""

        def hook(kind: type, obj: Any) -> Any:
            if kind is Value and type(obj) is bytes:
                return types.restored(obj, self.where)
            raise ValueError(f"a {type(obj).__name__} where a value belongs")

        try:
            return msgspec.msgpack.Decoder(Snapshot, dec_hook=hook).decode(self.snapshot)
        except (msgspec.MsgspecError, ValueError) as error:
            raise _damaged(self.info.checkpoint_id, str(error)) from None

    def states(self, types: Types) -> dict[str, Any]:
        """What each executor's `on_checkpoint_save` gave, by id. Raises `CheckpointError`."""
        return {
            executor: types.restored(data, f"{self.where}, executor {executor!r}").fresh()
            for executor, data in self.executors.items()
        }


def encoded_made(made: Made) -> bytes:
    """The part that all checkpoints of a run share."""
    return msgspec.msgpack.encode(made)


def encode(info: CheckpointInfo, made: bytes, snapshot: Snapshot, executors: Mapping[str, Value]) -> bytes:
    """A checkpoint's bytes; `made` is from `encoded_made`, `executors` what their `on_checkpoint_save` gave."""
    body = _encode(
        _Body(
            info=info,
            made=msgspec.Raw(made),
            snapshot=msgspec.Raw(_encode(snapshot)),
            executors={executor: value.data for executor, value in executors.items()},
        )
    )
    version = _VERSION.to_bytes(2)
    return b"".join((_MARK, version, _hash(version, body), body))


def decode(info: CheckpointInfo, stored: bytes) -> Checkpoint:
    """Read and verify what a storage keeps under `info`. Raises `CheckpointError`, saying what is wrong."""
    name = info.checkpoint_id
    if not stored.startswith(_MARK):
        raise _damaged(name, "it does not begin as one")
    at = len(_MARK)
    version, digest, body = stored[at : at + 2], stored[at + 2 : at + 2 + _DIGEST], stored[at + 2 + _DIGEST :]
    if _hash(version, body) != digest:
        raise _damaged(name, "its digest does not match its contents")
    if version != _VERSION.to_bytes(2):
        raise CheckpointError(
            f"checkpoint {name!r} has format {int.from_bytes(version)}, and this version of Stepscope reads "
            f"{_VERSION}; resume it with the version that wrote it."
        )
    try:
        held = msgspec.msgpack.decode(body, type=_Body)
        made = msgspec.msgpack.decode(held.made, type=Made)
    except msgspec.MsgspecError as error:
        raise _damaged(name, str(error)) from None
    if held.info != info:
        raise _damaged(
            name, f"it is {held.info.checkpoint_id!r} of run {held.info.run_id!r}, not what the storage says"
        )
    return Checkpoint(info=info, made=made, snapshot=held.snapshot, executors=held.executors)


def _hook(obj: Any) -> Any:
    assert type(obj) is Value
    return obj.data


_encode = msgspec.msgpack.Encoder(enc_hook=_hook).encode


def _hash(version: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(version + body, digest_size=_DIGEST).digest()


def _damaged(checkpoint_id: str, why: str) -> CheckpointError:
    return CheckpointError(f"checkpoint {checkpoint_id!r} is damaged: {why}; resume from an earlier one.")
