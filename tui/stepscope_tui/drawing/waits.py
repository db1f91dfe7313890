"""Who waits for whom at a moment: the wait-for graph as lines, and the cycle in it if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stepscope_tracing.model import LockState


class Wait(NamedTuple):
    """An invocation that waits for a key another holds."""

    inv: int
    executor: str
    op: str
    since: int
    key: str
    holder: int
    holder_executor: str
    place: int


def waits_of(locks: Mapping[str, LockState]) -> list[Wait]:
    """Everybody who waits, by key, in the order of each queue; `place` counts from 1."""
    return [
        Wait(one.inv, one.executor, one.op, one.since_seq, key, lock.holder, lock.holder_executor, place)
        for key, lock in sorted(locks.items())
        for place, one in enumerate(lock.queue, 1)
    ]


def chain(inv: int, waits: Mapping[int, Wait]) -> list[Wait]:
    """What an invocation waits for, what that holder waits for, and so on; a cycle is followed once round."""
    out: list[Wait] = []
    seen: set[int] = set()
    while inv in waits and inv not in seen:
        seen.add(inv)
        out.append(waits[inv])
        inv = waits[inv].holder
    return out


def cycles(locks: Mapping[str, LockState]) -> list[list[Wait]]:
    """Every deadlock (DLK-2): each waits for a key that the next one holds. Each cycle once, lowest invocation first."""
    waits = {wait.inv: wait for wait in waits_of(locks)}
    found: list[list[Wait]] = []
    done: set[int] = set()
    for inv in sorted(waits):
        path = chain(inv, waits)
        if path and path[-1].holder == inv and inv not in done:
            found.append(path)
        if path and path[-1].holder == inv:
            done.update(wait.inv for wait in path)
    return found
