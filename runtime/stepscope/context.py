"""What a handler gets: its way to send, to yield outputs, to shared state and to effects.

One implementation serves async and sync handlers: each method makes an operation and hands it to the driver, which
answers with something to await, or, in a sync handler, with the result itself. Operations either do something (`DoneT_co`)
or answer with a value (`AnswerT_co`); the two contexts that handlers are annotated with differ in these types alone.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import uuid
from collections.abc import Awaitable, Callable
from types import CodeType, TracebackType
from typing import Any, Generic, Never, Protocol, cast, overload

from typing_extensions import TypeVar

from .errors import StateUsageError
from .kernel.model import HoldRecord, Invocation
from .kernel.ops import Acquire, Add, Get, Release, Send, Set, Update, Yield
from .values import Value

OutT = TypeVar("OutT", default=Never)
"""Type of the messages a handler sends."""
W_OutT = TypeVar("W_OutT", default=Never)
"""Type of the workflow outputs a handler yields."""
DoneT_co = TypeVar("DoneT_co", covariant=True)
"""What an operation without a result gives: something to await, or None in a sync handler."""
AnswerT_co = TypeVar("AnswerT_co", covariant=True)
"""What an operation with a result gives: something to await, or the value itself in a sync handler."""


class Port(Protocol[DoneT_co, AnswerT_co]):
    """The driver's side of a context."""

    @overload
    def perform(self, inv: Invocation, op: Get | Update) -> AnswerT_co: ...
    @overload
    def perform(self, inv: Invocation, op: Send | Yield | Set | Add) -> DoneT_co: ...
    @overload
    def perform(self, inv: Invocation, op: Acquire | Release) -> Any: ...
    def perform(self, inv: Invocation, op: Any) -> Any:
        """Perform an operation: an awaitable for an async handler; a sync one gets the result itself."""
        ...

    def effect(
        self, inv: Invocation, name: str, line: int, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> AnswerT_co:
        """Start an effect: a future for an async handler; a sync one gets the result itself."""
        ...

    def instant(self, inv: Invocation, name: str, line: int, make: Callable[[], Any]) -> Any:
        """An effect that takes no time and is no schedule point: its result at once."""
        ...

    def now(self) -> dt.datetime:
        """Wall clock time, UTC."""
        ...

    def draw(self, inv: Invocation) -> int:
        """The next 128 bits of the invocation's own seeded random stream (DET-3)."""
        ...

    @property
    def traced(self) -> bool:
        """Whether source lines are worth finding out."""
        ...

    @property
    def blocking(self) -> bool:
        """Whether this is a sync handler's port."""
        ...


class Hold(Generic[DoneT_co, AnswerT_co]):
    """The block of ``async with ctx.state.hold(...)``, and of ``with`` in a sync handler (STA-5, STA-6)."""

    __slots__ = ("_keys", "_records", "_state")

    def __init__(self, state: StateView[DoneT_co, AnswerT_co], keys: tuple[str, ...]) -> None:
        self._state = state
        self._keys = keys
        self._records: list[HoldRecord] = []  # one for each time it is entered and not left

    def _enter(self) -> Any:
        state = self._state
        return state._port.perform(state._inv, Acquire(self._keys, state._line()))

    def _exit(self, undo: bool) -> Any:
        state, record = self._state, self._records.pop()
        return state._port.perform(state._inv, Release(record, undo, state._line()))

    async def __aenter__(self: Hold[Awaitable[None], Awaitable[Any]]) -> None:
        self._records.append(await self._enter())

    async def __aexit__(
        self: Hold[Awaitable[None], Awaitable[Any]],
        kind: type[BaseException] | None,
        error: object,
        trace: TracebackType | None,
    ) -> None:
        await self._exit(kind is not None)

    def __enter__(self: Hold[None, Any]) -> None:
        if not self._state._port.blocking:
            raise StateUsageError("write `async with ctx.state.hold(...)` in an async handler.")
        self._records.append(self._enter())

    def __exit__(
        self: Hold[None, Any], kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._exit(kind is not None)


class StateView(Generic[DoneT_co, AnswerT_co]):
    """Shared state as one invocation sees it (STA-1..9). Every method is one atomic operation."""

    __slots__ = ("_code", "_inv", "_port")

    def __init__(self, port: Port[DoneT_co, AnswerT_co], inv: Invocation, code: CodeType) -> None:
        self._port = port
        self._inv = inv
        self._code = code

    def _line(self) -> int:
        return line_in(self._code) if self._port.traced else 0

    def get(self, key: str, default: Any = None) -> AnswerT_co:
        """Read a key, an isolated copy (STA-8); `default` if it is absent.

        Waits while another invocation holds the key (STA-5).
        """
        return self._port.perform(self._inv, Get(self._key(key), default, self._line()))

    def set(self, key: str, value: Any) -> DoneT_co:
        """Write a snapshot or live key. Raises `StateUsageError`, `UnstorableValueError`."""
        stored = Value.of(value, "executor {!r} set state key {!r}", self._inv.executor, key)
        return self._port.perform(self._inv, Set(self._key(key), stored, self._line()))

    def delete(self, key: str) -> DoneT_co:
        """Make a snapshot or live key absent; it does not return to its initial value."""
        return self._port.perform(self._inv, Set(self._key(key), None, self._line()))

    def add(self, key: str, contribution: Any) -> DoneT_co:
        """Contribute to a reducer key; merged at the barrier in canonical order (STA-2)."""
        stored = Value.of(contribution, "executor {!r} added to state key {!r}", self._inv.executor, key)
        return self._port.perform(self._inv, Add(self._key(key), stored, self._line()))

    def update(self, key: str, function: Callable[[Any], Any]) -> AnswerT_co:
        """Replace a snapshot or live key's value by ``function(value)`` in one operation, and give the new value.

        `function` gets None for an absent key, must be a plain function, and must be quick (STA-4).
        """
        return self._port.perform(self._inv, Update(self._key(key), function, self._line()))

    def hold(self, *keys: str) -> Hold[DoneT_co, AnswerT_co]:
        """Exclusive use of live keys for a block, all or nothing for its writes to them (STA-5, STA-6).

        Keys are taken in one canonical order. Raises `DeadlockError` on entry if waiting would never end (DLK-2).
        """
        if not keys:
            raise StateUsageError(f"executor {self._inv.executor!r}: hold() needs at least one key.")
        return Hold(self, tuple(sorted({self._key(key) for key in keys})))

    def _key(self, key: str) -> str:
        """The key as a plain string. Raises `StateUsageError` for what is none."""
        if isinstance(key, str) and key:
            return key if type(key) is str else str(key)
        raise StateUsageError(
            f"executor {self._inv.executor!r}: a state key is a non-empty string, not {type(key).__qualname__} {key!r}."
        )


class Context(Generic[DoneT_co, AnswerT_co, OutT, W_OutT]):
    """A handler's view of the run, whatever the handler is. Good until the handler ends (BAR-2)."""

    __slots__ = ("_code", "_inv", "_port", "_state")

    def __init__(self, port: Port[DoneT_co, AnswerT_co], inv: Invocation, code: CodeType) -> None:
        """Made by the driver."""
        self._port = port
        self._inv = inv
        self._code = code
        self._state: StateView[DoneT_co, AnswerT_co] | None = None

    @property
    def state(self) -> StateView[DoneT_co, AnswerT_co]:
        """Shared state, as this invocation sees it."""
        if self._state is None:
            self._state = StateView(self._port, self._inv, self._code)
        return self._state

    def _line(self) -> int:
        return line_in(self._code) if self._port.traced else 0

    @property
    def executor_id(self) -> str:
        """Id of this executor; ``parent/child`` in a sub-workflow."""
        return self._inv.executor

    @property
    def superstep(self) -> int:
        """Number of this superstep, from 1."""
        return int(self._inv.kernel.superstep)

    @property
    def source_ids(self) -> list[str]:
        """Who sent what this handler got: one id, or a fan-in's in declared order; "" for the run's input."""
        return list(self._inv.sources)

    def send_message(self, message: OutT, target_id: str | None = None) -> DoneT_co:
        """Send along the edges, or only to `target_id`; delivered in the next superstep (ORD-7).

        Raises `UnstorableValueError`.
        """
        stored = Value.of(message, "executor {!r} sent a message", self._inv.executor)
        return self._port.perform(self._inv, Send(stored, target_id, self._line() if self._port.traced else 0))

    def yield_output(self, output: W_OutT) -> DoneT_co:
        """Yield an output of the workflow; committed with the superstep (ORD-6). Raises `UnstorableValueError`."""
        stored = Value.of(output, "executor {!r} yielded an output", self._inv.executor)
        return self._port.perform(self._inv, Yield(stored, self._line()))

    def effect(self, function: Callable[..., Any], *args: Any) -> AnswerT_co:
        """Start something outside the workflow, a model call say, and give its future (DET-3).

        `function` may be async, or plain, which then runs in a thread. Effects of one superstep overlap in every mode.
        """
        name = getattr(function, "__qualname__", type(function).__qualname__).replace("<locals>.", "")
        return self._port.effect(self._inv, name, self._line(), function, args)

    def sleep(self, seconds: float) -> DoneT_co:
        """Let `seconds` pass; recorded as an effect."""
        return cast(DoneT_co, self._port.effect(self._inv, "sleep", self._line(), asyncio.sleep, (seconds,)))

    def now(self) -> dt.datetime:
        """Wall clock time, in UTC; recorded (DET-3)."""
        return cast(dt.datetime, self._port.instant(self._inv, "now", self._line(), self._port.now))

    def random(self) -> float:
        """A number in [0, 1) from the run's seed, this executor and superstep; recorded (DET-3)."""
        return cast(
            float,
            self._port.instant(
                self._inv, "random", self._line(), lambda: (self._port.draw(self._inv) >> 75) / (1 << 53)
            ),
        )

    def uuid(self) -> uuid.UUID:
        """A version 4 UUID drawn like `random`; recorded (DET-3)."""
        return cast(
            uuid.UUID,
            self._port.instant(
                self._inv, "uuid", self._line(), lambda: uuid.UUID(int=self._port.draw(self._inv), version=4)
            ),
        )


class WorkflowContext(Context[Awaitable[None], Awaitable[Any], OutT, W_OutT]):
    """The context of an ``async def`` handler: sends ``OutT``, yields ``W_OutT``; what does something is awaited."""

    __slots__ = ()


class SyncWorkflowContext(Context[None, Any, OutT, W_OutT]):
    """The context of a ``def`` handler: the same methods as plain calls, that wait in the handler's thread (PAR-2).

    A ``def`` handler may be annotated with `WorkflowContext` too; this one gives type checkers the types that it has.
    """

    __slots__ = ()


def line_in(code: CodeType) -> int:
    """The line the handler's own function is at, among the callers; 0 if it is not among them (a child task)."""
    frame = sys._getframe(3)
    while frame is not None:
        if frame.f_code is code:
            return frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return 0
