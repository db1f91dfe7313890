"""Random workflows for properties of whole runs: graphs, scripts of operations for their handlers, jitter.

A `Program` is data: the same one can be built again and again, with other jitter, and run in any mode. Messages carry
how many hops they have left, so every program ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import operator
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from stepscope import Executor, StateKey, Workflow, WorkflowBuilder, WorkflowContext, WorkflowExecutor, handler

Step = tuple[Any, ...]
"""("get" | "set" | "update" | "add" | "delete", key), ("send", target or None), ("output",), ("effect", how many at once),
("random",), ("hold", keys, steps), ("fail", superstep), ("tasks", several steps at once), ("stray", steps that nobody
awaits), ("impatient", steps given hardly any time)."""


@dataclass(frozen=True)
class Node:
    """An executor: what its handler does, and how it runs: "async", "sync" or "sub" (a workflow of its own)."""

    steps: tuple[Step, ...]
    runs: str = "async"


@dataclass(frozen=True)
class Program:
    """A workflow as data. `edges` are (kind, sources, targets)."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    hops: int = 3

    def with_step(self, node: int, step: Step) -> Program:
        """The same, and one executor's handler does one thing more, first."""
        nodes = list(self.nodes)
        nodes[node] = replace(nodes[node], steps=(step, *nodes[node].steps))
        return replace(self, nodes=tuple(nodes))


@dataclass
class Jitter:
    """How often a handler gives way to the event loop between its steps; never decides what it does."""

    seed: int | None = None
    strays: list[asyncio.Task[None]] = field(default_factory=list)
    """Tasks that handlers left behind."""
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def __call__(self) -> None:
        """Give way, or not."""
        for _ in range(0 if self.seed is None else self._random.choice((0, 0, 1, 2, 5))):
            await asyncio.sleep(0)


KEYS = [
    StateKey("sum", 0, reducer=operator.add),
    StateKey("log", [], reducer=lambda all_of_it, new: [*all_of_it, *new]),
    StateKey("first", reducer=lambda before, new: before),
    StateKey("live", 0, access="live"),
    StateKey("live2", access="live"),
]


class _Calls:
    """A sync handler's context behind the async handler's face: nothing in it ever suspends."""

    def __init__(self, ctx: WorkflowContext[Any, Any]) -> None:
        self._ctx: Any = ctx

    async def call(self, name: str, *args: Any) -> Any:
        """A context method."""
        return operator.attrgetter(name)(self._ctx)(*args)

    def hold(self, keys: tuple[str, ...]) -> _SyncHold:
        """The block."""
        return _SyncHold(self._ctx.state.hold(*keys))


class _SyncHold:
    def __init__(self, block: Any) -> None:
        self._block = block

    async def __aenter__(self) -> None:
        self._block.__enter__()

    async def __aexit__(self, *error: Any) -> None:
        self._block.__exit__(*error)


class _Awaits:
    def __init__(self, ctx: WorkflowContext[Any, Any]) -> None:
        self._ctx: Any = ctx

    async def call(self, name: str, *args: Any) -> Any:
        """A context method."""
        return await operator.attrgetter(name)(self._ctx)(*args)

    def hold(self, keys: tuple[str, ...]) -> Any:
        """The block."""
        return self._ctx.state.hold(*keys)


def _mix(acc: int, value: object) -> int:
    for byte in repr(value).encode():
        acc = (acc * 31 + byte) % 9973
    return acc


async def _model(jitter: Jitter, x: int) -> int:
    await jitter()
    return x + 1


class _Script:
    """One invocation at work."""

    def __init__(self, ports: Any, ctx: WorkflowContext[Any, Any], jitter: Jitter, hops: int, acc: int) -> None:
        self.ports = ports
        self.ctx = ctx
        self.jitter = jitter
        self.hops = hops
        self.acc = acc

    async def play(self, steps: tuple[Step, ...], threaded: bool) -> None:
        for step in steps:
            if not threaded:
                await self.jitter()
            await self._one(step, threaded)

    async def _one(self, step: Step, threaded: bool) -> None:
        call = self.ports.call
        acc = self.acc
        match step:
            case ("get", key):
                self.acc = _mix(acc, await call("state.get", key, "none"))
            case ("set", key):
                await call("state.set", key, acc)
            case ("delete", key):
                await call("state.delete", key)
            case ("add", key):
                await call("state.add", key, [acc] if key == "log" else acc)
            case ("update", key):
                self.acc = _mix(acc, await call("state.update", key, lambda old: _mix(acc, old)))
            case ("send", target):
                if self.hops:
                    await call("send_message", {"hops": self.hops - 1, "acc": acc}, target)
            case ("output",):
                await call("yield_output", (self.ctx.executor_id, self.ctx.superstep, acc))
            case ("effect", int(n)) if threaded:
                for i in range(n):
                    self.acc = _mix(self.acc, await call("effect", _model, self.jitter, acc + i))
            case ("effect", int(n)):
                asked = [self.ctx.effect(_model, self.jitter, acc + i) for i in range(n)]
                self.acc = _mix(acc, await asyncio.gather(*asked))
            case ("random",):
                self.acc = _mix(_mix(acc, self.ctx.random()), self.ctx.uuid())
            case ("hold", tuple(keys), tuple(steps)):
                async with self.ports.hold(keys):
                    await self.play(steps, threaded)
            case ("tasks" | "stray" | "impatient", *_) if threaded:
                pass
            case ("tasks", tuple(several)):
                async with asyncio.TaskGroup() as group:
                    for steps in several:
                        group.create_task(self.play(steps, threaded))
            case ("stray", tuple(steps)):
                self.jitter.strays.append(asyncio.create_task(self.play(steps, threaded)))
            case ("impatient", tuple(steps)):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.0003):
                        await self.play(steps, threaded)
            case ("fail", int(superstep)):
                if self.ctx.superstep == superstep:
                    raise ValueError(f"{self.ctx.executor_id} fails in superstep {superstep}")
            case _:
                raise AssertionError(step)


def _at_once(coroutine: Coroutine[Any, Any, None]) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise AssertionError("a sync handler's script suspended")


def _begin(payload: object) -> tuple[int, int]:
    members: list[dict[str, int]] = payload if isinstance(payload, list) else [payload]  # type: ignore[list-item]
    return max(one["hops"] for one in members), _mix(1, payload)


class _Async(Executor):
    def __init__(self, id: str, node: Node, jitter: Jitter) -> None:
        super().__init__(id)
        self.node, self.jitter = node, jitter

    @handler
    async def work(self, payload: dict[str, int] | list[dict[str, int]], ctx: WorkflowContext[Any, Any]) -> None:
        hops, acc = _begin(payload)
        await _Script(_Awaits(ctx), ctx, self.jitter, hops, acc).play(self.node.steps, False)


class _Sync(Executor):
    def __init__(self, id: str, node: Node, jitter: Jitter) -> None:
        super().__init__(id)
        self.node, self.jitter = node, jitter

    @handler
    def work(self, payload: dict[str, int] | list[dict[str, int]], ctx: WorkflowContext[Any, Any]) -> None:
        hops, acc = _begin(payload)
        _at_once(_Script(_Calls(ctx), ctx, self.jitter, hops, acc).play(self.node.steps, True))


class _Reply(Executor):
    """The last executor of a sub-workflow: what it yields is what the host sends."""

    @handler
    async def reply(self, payload: dict[str, int], ctx: WorkflowContext[Any, Any]) -> None:
        seen = await ctx.state.get("sum")
        await ctx.yield_output({"hops": payload["hops"], "acc": _mix(payload["acc"], seen)})


class _Guard(Executor):
    """The first executor of a sub-workflow: lets nothing in that has no hops left."""

    @handler
    async def enter(self, payload: dict[str, int] | list[dict[str, int]], ctx: WorkflowContext[Any, Any]) -> None:
        hops, acc = _begin(payload)
        if hops:
            await ctx.send_message({"hops": hops, "acc": acc})


def _quiet(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Without outputs and sends, inside blocks and tasks too."""

    def quiet(step: Step) -> Step:
        match step:
            case ("hold", keys, inner):
                return ("hold", keys, _quiet(inner))
            case ("stray" | "impatient" as kind, inner):
                return (kind, _quiet(inner))
            case ("tasks", several):
                return ("tasks", tuple(map(_quiet, several)))
        return step

    return tuple(quiet(step) for step in steps if step[0] not in ("output", "send"))


def _make(id: str, node: Node, jitter: Jitter) -> Executor:
    if node.runs == "sync":
        return _Sync(id, node, jitter)
    if node.runs == "async":
        return _Async(id, node, jitter)
    inner = _Async("inner", Node((*_quiet(node.steps), ("send", None))), jitter)
    built = WorkflowBuilder(guard := _Guard("guard"), name=f"inside-{id}", state=KEYS)
    built.add_edge(guard, inner).add_edge(inner, _Reply("reply"))
    return WorkflowExecutor(built.build(), id=id)


def _even(payload: dict[str, int]) -> bool:
    return payload["acc"] % 2 == 0


def _by_rest(payload: dict[str, int], targets: list[str]) -> list[str]:
    return [one for i, one in enumerate(targets) if (payload["acc"] + i) % 3]


def build(program: Program, jitter: Jitter | None = None) -> Workflow:
    """Make a workflow of a program."""
    gives_way = jitter or Jitter()
    made = [_make(f"e{i}", node, gives_way) for i, node in enumerate(program.nodes)]
    builder = WorkflowBuilder(made[0], name="random", state=KEYS, max_supersteps=20)
    for kind, sources, targets in program.edges:
        ends = [made[i] for i in targets]
        start = made[sources[0]]
        match kind:
            case "single":
                builder.add_edge(start, ends[0])
            case "condition":
                builder.add_edge(start, ends[0], _even)
            case "fan-out":
                builder.add_fan_out_edges(start, ends)
            case "selection":
                builder.add_multi_selection_edge_group(start, ends, selection_func=_by_rest)
            case "fan-in":
                builder.add_fan_in_edges([made[i] for i in sources], ends[0])
    return builder.build()


def first_message(program: Program) -> dict[str, int]:
    """The run's input."""
    return {"hops": program.hops, "acc": 7}


def _plain_steps(me: int, live: tuple[str, ...]) -> st.SearchStrategy[Step]:
    own = f"own{me}"
    kinds: list[st.SearchStrategy[Step]] = [
        st.tuples(st.just("get"), st.sampled_from([own, "own0", "own1", "sum", "log", "first", "nothing"])),
        st.tuples(st.sampled_from(["set", "update", "delete"]), st.just(own)),
        st.tuples(st.just("add"), st.sampled_from(["sum", "log", "first"])),
        st.just(("send", None)),
        st.just(("output",)),
        st.tuples(st.just("effect"), st.integers(1, 3)),
        st.just(("random",)),
    ]
    if live:
        kinds.append(st.tuples(st.sampled_from(["get", "set", "update"]), st.sampled_from(live)))
    return st.one_of(kinds)


def _hold(me: int, keys: tuple[str, ...]) -> st.SearchStrategy[Step]:
    """A block that touches no other live key than its own: nobody who holds one waits for another."""
    inside = st.lists(_plain_steps(me, keys), max_size=3).map(tuple)
    return st.tuples(st.just("hold"), st.just(keys), inside)


def _alone(step: Step) -> tuple[Step, ...]:
    return (step,)


def _steps(me: int, live: bool, children: bool) -> st.SearchStrategy[tuple[Step, ...]]:
    step = plain = _plain_steps(me, ("live", "live2") if live else ())
    if live:
        holds = [_hold(me, keys) for keys in (("live",), ("live2",), ("live", "live2"))]
        step = st.one_of(plain, plain, plain, *holds)
    if children:
        some = st.lists(step, min_size=1, max_size=3).map(tuple)
        tasks = st.tuples(st.just("tasks"), st.lists(some, min_size=1, max_size=3).map(tuple))
        step = st.one_of(
            step, tasks, st.tuples(st.sampled_from(["stray", "impatient"]), st.one_of(some, tasks.map(_alone)))
        )
    return st.lists(step, min_size=2, max_size=6).map(lambda steps: (*steps, ("send", None)))


@st.composite
def programs(
    draw: Callable[..., Any], *, live: bool = False, threads: bool = False, subs: bool = True, children: bool = False
) -> Program:
    """A random program. `live`: live keys and holds, in ways that cannot deadlock without child tasks."""
    count = draw(st.integers(2, 5))
    nodes = []
    for me in range(count):
        kinds = ["async", "async", "async"] + ["sync"] * threads + ["sub"] * (subs and me > 0)
        nodes.append(Node(draw(_steps(me, live, children)), draw(st.sampled_from(kinds))))
    used: set[tuple[int, int]] = set()
    edges: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    for target in range(1, count):  # so that everything is reachable
        source = draw(st.integers(0, target - 1))
        used.add((source, target))
        edges.append((draw(st.sampled_from(["single", "condition"])), (source,), (target,)))
    pairs = [(a, b) for a in range(count) for b in range(count)]
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["single", "condition", "fan-out", "selection", "fan-in"]))
        a, b = draw(st.sampled_from(pairs))
        if kind == "fan-in":
            sources = [one for one in range(count) if (one, b) not in used][:3]
            if len(sources) > 1:
                used.update((one, b) for one in sources)
                edges.append((kind, tuple(sources), (b,)))
            continue
        ends = [b] if kind in ("single", "condition") else [b, (b + 1) % count]
        ends = [one for one in dict.fromkeys(ends) if (a, one) not in used]
        if ends:
            used.update((a, one) for one in ends)
            edges.append((kind, (a,), tuple(ends)))
    return Program(tuple(nodes), tuple(edges), draw(st.integers(1, 3)))
