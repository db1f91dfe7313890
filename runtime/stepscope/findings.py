"""What is, or could be, wrong with a run: one type for what the runtime reports and what analysis finds."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from .events import Found

Confidence: TypeAlias = Literal["observed", "confirmed", "predicted"]
Kind: TypeAlias = Literal[
    "lost-update", "dirty-read", "atomicity-violation", "write-conflict", "deadlock", "potential-deadlock",
    "starved-fan-in", "order-sensitive", "dropped-message", "escaped-task", "blocked-loop", "non-convergence",
    "lock-not-released", "stalled", "nondeterminism", "checkpoint-failed", "handler-failed", "straggler",
]  # fmt: skip


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding.

    `confidence` is "observed" (it happened), "confirmed" (a directed run showed it) or "predicted". `seqs` are
    the events that show it, the culprit first. `clause` is the clause of the semantics it concerns.
    """

    kind: Kind
    message: str
    remedy: str
    clause: str
    superstep: int
    executors: list[str] = []
    keys: list[str] = []
    locks: list[str] = []
    seqs: list[int] = []
    confidence: Confidence = "observed"
    run_id: str = ""


def of_event(event: Found, run_id: str = "") -> Finding:
    """The finding that a `Found` event carries; its own `seq` is the culprit where it names no other."""
    return Finding(
        kind=event.finding,  # type: ignore[arg-type]
        message=event.message,
        remedy=event.remedy,
        clause=event.clause,
        superstep=event.superstep,
        executors=event.executors,
        keys=event.keys,
        locks=event.locks,
        seqs=event.seqs or [event.seq],
        confidence=event.confidence,
        run_id=run_id,
    )
