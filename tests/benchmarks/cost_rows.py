"""What a clause costs, as small programs that do one thing n times: the rows of `benchmarks.semantics_costs`."""

from __future__ import annotations

import asyncio
import operator
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from stepscope import (
    CheckpointStorage,
    Executor,
    InMemoryCheckpointStorage,
    SQLiteCheckpointStorage,
    StateKey,
    SuperstepError,
    SyncWorkflowContext,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowExecutor,
    executor,
    handler,
)
from stepscope.analysis import lock_orders
from stepscope.events import AnyEvent
from support.watching import Watcher

WIDTH = 100
SMALL = {f"key {i}": i for i in range(10)}
LARGE = {f"key {i}": i for i in range(1000)}

Options: TypeAlias = dict[str, Any]
Act: TypeAlias = Callable[[WorkflowContext[Any, Any], int], Awaitable[None]]
Run: TypeAlias = Callable[[int, Options], Awaitable[Any]]


@dataclass(frozen=True)
class Cost:
    """One row. `run(n, options)` does the thing n times; `times` is the n that is measured."""

    clause: str
    what: str
    run: Run
    times: int = 1000
    options: Options = field(default_factory=dict)

    async def __call__(self, n: int, mode: str) -> None:
        """Do it n times in one of the modes."""
        await self.run(n, {"mode": mode, **self.options})


class Acts(Executor):
    """An async handler that does something as often as the message says."""

    def __init__(self, id: str, act: Act) -> None:
        super().__init__(id)
        self.act = act

    @handler
    async def take(self, n: int, ctx: WorkflowContext[Any, Any]) -> None:
        await self.act(ctx, n)


KEYS = [
    StateKey("snapshot", 0),
    StateKey("sum", 0, reducer=operator.add),
    StateKey("live", 0, access="live"),
    StateKey("other", 0, access="live"),
    StateKey("small", SMALL, access="live"),
    StateKey("large", LARGE, access="live"),
]


async def pass_on(ctx: WorkflowContext[Any, Any], n: Any) -> None:
    """Send what came."""
    await ctx.send_message(n)


async def nothing(ctx: WorkflowContext[Any, Any], n: Any) -> None:
    """Take a message."""


def add_one(n: int) -> int:
    """What updates do."""
    return n + 1


def alone(act: Act) -> Run:
    """One handler that does it all."""
    workflow = WorkflowBuilder(Acts("only", act), state=KEYS).build()
    return lambda n, options: workflow.run(n, **options)


def in_line(act: Act, executors: int = 10) -> Run:
    """Several handlers at the same time, each with its share."""
    start = Acts("start", lambda ctx, n: ctx.send_message(n // executors))
    workers = [Acts(f"w{i}", act) for i in range(executors)]
    workflow = WorkflowBuilder(start, state=KEYS).add_fan_out_edges(start, workers).build()
    return lambda n, options: workflow.run(n, **options)


def each(operation: Callable[[WorkflowContext[Any, Any]], Awaitable[Any]]) -> Act:
    """An operation, again and again."""

    async def act(ctx: WorkflowContext[Any, Any], n: int) -> None:
        for _ in range(n):
            await operation(ctx)

    return act


# -- supersteps and messages -----------------------------------------------------------------------------------------


async def count_down(ctx: WorkflowContext[Any, Any], n: int) -> None:
    """A message to itself for each superstep."""
    if n:
        await ctx.send_message(n - 1)


def loop(one: Executor) -> Run:
    """n supersteps with one delivery."""
    workflow = WorkflowBuilder(one, max_supersteps=10**6).add_edge(one, one, condition=lambda n: n >= 0).build()
    return lambda n, options: workflow.run(n, **options)


@executor(id="thread")
def count_down_in_thread(n: int, ctx: SyncWorkflowContext[int]) -> None:
    """The same from a thread."""
    if n:
        ctx.send_message(n - 1)


def nested() -> Run:
    """n supersteps with one delivery, to a sub-workflow of one executor."""
    inner = Acts("inner", lambda ctx, n: ctx.yield_output(n - 1))
    child = WorkflowExecutor(WorkflowBuilder(inner, name="inner").build(), id="child")
    workflow = WorkflowBuilder(child, max_supersteps=10**6).add_edge(child, child, condition=lambda n: n > 0).build()

    async def run(n: int, options: Options) -> Any:
        return await workflow.run(n, **options) if n else None

    return run


def refuses(_: Any) -> bool:
    """A condition that says no."""
    return False


def replayed() -> Run:
    """The events of n supersteps with one delivery, with the handlers run again under their schedule."""
    one = Acts("loop", count_down)
    workflow = WorkflowBuilder(one, max_supersteps=10**6).add_edge(one, one, condition=lambda n: n >= 0).build()
    seen: dict[tuple[int, str], list[AnyEvent]] = {}

    async def run(n: int, options: Options) -> None:
        case = n, options["mode"]
        if case not in seen:
            watcher = Watcher()
            await workflow.run(n, record=watcher, **options)
            seen[case] = watcher.events
        (await workflow.replay(seen[case])).verify()

    return run


def checkpointed(storage: Callable[[Path], CheckpointStorage]) -> Run:
    """n supersteps with one delivery, each with a checkpoint, in a storage that is new for each run."""
    supersteps = loop(Acts("loop", count_down))

    async def run(n: int, options: Options) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return await supersteps(n, {**options, "checkpoints": storage(Path(folder) / "checkpoints.db")})

    return run


def to_one(condition: Callable[[Any], bool] | None = None) -> Run:
    """n messages from one executor to another in one superstep."""
    start, sink = Acts("start", each(lambda ctx: ctx.send_message(0))), Acts("sink", nothing)
    workflow = WorkflowBuilder(start).add_edge(start, sink, condition=condition).build()
    return lambda n, options: workflow.run(n, **options)


def fan(join: bool) -> Run:
    """n/100 messages to each of 100 executors, which send each on to one: as it is, or joined with the others'."""
    start = Acts("start", each(lambda ctx: ctx.send_message(0)))
    workers = [Acts(f"w{i}", pass_on) for i in range(WIDTH)]
    if join:
        sink: Executor = Group("sink")
        builder = WorkflowBuilder(start).add_fan_out_edges(start, workers).add_fan_in_edges(workers, sink)
    else:
        sink = Acts("sink", nothing)
        builder = WorkflowBuilder(start).add_fan_out_edges(start, workers)
        for worker in workers:
            builder.add_edge(worker, sink)
    workflow = builder.build()
    return lambda n, options: workflow.run(n // WIDTH, **options)


class Group(Executor):
    """Takes a fan-in's groups."""

    @handler
    async def take(self, group: list[int], ctx: WorkflowContext[Any, Any]) -> None:
        pass


def fan_out(message: Any = 0, width: int = WIDTH) -> Run:
    """n/width messages to each of `width` executors."""

    start = Acts("start", each(lambda ctx: ctx.send_message(message)))
    workers = [Taker(f"w{i}") for i in range(width)]
    workflow = WorkflowBuilder(start).add_fan_out_edges(start, workers).build()
    return lambda n, options: workflow.run(n // width, **options)


class Taker(Executor):
    """Takes whatever comes."""

    @handler
    async def take(self, message: object, ctx: WorkflowContext[Any, Any]) -> None:
        pass


def failing() -> Run:
    """n siblings that are cancelled in their effects, in supersteps of 100, because one more fails."""

    async def act(ctx: WorkflowContext[Any, Any], n: int) -> None:
        if ctx.executor_id == "w0":
            raise ConnectionError
        await ctx.sleep(3600)

    start, workers = Acts("start", pass_on), [Acts(f"w{i}", act) for i in range(WIDTH + 1)]
    workflow = WorkflowBuilder(start).add_fan_out_edges(start, workers).build()

    async def run(n: int, options: Options) -> None:
        for _ in range(n // WIDTH):
            try:
                await workflow.run(0, **options)
            except SuperstepError:
                continue

    return run


def streamed() -> Run:
    """n outputs, looked at as they come."""
    only = Acts("only", each(lambda ctx: ctx.yield_output(0)))
    workflow: Workflow = WorkflowBuilder(only).build()

    async def run(n: int, options: Options) -> None:
        async for _ in workflow.stream(n, **options):
            pass

    return run


# -- state -----------------------------------------------------------------------------------------------------------


async def many_keys(ctx: WorkflowContext[Any, Any], n: int) -> None:
    """Each write is a key more for the barrier."""
    for i in range(n):
        await ctx.state.set(f"key {i}", i)


async def sum_so_far(ctx: WorkflowContext[Any, Any], n: int) -> None:
    """A contribution, and a look at what the sum is with it."""
    for _ in range(n):
        await ctx.state.add("sum", 1)
        await ctx.state.get("sum")


async def held(ctx: WorkflowContext[Any, Any]) -> None:
    """A block with nothing in it."""
    async with ctx.state.hold("live"):
        pass


async def held_both(ctx: WorkflowContext[Any, Any]) -> None:
    """Two keys at once."""
    async with ctx.state.hold("live", "other"):
        pass


async def held_update(ctx: WorkflowContext[Any, Any]) -> None:
    """A block with a write in it, and a moment in which others come to want the key."""
    async with ctx.state.hold("live"):
        await ctx.state.update("live", add_one)
        await asyncio.sleep(0)


async def undone(ctx: WorkflowContext[Any, Any]) -> None:
    """The same, left by an exception."""
    try:
        async with ctx.state.hold("live"):
            await ctx.state.update("live", add_one)
            await asyncio.sleep(0)
            raise TimeoutError
    except TimeoutError:
        pass


@executor(id="thread")
def gets_in_thread(n: int, ctx: SyncWorkflowContext[Any]) -> None:
    """Reads from a thread."""
    for _ in range(n):
        ctx.state.get("live")


def in_thread() -> Run:
    """One sync handler that does it all."""
    workflow = WorkflowBuilder(gets_in_thread, state=KEYS).build()
    return lambda n, options: workflow.run(n, **options)


def lock_order_analysis() -> Run:
    """The events of n nested holds, looked at afterwards."""
    seen: dict[tuple[int, str], list[AnyEvent]] = {}

    async def act(ctx: WorkflowContext[Any, Any], n: int) -> None:
        for _ in range(n):
            async with ctx.state.hold("live"), ctx.state.hold("other"):
                pass

    workflow = WorkflowBuilder(Acts("only", act), state=KEYS).build()

    async def run(n: int, options: Options) -> None:
        case = n, options["mode"]
        if case not in seen:
            watcher = Watcher()
            await workflow.run(n, record=watcher, **options)
            seen[case] = watcher.events
        lock_orders(seen[case])

    return run


async def at_once() -> None:
    """An effect that does nothing."""


async def instants(ctx: WorkflowContext[Any, Any], n: int) -> None:
    """Effects that take no time."""
    for _ in range(n):
        ctx.random()


ROWS = [
    Cost("ORD-1", "a message to an executor that handles it with others", to_one()),
    Cost("ORD-2", "two deliveries: to one of 100 executors, and from it to one that hears all", fan(join=False)),
    Cost("ORD-3", "a delivery in a fan-out to 100", fan_out()),
    Cost("ORD-4", "a delivery to one of 100 executors, and from it into a group of 100", fan(join=True)),
    Cost("ORD-6", "`yield_output`", alone(each(lambda ctx: ctx.yield_output(0)))),
    Cost("ORD-8", "a message that a condition refuses", to_one(refuses)),
    Cost("STA-1", "`get` of a snapshot key", alone(each(lambda ctx: ctx.state.get("snapshot")))),
    Cost("STA-1", "`set` of a snapshot key", alone(each(lambda ctx: ctx.state.set("snapshot", 1)))),
    Cost("STA-2", "`add` to a reducer key, merged", alone(each(lambda ctx: ctx.state.add("sum", 1)))),
    Cost("STA-2", "the same, and a `get`", alone(sum_so_far)),
    Cost("STA-3", "a snapshot key more, set and committed", alone(many_keys)),
    Cost("STA-4", "`get` of a live key", alone(each(lambda ctx: ctx.state.get("live")))),
    Cost("STA-4", "`set` of a live key", alone(each(lambda ctx: ctx.state.set("live", 1)))),
    Cost("STA-4", "`update` of a live key", alone(each(lambda ctx: ctx.state.update("live", add_one)))),
    Cost("STA-5", "an empty `hold` of one key", alone(each(held))),
    Cost("STA-5", "an empty `hold` of two keys", alone(each(held_both))),
    Cost("STA-5", "`hold`, `update`, a pause: alone", alone(each(held_update))),
    Cost("STA-5", "`hold`, `update`, a pause: ten in line", in_line(each(held_update))),
    Cost("STA-6", "`hold`, `update`, a pause, an exception: undone", alone(each(undone))),
    Cost("STA-8", "`get` of a map of 10", alone(each(lambda ctx: ctx.state.get("small")))),
    Cost("STA-8", "`set` of a map of 10", alone(each(lambda ctx: ctx.state.set("small", SMALL)))),
    Cost("STA-8", "`get` of a map of 1000", alone(each(lambda ctx: ctx.state.get("large"))), 30),
    Cost("STA-8", "`set` of a map of 1000", alone(each(lambda ctx: ctx.state.set("large", LARGE))), 30),
    Cost("STA-8", "a map of 1000 sent to one", fan_out(message=LARGE, width=1), 30),
    Cost("STA-8", "a map of 1000 sent to ten: each of them", fan_out(message=LARGE, width=10), 100),
    Cost("PAR-1", "a delivery in a fan-out to 100, ten at a time", fan_out(), options={"max_concurrency": 10}),
    Cost("PAR-2", "a superstep with one delivery to a `def` handler", loop(count_down_in_thread), 300),
    Cost("PAR-2", "`get` of a live key in a `def` handler", in_thread(), 300),
    Cost("PAR-4", "a superstep with one delivery, in time", loop(Acts("loop", count_down)), options={"timeout": 60}),
    Cost("BAR-1", "a superstep with one delivery", loop(Acts("loop", count_down))),
    Cost("BAR-3", "a sibling of 100 that is cancelled in an effect, run and all", failing()),
    Cost(
        "BAR-4",
        "the same as under BAR-1, and a checkpoint in memory",
        checkpointed(lambda _: InMemoryCheckpointStorage()),
    ),
    Cost("BAR-4", "the same as under BAR-1, and a checkpoint in a file", checkpointed(SQLiteCheckpointStorage), 200),
    Cost("BAR-7", "`yield_output`, streamed", streamed()),
    Cost("DET-3", "`ctx.effect` of an async function that does nothing", alone(each(lambda ctx: ctx.effect(at_once)))),
    Cost("DET-3", "`ctx.random()`", alone(instants)),
    Cost("DET-4", "the same as under BAR-1, recorded in either mode, replayed", replayed(), 300),
    Cost("DLK-5", "two nested holds, looked at after the run", lock_order_analysis()),
    Cost("SUB-1", "a superstep with one delivery to a sub-workflow of one executor", nested(), 300),
]
"""In the order of the clauses."""
