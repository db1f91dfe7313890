"""Who held which key, who waited for it, and since when."""

from __future__ import annotations

from collections.abc import Iterator

from stepscope.events import LockAcquired, LockWaiting

from .blocks import Blocks
from .index import Index
from .model import LockState, LockUse, Waiter


def use(blocks: Blocks, index: Index, row: int) -> LockUse:
    """The use in a row of the index. Raises `RecordingError` if its events cannot be read."""
    columns = index.locks
    wait, acquired, released = columns.wait[row], columns.acquired[row], columns.released[row]
    scope, key = index.lock_keys[columns.key[row]]
    first = blocks.event(wait or acquired)
    waiting = first if isinstance(first, LockWaiting) else None
    return LockUse(
        key=key,
        inv=columns.inv[row],
        executor=first.executor if isinstance(first, (LockWaiting, LockAcquired)) else "",
        scope=scope,
        op="hold" if waiting is None else waiting.op,
        wait_seq=wait,
        acquired_seq=acquired,
        released_seq=released,
        t_wait=first.t if waiting is not None else 0,
        t_acquired=blocks.event(acquired).t if acquired else 0,
        t_released=blocks.event(released).t if released else 0,
        holder_when_waiting=0 if waiting is None else waiting.holder,
        given_up=columns.given_up[row],
    )


def at(blocks: Blocks, index: Index, seq: int, low: int, scope: int) -> dict[str, LockState]:
    """Every key of a scope that is held or waited for at `seq`; `low` begins the superstep at `seq`."""
    states: dict[str, LockState] = {}
    for row in _alive(index, seq, low):
        key_scope, key = index.lock_keys[index.locks.key[row]]
        if key_scope != scope:
            continue
        one = use(blocks, index, row)
        state = states.setdefault(key, LockState(0, "", []))
        if one.acquired_seq and one.acquired_seq <= seq:
            states[key] = LockState(one.inv, one.executor, state.queue)
        else:
            state.queue.append(Waiter(one.inv, one.executor, one.op, one.wait_seq))
    return dict(sorted(states.items()))


def _alive(index: Index, seq: int, low: int) -> Iterator[int]:
    columns = index.locks
    row = _first(index, low)
    while row < len(columns) and (columns.wait[row] or columns.acquired[row]) <= seq:
        over = columns.released[row] or columns.given_up[row]
        if not over or over > seq:
            yield row
        row += 1


def _first(index: Index, low: int) -> int:
    """The first use that began at `low` or later; uses are in the order they began."""
    columns = index.locks
    start, end = 0, len(columns)
    while start < end:
        middle = (start + end) // 2
        if (columns.wait[middle] or columns.acquired[middle]) < low:
            start = middle + 1
        else:
            end = middle
    return start
