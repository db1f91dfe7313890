"""A run as a stream of what happens, while it happens (BAR-7, ORD-6)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from ..events import (
    AnyEvent,
    Checkpointed,
    Delivered,
    Dropped,
    Event,
    Found,
    HandlerEnded,
    HandlerStarted,
    OutputYielded,
    RunStarted,
    Sent,
    SuperstepCompleted,
    SuperstepFailed,
    SuperstepStarted,
)
from ..findings import of_event
from ..kernel import Plan
from ..observe import ALL, Observer
from ..values import Value
from .checkpointing import Keeping
from .options import RunOptions
from .session import Session


@dataclass(frozen=True, slots=True)
class WorkflowEvent:
    """Something that happened, in real order.

    `type` is "run_started", "superstep_started", "executor_invoked", "executor_completed", "executor_failed",
    "executor_cancelled", "executor_abandoned", "output", "message_dropped", "finding", "checkpointed",
    "superstep_completed", "superstep_failed" or "run_completed". `data` is the message of "executor_invoked" and "message_dropped", the
    value of "output", the `ErrorInfo` of "executor_failed", a list of them of "superstep_failed", the `Finding` of
    "finding", the checkpoint's id of "checkpointed", the run id of "run_started", the `WorkflowResult` of "run_completed". `provisional` outputs are retracted
    by "superstep_failed". Events inside sub-workflows have ids ``parent/child`` and the sub-workflow's superstep.
    """

    type: str
    superstep: int
    executor_id: str | None = None
    data: Any = None
    provisional: bool = False


class _StreamSink:
    """Collects events; gives those that may be announced."""

    durable = ALL

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, WorkflowEvent]] = deque()
        self._payloads: dict[int, Value] = {}
        self._run_id = ""
        self.announced: asyncio.Queue[WorkflowEvent | None] = asyncio.Queue()

    def append(self, event: AnyEvent) -> None:
        made = self._make(event)
        if made is None:
            return
        needs = event.seq if made.type == "superstep_completed" else 0
        if needs or self._waiting:
            self._waiting.append((needs, made))
        else:
            self.announced.put_nowait(made)

    def release(self, durable: int) -> None:
        """What is durable up to here may be announced, and whatever waited behind it."""
        while self._waiting and self._waiting[0][0] <= durable:
            self.announced.put_nowait(self._waiting.popleft()[1])

    def enter_handler(self, event: HandlerStarted) -> None:
        """Nothing to do."""

    def flush(self, *, barrier: bool) -> None:
        """Nothing to write."""

    def close(self) -> None:
        """Nothing to close."""

    def _make(self, event: Event) -> WorkflowEvent | None:
        step = event.superstep
        match event:
            case Delivered():
                self._payloads[event.inv] = event.payload
                return None
            case Sent():
                self._payloads[-event.message] = event.payload
                return None
            case HandlerStarted():
                return WorkflowEvent("executor_invoked", step, event.executor, self._payloads.pop(event.inv).fresh())
            case HandlerEnded():
                return WorkflowEvent(f"executor_{event.outcome}", step, event.executor, event.error)
            case Dropped():
                payload = self._payloads[-event.message].fresh()
                return WorkflowEvent("message_dropped", step, event.source, payload)
            case Found():
                return WorkflowEvent("finding", step, None, of_event(event, self._run_id))
        if event.scope:
            return None
        match event:
            case RunStarted():
                self._run_id = event.run_id
                return WorkflowEvent("run_started", 0, None, event.run_id)
            case SuperstepStarted():
                return WorkflowEvent("superstep_started", step)
            case OutputYielded():
                return WorkflowEvent("output", step, event.executor, event.value.fresh(), provisional=True)
            case SuperstepCompleted():
                self._payloads.clear()
                return WorkflowEvent("superstep_completed", step)
            case Checkpointed() if event.error is None:
                return WorkflowEvent("checkpointed", step, None, event.checkpoint_id)
            case SuperstepFailed():
                return WorkflowEvent("superstep_failed", step, None, event.errors)
        return None


async def stream_run(
    plan: Plan, message: Any, options: RunOptions, observers: Sequence[Observer], checkpoints: Keeping | None = None
) -> AsyncGenerator[WorkflowEvent, None]:
    """See `Workflow.stream`."""
    sink = _StreamSink()
    session = Session(plan, message, options, observers, [sink], sink.release, checkpoints)
    run = asyncio.create_task(session.run())
    run.add_done_callback(lambda _: sink.announced.put_nowait(None))
    try:
        while (event := await sink.announced.get()) is not None:
            yield event
        result = await run
        yield WorkflowEvent("run_completed", result.supersteps, None, result)
    finally:
        if not run.done():
            run.cancel()
            await asyncio.wait((run,))
        session.end(asyncio.CancelledError())  # it may not even have begun
        if not run.cancelled():
            run.exception()  # seen: whoever left early does not ask for it
