"""Everything that can happen in a run, one type each. The event stream is the recording, the trace and the screen.

`seq` is one total order over a run, from 1 (semantics: *sequence number*); order is never taken from time.
`t` is nanoseconds since the run began. `scope` is 0 for the run itself; for a sub-workflow it is the
invocation that hosts it (SUB-1), whose supersteps then count from 1 again. `executor` ids in a sub-workflow
read ``parent/child``. `inv` numbers invocations, `message` numbers messages, from 1, across the whole run; the
run's input is message 0. `line` is the line of the handler's source at which it asked, 0 where unknown.

Fields are only ever added, at the end and with a default: recordings are read by later versions.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeAlias

import msgspec

from .values import Value

Access: TypeAlias = Literal["snapshot", "reducer", "live"]
EdgeKind: TypeAlias = Literal["single", "fan-out", "fan-in", "switch-case", "multi-selection"]


class HandlerInfo(msgspec.Struct, array_like=True, frozen=True):
    """A handler of an executor: its message type, where its source is, and its own `timeout` in seconds, if any."""

    name: str
    message_type: str
    file: str
    line: int
    runs: Literal["task", "thread", "workflow"]
    timeout: float | None = None


class ExecutorInfo(msgspec.Struct, array_like=True, frozen=True):
    """A node of the graph. `rank` is the order in which the builder first mentioned it (ORD-2)."""

    id: str
    rank: int
    kind: str
    handlers: list[HandlerInfo]


class EdgeInfo(msgspec.Struct, array_like=True, frozen=True):
    """An edge group. `labels` names the condition or case of each target, "" for none."""

    id: str
    kind: EdgeKind
    sources: list[str]
    targets: list[str]
    labels: list[str]


class KeyInfo(msgspec.Struct, array_like=True, frozen=True):
    """A declared state key. `initial` is None where there is none."""

    name: str
    access: Access
    reducer: str
    initial: Value | None


class GraphInfo(msgspec.Struct, array_like=True, frozen=True):
    """A built workflow, as data."""

    name: str
    start: str
    executors: list[ExecutorInfo]
    edges: list[EdgeInfo]
    keys: list[KeyInfo]


class ErrorInfo(msgspec.Struct, array_like=True, frozen=True):
    """An exception as data; `traceback` is the text Python would print."""

    type: str
    message: str
    traceback: str = ""
    executor: str = ""
    file: str = ""
    line: int = 0


class Change(msgspec.Struct, array_like=True, frozen=True):
    """A key's committed value before and after a barrier; None means absent. `writers` are in rank order."""

    key: str
    old: Value | None
    new: Value | None
    access: Access
    writers: list[str]


class Undelivered(msgspec.Struct, array_like=True, frozen=True):
    """What a delivery will carry, or what waits in fan-in `edge` for its partners; `edge` is "" for the former."""

    target: str
    edge: str
    messages: list[int]
    sources: list[str]
    payload: Value


class Event(msgspec.Struct, array_like=True, frozen=True, gc=False, tag_field="kind"):
    """What every event carries."""

    kind: ClassVar[str] = ""

    seq: int
    t: int
    scope: int
    superstep: int


class RunStarted(Event, tag="run-started", frozen=True):
    """First event of a run, and of each sub-workflow's run (scope is not 0 there). `superstep` is 0."""

    kind: ClassVar[str] = "run-started"

    run_id: str
    workflow: str
    engine: str
    engine_version: str
    mode: str
    seed: int | None
    started_unix_ns: int
    graph: GraphInfo
    options: dict[str, Any]
    input: Value
    python: str = ""


class RunEnded(Event, tag="run-ended", frozen=True):
    """Last event of a run."""

    kind: ClassVar[str] = "run-ended"

    status: Literal["completed", "failed", "cancelled"]
    supersteps: int
    outputs: int
    error: ErrorInfo | None = None


class SuperstepStarted(Event, tag="superstep-started", frozen=True):
    """Barrier k-1 is behind us; these executors have a non-empty inbox, in rank order (ORD-7)."""

    kind: ClassVar[str] = "superstep-started"

    executors: list[str]
    deliveries: int


class Delivered(Event, tag="delivered", frozen=True):
    """A payload lies in an inbox. `position` is its place there, from 0 (ORD-2); `group` is a fan-in's (ORD-4)."""

    kind: ClassVar[str] = "delivered"

    inv: int
    executor: str
    position: int
    messages: list[int]
    sources: list[str]
    payload: Value
    group: bool


class HandlerStarted(Event, tag="handler-started", frozen=True):
    """An invocation begins. Where the handler's source is, `GraphInfo` says (`handler` is `HandlerInfo.name`)."""

    kind: ClassVar[str] = "handler-started"

    inv: int
    executor: str
    handler: str


class HandlerEnded(Event, tag="handler-ended", frozen=True):
    """An invocation has its terminal outcome (BAR-3)."""

    kind: ClassVar[str] = "handler-ended"

    inv: int
    executor: str
    outcome: Literal["completed", "failed", "cancelled", "abandoned"]
    error: ErrorInfo | None = None


class Sent(Event, tag="sent", frozen=True):
    """A handler sent a message; it is routed at the barrier. `number` counts the executor's sends of the superstep."""

    kind: ClassVar[str] = "sent"

    inv: int
    executor: str
    message: int
    number: int
    target: str | None
    payload: Value
    line: int


class Routed(Event, tag="routed", frozen=True):
    """What one edge group did with one message, at the barrier, and why (ORD-8)."""

    kind: ClassVar[str] = "routed"

    message: int
    source: str
    edge: str
    target: str
    decision: Literal["delivered", "buffered", "condition-false", "not-selected"]
    reason: str


class Dropped(Event, tag="dropped", frozen=True):
    """No edge took the message (ORD-8). Only `no-route` and `no-handler` are findings."""

    kind: ClassVar[str] = "dropped"

    message: int
    source: str
    target: str | None
    why: Literal["conditions", "no-route", "no-handler"]
    reason: str


class StateRead(Event, tag="state-read", frozen=True):
    """`get` gave `value`; None means the key was absent and the default was given."""

    kind: ClassVar[str] = "state-read"

    inv: int
    executor: str
    key: str
    access: Access
    value: Value | None
    line: int


class StateWritten(Event, tag="state-written", frozen=True):
    """A write, as its own executor sees it: a live key's at once, others at the barrier (STA-1, STA-4).

    `op` is "undo" where a hold block took a live write back (STA-6). An `add` has its contribution in `given`, and
    neither `old` nor `new`: what it makes of the key, the barrier decides (STA-2).
    """

    kind: ClassVar[str] = "state-written"

    inv: int
    executor: str
    key: str
    access: Access
    op: Literal["set", "delete", "add", "update", "undo"]
    old: Value | None
    new: Value | None
    line: int
    given: Value | None = None


class LockWaiting(Event, tag="lock-waiting", frozen=True):
    """An operation has to wait for a held key. `queue` are the invocations before it, first first."""

    kind: ClassVar[str] = "lock-waiting"

    inv: int
    executor: str
    key: str
    op: Literal["hold", "get", "set", "delete", "update"]
    holder: int
    holder_executor: str
    queue: list[int]
    line: int


class LockAcquired(Event, tag="lock-acquired", frozen=True):
    """A key is held from here (STA-5). `waited` tells whether a `LockWaiting` came before."""

    kind: ClassVar[str] = "lock-acquired"

    inv: int
    executor: str
    key: str
    waited: bool
    line: int


class LockReleased(Event, tag="lock-released", frozen=True):
    """A key is no longer held. `next` is the invocation it was handed to, 0 for none; `queue` who still waits."""

    kind: ClassVar[str] = "lock-released"

    inv: int
    executor: str
    key: str
    reason: Literal["exit", "error", "ended"]
    next: int
    queue: list[int]
    line: int


class EffectStarted(Event, tag="effect-started", frozen=True):
    """A handler asked for an effect; `number` counts the invocation's effects, from 1 (DET-3)."""

    kind: ClassVar[str] = "effect-started"

    inv: int
    executor: str
    number: int
    name: str
    line: int


class EffectEnded(Event, tag="effect-ended", frozen=True):
    """An effect's result was admitted (DET-3)."""

    kind: ClassVar[str] = "effect-ended"

    inv: int
    executor: str
    number: int
    name: str
    result: Value | None
    error: ErrorInfo | None = None


class TimedOut(Event, tag="timed-out", frozen=True):
    """A handler has taken its `timeout` of `seconds`: from here it is being cancelled, and ends as a failure (PAR-4).

    `waiting_for` says what it waited for.
    """

    kind: ClassVar[str] = "timed-out"

    inv: int
    executor: str
    seconds: float
    waiting_for: str


class OutputYielded(Event, tag="output", frozen=True):
    """`yield_output`; provisional until the superstep commits (BAR-7). `number` counts the executor's, from 0."""

    kind: ClassVar[str] = "output"

    inv: int
    executor: str
    number: int
    value: Value
    line: int


class BarrierArrived(Event, tag="barrier-arrived", frozen=True):
    """An executor has handled its whole inbox; `waiting` others of the superstep have not yet."""

    kind: ClassVar[str] = "barrier-arrived"

    executor: str
    waiting: int


class Committed(Event, tag="committed", frozen=True):
    """The barrier's commit: every key that changed hands, in key order (BAR-1)."""

    kind: ClassVar[str] = "committed"

    changes: list[Change]
    messages: int
    outputs: int


class SuperstepCompleted(Event, tag="superstep-completed", frozen=True):
    """The superstep is over and committed."""

    kind: ClassVar[str] = "superstep-completed"


class Checkpointed(Event, tag="checkpointed", frozen=True):
    """A checkpoint of this barrier was kept, or with `error` could not be (BAR-4, BAR-6).

    `size` is in bytes; `took` in nanoseconds, the executors' `on_checkpoint_save` included.
    """

    kind: ClassVar[str] = "checkpointed"

    checkpoint_id: str
    size: int
    took: int
    error: ErrorInfo | None = None


class Resumed(Event, tag="resumed", frozen=True):
    """Second event of a resumed run: where it goes on, so that its recording needs no other (BAR-5).

    `superstep` is the last one committed before, by the run `origin`. `changes` lead from the declared initial state to
    the state there. `waiting` are the messages not yet delivered. Before were `outputs` outputs, `invocations` and
    `messages`, and a history whose digest is `chain`.
    """

    kind: ClassVar[str] = "resumed"

    checkpoint_id: str
    origin: str
    changes: list[Change]
    waiting: list[Undelivered]
    outputs: int
    invocations: int
    messages: int
    chain: str


class SuperstepFailed(Event, tag="superstep-failed", frozen=True):
    """Nothing of the superstep was committed (BAR-3). `reverted` are live keys: `old` as it was, `new` restored."""

    kind: ClassVar[str] = "superstep-failed"

    errors: list[ErrorInfo]
    reverted: list[Change]


class Found(Event, tag="finding", frozen=True):
    """The runtime reports something; see `findings.Finding`, which this carries."""

    kind: ClassVar[str] = "finding"

    finding: str
    message: str
    remedy: str
    clause: str
    executors: list[str]
    keys: list[str]
    locks: list[str]
    seqs: list[int]
    confidence: Literal["observed", "confirmed", "predicted"] = "observed"


AnyEvent: TypeAlias = (
    RunStarted | RunEnded | SuperstepStarted | SuperstepCompleted | SuperstepFailed | Delivered | HandlerStarted
    | HandlerEnded | Sent | Routed | Dropped | StateRead | StateWritten | LockWaiting | LockAcquired | LockReleased
    | EffectStarted | EffectEnded | OutputYielded | BarrierArrived | Committed | Found | TimedOut
    | Checkpointed | Resumed
)  # fmt: skip
"""The union to decode with: ``msgspec.msgpack.Decoder(list[AnyEvent], dec_hook=...)``."""

EVENT_TYPES: dict[str, type[Event]] = {cls.kind: cls for cls in Event.__subclasses__()}
