"""The digest of a run's committed history: state, messages and outputs by superstep, never times (DET-1).

The kernel feeds it at each commit; a reader feeds it from recorded events. Both use `Digest`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from .events import AnyEvent, Committed, OutputYielded, Resumed, RunStarted, Sent, SuperstepFailed
from .values import Value

_encode = msgspec.msgpack.Encoder().encode

MessageRow = tuple[str, str | None, bytes]
"""Source, addressed target or None, payload in canonical form: in canonical order (ORD-2)."""
StateRow = tuple[str, bytes | None]
"""Key and its new committed value in canonical form, None for absent: in key order."""
OutputRow = tuple[str, bytes]
"""Executor and output in canonical form: in canonical order (ORD-6)."""


class Digest:
    """A running digest: a chain of one hash a superstep, so that it can be continued from a checkpoint."""

    __slots__ = ("_chain",)

    def __init__(self, start: str, payload: Value, initial: Iterable[tuple[str, Value | None]]) -> None:
        """Begin with the input, where it goes, and the initial state, in key order."""
        self._chain = b""
        state = [(key, None if value is None else value.canonical()) for key, value in initial]
        self.add(0, [("", start, payload.canonical())], state, [])

    @classmethod
    def continued(cls, chain: bytes) -> Digest:
        """Go on from a barrier, given what `chain` was there (BAR-5)."""
        self = cls.__new__(cls)
        self._chain = chain
        return self

    @property
    def chain(self) -> bytes:
        """What a continuation needs of the history so far."""
        return self._chain

    def add(
        self,
        superstep: int,
        messages: list[MessageRow],
        state: list[StateRow],
        outputs: list[OutputRow],
    ) -> None:
        """Take a committed superstep in."""
        record = _encode((superstep, messages, state, outputs))
        self._chain = hashlib.blake2b(self._chain + record, digest_size=16).digest()

    def hex(self) -> str:
        """The digest so far."""
        return self._chain.hex()


def digest_of_events(events: Iterable[AnyEvent]) -> str:
    """Recompute the digest of a run from its events, in `seq` order, from the first.

    An unfinished or failed superstep takes no part (BAR-3), nor does what a sub-workflow did inside (SUB-1).
    What came before a resumed run's first event is taken from `Resumed` (BAR-5). Raises `ValueError` if the events do not begin with a run's start and its input.
    """
    digest: Digest | None = None
    ranks: dict[str, int] = {}
    sent: list[Sent] = []
    outputs: list[OutputYielded] = []
    for event in events:
        if event.scope:
            continue
        kind = type(event)
        if kind is Sent:
            sent.append(event)  # type: ignore[arg-type]
        elif kind is OutputYielded:
            outputs.append(event)  # type: ignore[arg-type]
        elif isinstance(event, RunStarted):
            ranks = {executor.id: executor.rank for executor in event.graph.executors}
            initial = sorted((key.name, key.initial) for key in event.graph.keys if key.initial is not None)
            digest = Digest(event.graph.start, event.input, initial)
        elif isinstance(event, Resumed):
            digest = Digest.continued(bytes.fromhex(event.chain))
        elif isinstance(event, SuperstepFailed):
            sent, outputs = [], []
        elif isinstance(event, Committed) and digest is not None:
            sent.sort(key=lambda e: (ranks[e.executor], e.number))
            outputs.sort(key=lambda e: (ranks[e.executor], e.number))
            digest.add(
                event.superstep,
                [(e.executor, e.target, e.payload.canonical()) for e in sent],
                [(change.key, None if change.new is None else change.new.canonical()) for change in event.changes],
                [(e.executor, e.value.canonical()) for e in outputs],
            )
            sent, outputs = [], []
    if digest is None:
        raise ValueError("these events do not begin with a run's start")
    return digest.hex()
