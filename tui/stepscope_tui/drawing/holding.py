"""Who held each lock and who waited for it over a stretch of a run, from its events and how things stood before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from stepscope.events import (
    AnyEvent,
    HandlerEnded,
    LockAcquired,
    LockReleased,
    LockWaiting,
    StateRead,
    StateWritten,
)

if TYPE_CHECKING:
    from stepscope_tracing.model import LockState

FOREVER = 1 << 62
"""The end of what has not ended yet."""

Lock: TypeAlias = tuple[int, str]
"""A key and the scope it is in, scope first."""


class Stretch(NamedTuple):
    """From event `first` up to, not including, event `end`."""

    first: int
    end: int
    executor: str


class Holding(NamedTuple):
    """One lock: its holders and its waiters, each in the order in which they ended."""

    held: list[Stretch]
    waited: list[Stretch]


class _Open(NamedTuple):
    inv: int
    executor: str
    first: int
    op: str = "hold"


class _Follower:
    def __init__(self) -> None:
        self.out: dict[Lock, Holding] = {}
        self.holder: dict[Lock, _Open] = {}
        self.queue: dict[Lock, dict[int, _Open]] = {}

    def wait(self, lock: Lock, one: _Open) -> None:
        self.queue.setdefault(lock, {})[one.inv] = one

    def hold(self, lock: Lock, one: _Open) -> None:
        self.served(lock, one.inv, one.first)
        if lock not in self.holder or self.holder[lock].inv != one.inv:
            self.release(lock, one.first)
            self.holder[lock] = one

    def release(self, lock: Lock, seq: int) -> None:
        held = self.holder.pop(lock, None)
        if held is not None:
            self.of(lock).held.append(Stretch(held.first, seq, held.executor))

    def served(self, lock: Lock, inv: int, seq: int) -> None:
        one = self.queue.get(lock, {}).pop(inv, None)
        if one is not None:
            self.of(lock).waited.append(Stretch(one.first, seq, one.executor))

    def give_up(self, inv: int, seq: int) -> None:
        for lock in list(self.queue):
            self.served(lock, inv, seq)

    def of(self, lock: Lock) -> Holding:
        return self.out.setdefault(lock, Holding([], []))


def holding(events: Iterable[AnyEvent], before: Mapping[Lock, LockState]) -> dict[Lock, Holding]:
    """Every lock that is held or wanted during `events`, or was `before`.

    What had begun before the first event begins, here, with `seq` 0. A lock that is handed over belongs to its heir
    from the release on, a little before the heir wakes up (STA-5).
    """
    follow = _Follower()
    for lock, state in before.items():
        if state.holder:
            follow.hold(lock, _Open(state.holder, state.holder_executor, 0))
        for waiter in state.queue:
            follow.wait(lock, _Open(waiter.inv, waiter.executor, 0, waiter.op))
    for event in events:
        _take(follow, event)
    for lock in list(follow.holder):
        follow.release(lock, FOREVER)
    for queue in list(follow.queue.values()):
        for inv in list(queue):
            follow.give_up(inv, FOREVER)
    return {lock: one for lock, one in follow.out.items() if one.held or one.waited}


def _take(follow: _Follower, event: AnyEvent) -> None:
    match event:
        case LockWaiting():
            follow.wait((event.scope, event.key), _Open(event.inv, event.executor, event.seq, event.op))
        case LockAcquired():
            follow.hold((event.scope, event.key), _Open(event.inv, event.executor, event.seq))
        case LockReleased():
            lock = (event.scope, event.key)
            follow.release(lock, event.seq)
            heir = follow.queue.get(lock, {}).get(event.next)
            if heir is not None and heir.op == "hold":  # a plain operation holds for no time
                follow.hold(lock, _Open(heir.inv, heir.executor, event.seq))
            if event.reason != "exit":  # it unwinds, so it waits for nothing any more
                follow.give_up(event.inv, event.seq)
        case StateRead() | StateWritten():
            follow.served((event.scope, event.key), event.inv, event.seq)
        case HandlerEnded():
            follow.give_up(event.inv, event.seq)
