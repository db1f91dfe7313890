"""One run: its observers, journal, driver and clock, from the start event to the result."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..findings import Finding, of_event
from ..journal import Journal
from ..kernel import Kernel, Plan
from ..observe import ALL, Observer, RunSink
from ..values import Value
from .base import Driver
from .checkpointing import Keeper, Keeping
from .choosers import Seeded
from .concurrent import ConcurrentDriver
from .controlled import ControlledDriver
from .describe import error_info
from .options import RunOptions
from .resuming import Resumption
from .scope import run_ended, run_scope, run_started

_TICK = 0.02
"""Seconds between offers to write inside a superstep."""


@dataclass(frozen=True, slots=True)
class WorkflowResult:
    """What a run came to.

    `outputs` are in canonical order (ORD-6), `state` is the committed state, `supersteps` how many committed,
    `digest` stands for the committed history and not for times (DET-1), `findings` is what the runtime reported.
    """

    outputs: list[Any]
    state: dict[str, Any]
    supersteps: int
    digest: str
    run_id: str
    findings: list[Finding] = field(default_factory=list)


@cache
def _version() -> str:
    try:
        return version("stepscope")
    except PackageNotFoundError:
        return "0"


class Session:
    """One run of one workflow."""

    def __init__(
        self,
        plan: Plan,
        message: Any,
        options: RunOptions,
        observers: Sequence[Observer],
        extra: Sequence[RunSink] = (),
        announce: Callable[[int], None] | None = None,
        checkpoints: Keeping | None = None,
        resumed: Resumption | None = None,
    ) -> None:
        """`extra` are sinks that take no part in durability, such as a stream's; `announce` is told what is durable.

        `checkpoints` says where checkpoints go, `resumed` where the run goes on; `message` is then not looked at.

        Raises `WorkflowError` if an observer cannot watch, `UnstorableValueError` for the input, `CheckpointError` for
        a checkpoint that does not fit.
        """
        self.run_id = uuid.uuid4().hex[:16]
        began = time.perf_counter_ns()
        self._journal = Journal(lambda: time.perf_counter_ns() - began)
        self._ended = False
        self._options = options
        self._resumed = resumed
        self._kernel = Kernel(plan, self._journal, strict=options.strict, describe=error_info)
        if resumed is None:
            self._payload = Value.of(message, "workflow {!r}: its input", plan.name)
            self._kernel.check_input(self._payload)
        else:
            self._payload = resumed.payload
            resumed.apply(self._kernel)
        self._seed = options.drawn_seed
        last = "" if resumed is None else resumed.info.checkpoint_id
        self._keeper = (
            None if checkpoints is None else Keeper(checkpoints, self._kernel, options, self._seed, self._payload, last)
        )
        started = run_started(
            plan, self._journal, options, self._seed, self._payload,
            run_id=self.run_id, version=_version(), unix_ns=time.time_ns(),
        )  # fmt: skip
        with ExitStack() as opened:
            keeping: list[RunSink] = []
            for observer in observers:
                keeping.append(observer.begin(started))
                opened.callback(keeping[-1].close)
            self._sinks = opened.pop_all()
        self._journal.listen(keeping, extra)
        self._journal.announce = announce
        if self._journal.on:
            self._journal.append(started)
            if resumed is not None:
                self._journal.append(resumed.event(self._journal, self._kernel))

    async def run(self) -> WorkflowResult:
        """Run to quiescence. Raises what `Workflow.run` says."""
        kernel, journal = self._kernel, self._journal
        ticker: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()

        def tick() -> None:
            nonlocal ticker
            journal.flush(barrier=False)
            ticker = loop.call_later(_TICK, tick)

        if journal.on:
            ticker = loop.call_later(_TICK, tick)
        try:
            driver = self._driver()
            keep = None if self._keeper is None else partial(self._keeper.keep, self.run_id)
            if self._resumed is None:
                kernel.begin(self._payload)
                if keep is not None:
                    await keep()
            with driver.watched():
                await run_scope(driver, kernel, keep=keep)
        except BaseException as error:
            self.end(error)
            raise
        finally:
            if ticker is not None:
                ticker.cancel()
        self.end(None)
        return WorkflowResult(
            outputs=[value.fresh() for value in kernel.outputs],
            state={key: value.fresh() for key, value in sorted(kernel.state.committed.items()) if value is not None},
            supersteps=kernel.superstep,
            digest=kernel.digest,
            run_id=self.run_id,
            findings=[of_event(event, self.run_id) for event in journal.findings],
        )

    def end(self, failure: BaseException | None) -> None:
        """Record how the run ended and close its sinks, once; after this nothing is recorded any more."""
        if self._ended:
            return
        self._ended = True
        journal = self._journal
        if journal.on:
            journal.append(run_ended(self._kernel, failure))
        announce = journal.announce
        journal.listen((), ())
        self._sinks.close()
        if announce is not None:
            announce(ALL)

    def _driver(self) -> Driver:
        if self._options.mode == "deterministic":
            return ControlledDriver(self._journal, self._options, self._seed, Seeded(self._seed))
        return ConcurrentDriver(self._journal, self._options, self._seed)
