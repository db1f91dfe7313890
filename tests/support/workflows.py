"""Small workflows for tests: executors from functions, siblings of one superstep, runs with all their events, jitter."""

from __future__ import annotations

import asyncio
import os
import random
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import pytest

from stepscope import (
    Executor,
    Finding,
    StateKey,
    SyncWorkflowContext,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowResult,
    handler,
)
from stepscope.events import AnyEvent, Event, HandlerStarted, RunStarted
from stepscope.observe import ALL

Context: TypeAlias = WorkflowContext[Any, Any]
ThreadContext: TypeAlias = SyncWorkflowContext[Any, Any]
Act: TypeAlias = Callable[[Any, Context], Awaitable[None]]
"""What an executor does with a message, as an async handler."""
ThreadAct: TypeAlias = Callable[[Any, Any], None]
"""The same, as a sync handler: annotated with either context."""
Options: TypeAlias = dict[str, Any]
"""Keyword arguments of `Workflow.run`."""
E = TypeVar("E", bound=Event)

CONCURRENT: Options = {"mode": "concurrent"}
MODES: list[Options] = [CONCURRENT, *({"mode": "deterministic", "seed": seed} for seed in range(3))]
GUARD = 10.0
"""Seconds after which a run that hangs is given up: never reached by a test that passes."""


def label(options: Options) -> str:
    """A mode in few letters, for test ids."""
    return "concurrent" if options["mode"] == "concurrent" else f"seed{options['seed']}"


in_every_mode = pytest.mark.parametrize("options", MODES, ids=label)
"""Runs a test in concurrent mode and under a few seeds; `options` goes to `run`."""


def full(quick: int, whole: int) -> int:
    """How often to repeat: `whole` in the full suite (STEPSCOPE_FULL=1), else `quick`."""
    return whole if os.environ.get("STEPSCOPE_FULL") == "1" else quick


class Node(Executor):
    """Does with any message what the function it was given does."""

    def __init__(self, id: str, act: Act) -> None:
        super().__init__(id)
        self.act = act

    @handler
    async def handle(self, message: object, ctx: WorkflowContext[Any, Any]) -> None:
        await self.act(message, ctx)


class ThreadNode(Executor):
    """The same with a sync handler, which runs in a thread (PAR-2)."""

    def __init__(self, id: str, act: ThreadAct) -> None:
        super().__init__(id)
        self.act = act

    @handler
    def handle(self, message: object, ctx: ThreadContext) -> None:
        self.act(message, ctx)


async def relay(message: Any, ctx: Context) -> None:
    """Send on what came."""
    await ctx.send_message(message)


async def swallow(message: Any, ctx: Context) -> None:
    """Do nothing."""


async def give(message: Any, ctx: Context) -> None:
    """Yield what came as an output."""
    await ctx.yield_output(message)


def sending(*messages: Any, target: str | None = None) -> Act:
    """An act that sends these, whatever came."""

    async def act(_: Any, ctx: Context) -> None:
        for message in messages:
            await ctx.send_message(message, target)

    return act


def build(builder: WorkflowBuilder) -> Workflow:
    """Build without the warning of a cycle that is meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return builder.build()


def siblings(
    acts: Mapping[str, Act | Executor], *, state: Sequence[StateKey] = (), then: Act | None = None, first: Act = relay
) -> Workflow:
    """Executors that run side by side in superstep 2, all with the input as their message.

    "start" does `first` in superstep 1; ranks follow the mapping's order. With `then`, what they send goes to "then".
    """
    start = Node("start", first)
    nodes = [act if isinstance(act, Executor) else Node(name, act) for name, act in acts.items()]
    builder = WorkflowBuilder(start, state=state).add_fan_out_edges(start, nodes)
    if then is not None:
        target = Node("then", then)
        for node in nodes:
            builder.add_edge(node, target)
    return build(builder)


def alone(act: Act | Executor, *, state: Sequence[StateKey] = ()) -> Workflow:
    """A workflow of one executor, "only"."""
    return WorkflowBuilder(act if isinstance(act, Executor) else Node("only", act), state=state).build()


class _Sink:
    durable = ALL

    def __init__(self, events: list[AnyEvent]) -> None:
        self.append = events.append

    def enter_handler(self, event: HandlerStarted) -> None:
        """Nothing to do."""

    def flush(self, *, barrier: bool) -> None:
        """Nothing to write."""

    def close(self) -> None:
        """Nothing to close."""


class Watch:
    """An observer that keeps the events of the runs it is given to."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def begin(self, started: RunStarted) -> _Sink:
        return _Sink(self.events)


@dataclass
class Seen:
    """A run that is over: what it gave or raised, and its events."""

    events: list[AnyEvent]
    outcome: WorkflowResult | None = None
    error: Exception | None = None

    @property
    def result(self) -> WorkflowResult:
        """What it gave; raises what it raised."""
        if self.error is not None:
            raise self.error
        assert self.outcome is not None
        return self.outcome

    def of(self, kind: type[E], executor: str | None = None) -> list[E]:
        """Events of one type, in order; of one executor only where it is named."""
        found: list[E] = []
        for event in self.events:
            if isinstance(event, kind) and executor in (None, getattr(event, "executor", None)):
                found.append(event)
        return found

    def findings(self, kind: str) -> list[Finding]:
        """What the result reports of this kind."""
        return [finding for finding in self.result.findings if finding.kind == kind]


async def watch(workflow: Workflow, message: Any = None, *, observer: Watch | None = None, **options: Any) -> Seen:
    """Run, and keep all of its events; what it raises is kept too."""
    observer = observer or Watch()
    seen = Seen(observer.events)
    async with asyncio.timeout(GUARD):
        try:
            seen.outcome = await workflow.run(message, record=observer, **options)
        except Exception as error:
            seen.error = error
    return seen


async def run(workflow: Workflow, message: Any = None, **options: Any) -> WorkflowResult:
    """Run; a hang becomes a `TimeoutError`."""
    async with asyncio.timeout(GUARD):
        return await workflow.run(message, **options)


class Jitter:
    """Lets the event loop go round a random number of times: other handlers overtake, and no time passes."""

    def __init__(self, seed: int, most: int = 5) -> None:
        self._random = random.Random(seed)
        self._most = most

    async def __call__(self) -> None:
        for _ in range(self._random.randint(0, self._most)):
            await asyncio.sleep(0)

    def thread(self) -> None:
        """The same for a sync handler: other threads may go first."""
        for _ in range(self._random.randint(0, self._most)):
            time.sleep(0)


@dataclass
class Log:
    """What handlers noted, in real order."""

    lines: list[Any] = field(default_factory=list)

    def __call__(self, line: Any) -> None:
        self.lines.append(line)


class Turns:
    """Lets handlers of a concurrent run pass one after another, in an order of the test's choosing."""

    def __init__(self, *names: str) -> None:
        self._gates = {name: asyncio.Event() for name in names}
        self._names = list(names)
        self._gates[names[0]].set()

    @asynccontextmanager
    async def __call__(self, name: str) -> AsyncIterator[None]:
        await self._gates[name].wait()
        yield
        after = self._names.index(name) + 1
        if after < len(self._names):
            self._gates[self._names[after]].set()
