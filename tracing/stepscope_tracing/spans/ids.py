"""Trace and span ids from the run and `seq`: making the spans of an event again gives the same ids."""

from __future__ import annotations

from hashlib import blake2b


def trace_id_of(run_id: str) -> int:
    """Trace id (128 bits, never 0) of a run that has no span of its caller's as parent."""
    return int.from_bytes(blake2b(run_id.encode("utf-8", "surrogatepass"), digest_size=16).digest(), "big") or 1


class SpanIds:
    """Span ids of one run.

    A keyed BLAKE2b of `seq`: 64 uniformly spread bits, so that in a run of a million spans two are equal with a
    probability of 3e-8.
    """

    __slots__ = ("_keyed",)

    def __init__(self, run_id: str) -> None:
        """Ids for the run `run_id`."""
        key = blake2b(run_id.encode("utf-8", "surrogatepass"), digest_size=32, person=b"stepscope-span").digest()
        self._keyed = blake2b(key=key, digest_size=8)

    def of(self, seq: int) -> int:
        """Id (never 0) of the span that the event `seq` opens."""
        state = self._keyed.copy()
        state.update(seq.to_bytes(8, "big"))
        return int.from_bytes(state.digest(), "big") or 1
