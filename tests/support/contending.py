"""Programs that only contend for keys: siblings of every kind that hold, nest, fork, use keys plainly, and meet in a fan-in.

Handlers are async, sync, or a sub-workflow with siblings and keys of its own. A program is data, so that it can be drawn,
printed and run again; what happens to it is for its events to say (`support.wait_for`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Any, Literal, TypeAlias

from hypothesis import strategies as st

from stepscope import DeadlockError, Executor, StateKey, Workflow, WorkflowBuilder, WorkflowExecutor

from .workflows import Context, Jitter, Node, ThreadContext, ThreadNode, build, relay

KEYS = ("k0", "k1", "k2", "k3")
LIVE = [StateKey(key, initial=0, access="live") for key in KEYS]
Verb: TypeAlias = Literal["get", "set", "update", "delete"]


@dataclass(frozen=True)
class Use:
    """A plain operation."""

    verb: Verb
    key: str


@dataclass(frozen=True)
class Hold:
    """A hold block; `catches` says whether a deadlock inside it, or on its way in, ends with it."""

    keys: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    catches: bool = False


@dataclass(frozen=True)
class Fork:
    """Child tasks, all awaited; a sync handler does the branches one after another."""

    branches: tuple[tuple[Step, ...], ...]


Step: TypeAlias = Use | Hold | Fork


@dataclass(frozen=True)
class Sibling:
    """One executor; with `inside`, a sub-workflow of these. `sends` says whether it sends after a deadlock it caught."""

    steps: tuple[Step, ...] = ()
    thread: bool = False
    inside: tuple[Sibling, ...] = ()
    sends: bool = True


@dataclass(frozen=True)
class Caught:
    """A deadlock where it was raised: in whom, at which operation, how many events there were before and then."""

    executor: str
    error: DeadlockError
    before: int
    then: int
    alone: bool
    """Whether its handler has no other task and is not sync: nothing may come between the report and this."""


class Stage:
    """Builds a program's workflow and notes what its handlers see. `events` tells how many there are so far."""

    def __init__(self, jitter: Jitter, events: Callable[[], int]) -> None:
        self.jitter = jitter
        self.events = events
        self.caught: list[Caught] = []
        self.joined: list[list[str]] = []
        """What the fan-in was given."""

    def workflow(self, siblings: Sequence[Sibling], prefix: str = "e") -> Workflow:
        """ "start" sends to all siblings, they to the fan-in "join"."""
        start = Node("start", relay)
        nodes = [self._node(sibling, f"{prefix}{number}") for number, sibling in enumerate(siblings)]
        builder = WorkflowBuilder(start, state=LIVE).add_fan_out_edges(start, nodes)
        return build(builder.add_fan_in_edges(nodes, Node("join", self._join)))

    async def _join(self, members: list[Any], ctx: Context) -> None:
        if "/" not in ctx.executor_id:
            self.joined.append(members)
        await ctx.yield_output(ctx.executor_id)

    def _node(self, sibling: Sibling, name: str) -> Executor:
        if sibling.inside:
            return WorkflowExecutor(self.workflow(sibling.inside, "i"), name)

        async def act(message: Any, ctx: Context) -> None:
            caught = await self._all(sibling.steps, ctx, True)
            if sibling.sends or not caught:
                await ctx.send_message(name)

        def act_in_thread(message: Any, ctx: ThreadContext) -> None:
            caught = self._all_in_thread(sibling.steps, ctx)
            if sibling.sends or not caught:
                ctx.send_message(name)

        return ThreadNode(name, act_in_thread) if sibling.thread else Node(name, act)

    # -- async handlers ----------------------------------------------------------------------------------------------

    async def _all(self, steps: Sequence[Step], ctx: Context, alone: bool) -> bool:
        """Do the steps; whether a deadlock was caught."""
        caught = False
        for step in steps:
            await self.jitter()
            match step:
                case Use():
                    await self._asks(ctx, alone, use(ctx, step))
                case Hold():
                    try:
                        caught |= await self._hold(step, ctx, alone)
                    except DeadlockError:
                        if not step.catches:
                            raise
                        caught = True
                case Fork():
                    tasks = [asyncio.create_task(self._all(branch, ctx, False)) for branch in step.branches]
                    ends = await asyncio.gather(*tasks, return_exceptions=True)
                    for end in ends:
                        if isinstance(end, BaseException):
                            raise end
                        caught |= end
        return caught

    async def _asks(self, ctx: Context, alone: bool, operation: Any) -> Any:
        before = self.events()
        try:
            return await operation
        except DeadlockError as error:
            self.caught.append(Caught(ctx.executor_id, error, before, self.events(), alone))
            raise

    async def _hold(self, step: Hold, ctx: Context, alone: bool) -> bool:
        block: Any = ctx.state.hold(*step.keys)
        await self._asks(ctx, alone, block.__aenter__())
        try:
            caught = await self._all(step.steps, ctx, alone)
        except BaseException as error:
            await block.__aexit__(type(error), error, None)
            raise
        await block.__aexit__(None, None, None)
        return caught

    # -- sync handlers -----------------------------------------------------------------------------------------------

    def _all_in_thread(self, steps: Sequence[Step], ctx: ThreadContext) -> bool:
        caught = False
        for step in steps:
            self.jitter.thread()
            before = self.events()
            match step:
                case Use():
                    try:
                        use(ctx, step)
                    except DeadlockError as error:
                        self.caught.append(Caught(ctx.executor_id, error, before, self.events(), False))
                        raise
                case Hold():
                    try:
                        caught |= self._hold_in_thread(step, ctx, before)
                    except DeadlockError:
                        if not step.catches:
                            raise
                        caught = True
                case Fork():
                    for branch in step.branches:
                        caught |= self._all_in_thread(branch, ctx)
        return caught

    def _hold_in_thread(self, step: Hold, ctx: ThreadContext, before: int) -> bool:
        block = ctx.state.hold(*step.keys)
        try:
            block.__enter__()
        except DeadlockError as error:
            self.caught.append(Caught(ctx.executor_id, error, before, self.events(), False))
            raise
        try:
            caught = self._all_in_thread(step.steps, ctx)
        except BaseException as error:
            block.__exit__(type(error), error, None)
            raise
        block.__exit__(None, None, None)
        return caught


def use(ctx: Any, step: Use) -> Any:
    """Ask for a plain operation: awaitable in an async handler, done in a sync one."""
    match step.verb:
        case "get":
            return ctx.state.get(step.key)
        case "set":
            return ctx.state.set(step.key, 1)
        case "delete":
            return ctx.state.delete(step.key)
        case "update":
            return ctx.state.update(step.key, lambda old: (old or 0) + 1)


# -- drawing -----------------------------------------------------------------------------------------------------------


@cache
def _step(keys: tuple[str, ...], depth: int, fork: bool) -> st.SearchStrategy[Any]:
    plain = st.builds(Use, st.sampled_from(("get", "set", "update", "delete")), st.sampled_from(keys))
    if not depth:
        return plain
    held = st.sampled_from([(one,) for one in keys] + list(permutations(keys, 2)))
    hold = st.builds(Hold, held, _steps(keys, depth - 1, fork), st.booleans())
    if not fork:
        return st.one_of(plain, hold, hold)
    branch = _steps(keys, depth - 1, False)
    return st.one_of(plain, hold, hold, st.builds(Fork, st.tuples(branch, branch)))


def _steps(keys: tuple[str, ...], depth: int, fork: bool) -> st.SearchStrategy[tuple[Step, ...]]:
    return st.lists(_step(keys, depth, fork), max_size=2).map(tuple)


@cache
def siblings(*, threads: bool, forks: bool, inside: bool) -> st.SearchStrategy[tuple[Sibling, ...]]:
    """2 to 10 siblings over 2 to 4 keys; some are sync, fork tasks, or are sub-workflows, as allowed."""

    def of(count: int, depth: int) -> st.SearchStrategy[Sibling]:
        steps = st.lists(_step(KEYS[:count], depth, forks), min_size=1, max_size=2).map(tuple)
        thread = st.sampled_from((False, False, True)) if threads else st.just(False)
        return st.builds(Sibling, steps, thread, st.just(()), st.booleans())

    def many(count: int) -> st.SearchStrategy[tuple[Sibling, ...]]:
        one = of(count, 3)
        if inside:
            some = st.lists(of(2, 2), min_size=2, max_size=3).map(tuple)
            one = st.one_of(one, one, st.builds(Sibling, st.just(()), st.just(False), some))
        return st.lists(one, min_size=2, max_size=6 if inside else 10).map(tuple)

    return st.sampled_from((2, 3, 4)).flatmap(many)
