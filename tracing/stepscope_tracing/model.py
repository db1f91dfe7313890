"""What queries answer with: small frozen records. Times are nanoseconds since the run began; a `seq` of 0 means none."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import msgspec

from stepscope.events import Access
from stepscope.values import Value

Status: TypeAlias = Literal["running", "completed", "failed", "cancelled", "interrupted"]


class RunInfo(msgspec.Struct, frozen=True):
    """One run of a recording. `complete`: the run's end was recorded; "interrupted": it never will be."""

    run_id: str
    engine: str
    workflow: str
    mode: str
    seed: int | None
    started_unix_ns: int
    status: Status
    complete: bool
    events: int


class SuperstepSpan(msgspec.Struct, frozen=True):
    """A superstep, from its start to its completion; `last` is the newest event while it is open."""

    scope: int
    superstep: int
    first: int
    last: int
    t0: int
    t1: int
    outcome: Literal["completed", "failed", "open"]
    deliveries: int
    committed: int


class Lane(msgspec.Struct, frozen=True):
    """An executor's row in a drawing. `depth` counts the sub-workflows around it, `parent` hosts it."""

    executor: str
    rank: int
    depth: int
    parent: str


class Invocation(msgspec.Struct, frozen=True):
    """One run of a handler for one delivery. `outcome` is "" while it has none, `handler` before it starts."""

    inv: int
    executor: str
    scope: int
    superstep: int
    delivered: int
    started: int
    ended: int
    t_delivered: int
    t_started: int
    t_ended: int
    handler: str
    outcome: str
    messages: list[int]
    sources: list[str]


class Arc(NamedTuple):
    """A message that lay in an inbox."""

    inv: int
    executor: str
    seq: int


class Route(NamedTuple):
    """What an edge did with a message."""

    seq: int
    edge: str
    target: str
    decision: str
    reason: str


class Message(msgspec.Struct, frozen=True):
    """A message, from its sending to its deliveries. The run's input is message 0: no source.

    `sent` is 0 for the input, and in a resumed run for what had been sent before; `superstep` is then the last before.
    """

    id: int
    source: str
    scope: int
    superstep: int
    sent: int
    inv: int
    number: int
    target: str | None
    payload: Value
    deliveries: list[Arc]
    routed: list[Route]
    dropped: str | None
    """Why no edge took it."""


class Write(msgspec.Struct, frozen=True):
    """One write, as its executor saw it. `applied_seq`: when everybody saw it, 0 for never (STA-1, STA-4)."""

    seq: int
    key: str
    executor: str
    inv: int
    superstep: int
    op: str
    old: Value | None
    new: Value | None
    access: Access
    applied_seq: int


class Cell(msgspec.Struct, frozen=True):
    """A key's value at a moment. `written` is the write that put it there, 0 for the initial value.

    `pending`: only its own executor sees it yet. `added` are that executor's contributions to a reducer key, which
    the barrier will merge into `value` (STA-2).
    """

    value: Value
    written: int
    executor: str
    superstep: int
    access: Access
    pending: bool
    added: list[Value] = []


class Contribution(NamedTuple):
    """What an executor added to a reducer key."""

    executor: str
    value: Value


class StateChange(msgspec.Struct, frozen=True):
    """What one event did to a key; None means absent. `pending`: only its own executor sees it yet.

    `added`: what an `add` contributes, which has neither `old` nor `new`; of a commit, all that it merged into `old`,
    in that order (STA-2).
    """

    key: str
    old: Value | None
    new: Value | None
    access: Access
    writers: list[str]
    pending: bool
    added: list[Contribution] = []


class LockUse(msgspec.Struct, frozen=True):
    """A hold of a key, or a plain operation that had to wait for one.

    A plain operation (`op` is not "hold") is acquired and released by its own event. `given_up` is where a waiter
    is known to be gone without having had its turn.
    """

    key: str
    inv: int
    executor: str
    scope: int
    op: str
    wait_seq: int
    acquired_seq: int
    released_seq: int
    t_wait: int
    t_acquired: int
    t_released: int
    holder_when_waiting: int
    given_up: int


class Waiter(NamedTuple):
    """Who waits for a key, for which operation, since which event."""

    inv: int
    executor: str
    op: str
    since_seq: int


class LockState(msgspec.Struct, frozen=True):
    """A key at a moment: its holder (0: free) and the queue, first first."""

    holder: int
    holder_executor: str
    queue: list[Waiter]


class Arrival(msgspec.Struct, frozen=True):
    """An executor at the barrier, and how long it then idled for the last one."""

    executor: str
    seq: int
    t: int
    idle_ns: int


class Bucket(msgspec.Struct, frozen=True):
    """A stretch of a run, counted."""

    first: int
    last: int
    events: int
    errors: int
    findings: int
    writes: int
    lock_waits: int


class Counts(msgspec.Struct, frozen=True):
    """A run in numbers; they mean the same for every engine.

    Supersteps, barriers and checkpoints are the run's own; everything else counts sub-workflows too.
    """

    supersteps: int
    deliveries: int
    messages: int
    lock_acquisitions: int
    barriers: int
    checkpoints: int
    state_writes: int
    events: int
