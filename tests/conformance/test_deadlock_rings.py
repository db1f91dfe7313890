"""Rings of 2, 3 and 10 handlers that wait for each other: found as they form, by whom closes them, in either mode (DLK-2).

Handlers are async, sync, or let a child task ask; they hold their keys plainly, nested, or several at once; a ring may be
inside a sub-workflow, and its members may be the sources of a fan-in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from stepscope import (
    DeadlockError,
    Executor,
    StarvedFanInError,
    StateKey,
    SuperstepError,
    Workflow,
    WorkflowBuilder,
    WorkflowExecutor,
)
from stepscope.events import Found, HandlerEnded, HandlerStarted, LockAcquired, LockReleased, LockWaiting
from support.ruled import Meeting, ruled
from support.wait_for import deadlocks_of
from support.watchdog import watchdog
from support.watching import Watcher
from support.workflows import (
    Context,
    Node,
    Options,
    Seen,
    ThreadContext,
    ThreadNode,
    build,
    in_every_mode,
    relay,
    siblings,
)

SIZES = pytest.mark.parametrize("size", [2, 3, 10])
SECONDS = 10.0
Block = Callable[[Any, int], list[Any]]
"""The hold blocks a member enters, one inside the other, by its number."""
HELD: dict[str, Block] = {
    "plainly": lambda ctx, number: [ctx.state.hold(f"k{number}")],
    "nested": lambda ctx, number: [ctx.state.hold(f"x{number}"), ctx.state.hold(f"k{number}")],
    "twice": lambda ctx, number: [ctx.state.hold(f"k{number}"), ctx.state.hold(f"x{number}", f"k{number}")],
    "several": lambda ctx, number: [ctx.state.hold(f"x{number}", f"k{number}")],
}
PLAIN: dict[str, Callable[[Any, str], Any]] = {
    "get": lambda ctx, key: ctx.state.get(key),
    "set": lambda ctx, key: ctx.state.set(key, 1),
    "delete": lambda ctx, key: ctx.state.delete(key),
    "update": lambda ctx, key: ctx.state.update(key, lambda old: 1),
}
WANTS = ("hold", *PLAIN)


def keys_of(size: int) -> list[StateKey]:
    return [StateKey(f"{kind}{number}", initial=0, access="live") for number in range(size) for kind in "kx"]


class Ring:
    """Members that hold a key each, meet, and then want the next one's.

    `catches` says whether the one that is refused goes on, `sends` whether it sends a message then, as the others do.
    """

    def __init__(
        self, size: int, *, held: str = "plainly", want: str = "hold", catches: bool = False, sends: bool = False
    ) -> None:
        self.size, self.held, self.want, self.catches, self.sends = size, HELD[held], want, catches, sends
        self.watcher = Watcher()
        self.meeting = Meeting(size)
        self.refused: list[tuple[str, DeadlockError, int]] = []
        """Who, why, and how many events there were when it learned of it."""

    def nodes(self, kind: str) -> dict[str, Executor]:
        """The members, "e0" to the last; "mixed" are async and sync ones in turn."""
        made: dict[str, Executor] = {}
        for number in range(self.size):
            thread = kind == "sync" or (kind == "mixed" and number % 2 == 1)
            child = kind == "child-task"
            made[f"e{number}"] = self._thread(number) if thread else self._task(number, child)
        return made

    def _refuse(self, ctx: Any, error: DeadlockError) -> None:
        self.refused.append((ctx.executor_id, error, len(self.watcher.events)))

    def _may_send(self, ctx: Any) -> bool:
        return self.sends or ctx.executor_id not in [who for who, _, _ in self.refused]

    def _task(self, number: int, child: bool) -> Executor:
        async def ask(ctx: Context) -> None:
            key = f"k{(number + 1) % self.size}"
            if self.want != "hold":
                await PLAIN[self.want](ctx, key)
            else:
                async with ctx.state.hold(key):
                    pass

        async def act(_: Any, ctx: Context) -> None:
            blocks = self.held(ctx, number)
            for block in blocks:
                await block.__aenter__()
            try:
                await self.meeting(ctx)
                await (asyncio.create_task(ask(ctx)) if child else ask(ctx))
            except DeadlockError as error:
                self._refuse(ctx, error)
                if not self.catches:
                    raise
            finally:
                for block in reversed(blocks):
                    await block.__aexit__(None, None, None)
            if self._may_send(ctx):
                await ctx.send_message(number)

        return Node(f"e{number}", act)

    def _thread(self, number: int) -> Executor:
        def ask(ctx: ThreadContext) -> None:
            key = f"k{(number + 1) % self.size}"
            if self.want != "hold":
                PLAIN[self.want](ctx, key)
            else:
                with ctx.state.hold(key):
                    pass

        def act(_: Any, ctx: ThreadContext) -> None:
            blocks = self.held(ctx, number)
            for block in blocks:
                block.__enter__()
            try:
                self.meeting.come(ctx)
                while len(self.meeting.here) < self.size:
                    ctx.state.get("nothing")
                ask(ctx)
            except DeadlockError as error:
                self._refuse(ctx, error)
                if not self.catches:
                    raise
            finally:
                for block in reversed(blocks):
                    block.__exit__(None, None, None)
            if self._may_send(ctx):
                ctx.send_message(number)

        return ThreadNode(f"e{number}", act)

    async def run(self, workflow: Workflow, options: Options) -> Seen:
        """Run it under a watchdog; its events keep all rules, and each cycle was reported as it formed."""
        with watchdog(SECONDS):
            seen = await ruled(workflow, 0, watcher=self.watcher, **options)
        assert len(seen.of(HandlerEnded)) == len(seen.of(HandlerStarted))
        return seen

    def check(self, seen: Seen, *, at_once: bool, prefix: str = "") -> None:
        """One cycle, of all members, in whom asked last, in that very step."""
        ((closed, found),) = deadlocks_of(seen.events)
        ((who, error, then),) = self.refused
        waiting = [one for one in seen.of(LockWaiting) if one.seq <= found.seq]
        assert closed is waiting[-1]
        assert len(waiting) == self.size
        assert who == closed.executor == error.cycle[0][0]
        assert closed.op == self.want
        names = [f"{prefix}e{number}" for number in range(self.size)]
        keys = [f"k{number}" for number in range(self.size)]
        assert set(error.cycle) == set(zip(names, keys, [*keys[1:], keys[0]], strict=True))
        assert (found.clause, set(found.executors), set(found.locks)) == ("DLK-2", set(names), set(keys))
        for one in error.cycle:
            assert f"{one[0]!r} (invocation " in str(error)
            assert "holds {!r} and wants {!r}".format(*one[1:]) in found.message
        if at_once:
            assert seen.events.index(found) == then - 1


@in_every_mode
@pytest.mark.parametrize("want", WANTS)
@pytest.mark.parametrize("kind", ["async", "sync", "mixed", "child-task"])
@SIZES
async def test_dlk_2_a_ring_is_found_in_the_step_that_closes_it(
    size: int, kind: str, want: str, options: Options
) -> None:
    ring = Ring(size, want=want)
    seen = await ring.run(siblings(ring.nodes(kind), state=keys_of(size)), options)
    assert isinstance(seen.error, DeadlockError)
    assert isinstance(seen.error, SuperstepError)
    assert set(seen.error.cycle) == set(ring.refused[0][1].cycle)
    ring.check(seen, at_once=kind in ("async", "child-task"))


@in_every_mode
@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("kind", ["async", "sync"])
@SIZES
async def test_dlk_2_whoever_is_refused_may_go_on_and_all_others_are_served(
    size: int, kind: str, held: str, options: Options
) -> None:
    ring = Ring(size, held=held, catches=True)
    seen = await ring.run(siblings(ring.nodes(kind), state=keys_of(size)), options)
    assert seen.error is None
    ring.check(seen, at_once=kind == "async")
    assert len(seen.of(LockAcquired)) == len(seen.of(LockReleased))
    assert len([one for one in seen.of(LockAcquired) if one.waited]) == size - 1
    assert len(seen.findings("deadlock")) == 1


@in_every_mode
@pytest.mark.parametrize("catches", [False, True], ids=["fails", "catches"])
@SIZES
async def test_dlk_2_a_ring_inside_a_sub_workflow(size: int, catches: bool, options: Options) -> None:
    """Its keys have the names of keys outside, which a sibling of the sub-workflow holds all the while."""
    ring = Ring(size, catches=catches)
    inner = WorkflowExecutor(siblings(ring.nodes("mixed"), state=keys_of(size)), "sub")

    async def holds(_: Any, ctx: Context) -> None:
        async with ctx.state.hold(*(f"k{number}" for number in range(size))):
            while not ring.refused:
                await ctx.state.get("nothing")
                await asyncio.sleep(0)

    seen = await ring.run(siblings({"sub": inner, "holds": holds}, state=keys_of(size)), options)
    ring.check(seen, at_once=False, prefix="sub/")
    (scope,) = {one.scope for one in seen.of(LockWaiting)}
    assert scope == seen.of(HandlerStarted, "sub")[0].inv
    if catches:
        assert seen.error is None
    else:
        assert isinstance(seen.error, SuperstepError)
        (inside,) = seen.error.exceptions
        assert isinstance(inside, DeadlockError)


def joined(ring: Ring, kind: str) -> tuple[Workflow, list[Any]]:
    """The ring's members are the sources of a fan-in, along with "early", which sends a superstep before them."""
    start, early, wait = Node("start", relay), Node("early", relay), Node("wait", relay)
    members = list(ring.nodes(kind).values())
    got: list[Any] = []

    async def note(message: Any, ctx: Context) -> None:
        got.append(message)

    builder = WorkflowBuilder(start, state=keys_of(ring.size)).add_fan_out_edges(start, [early, wait])
    builder.add_fan_out_edges(wait, members).add_fan_in_edges([early, *members], Node("join", note))
    return build(builder), got


FAN_IN = pytest.mark.parametrize("kind", ["async", "mixed"])


@in_every_mode
@FAN_IN
@SIZES
async def test_dlk_2_a_fan_in_gets_its_group_when_whoever_was_refused_sends_all_the_same(
    size: int, kind: str, options: Options
) -> None:
    ring = Ring(size, catches=True, sends=True)
    workflow, got = joined(ring, kind)
    seen = await ring.run(workflow, options)
    ring.check(seen, at_once=False)
    assert got == [[0, *range(size)]]
    assert [one.kind for one in seen.result.findings] == ["deadlock"]


@in_every_mode
@FAN_IN
@SIZES
async def test_dlk_2_a_fan_in_that_waits_for_whoever_was_refused_is_starved_and_says_for_whom(
    size: int, kind: str, options: Options
) -> None:
    ring = Ring(size, catches=True)
    workflow, got = joined(ring, kind)
    seen = await ring.run(workflow, options)
    ring.check(seen, at_once=False)
    assert got == []
    deadlock, starved = seen.result.findings
    assert (deadlock.clause, starved.clause) == ("DLK-2", "DLK-3")
    assert starved.executors == ["join", ring.refused[0][0]]


@in_every_mode
@FAN_IN
@SIZES
async def test_dlk_2_and_in_a_strict_run_that_is_an_error(size: int, kind: str, options: Options) -> None:
    ring = Ring(size, catches=True)
    workflow, _ = joined(ring, kind)
    seen = await ring.run(workflow, options | {"strict": True})
    assert isinstance(seen.error, StarvedFanInError)
    assert repr(ring.refused[0][0]) in str(seen.error)


@in_every_mode
@FAN_IN
@SIZES
async def test_dlk_2_a_deadlock_that_fails_its_superstep_starves_nobody(size: int, kind: str, options: Options) -> None:
    """Nothing of the ring's superstep is sent, what came before stays with the fan-in, and no starving is reported."""
    ring = Ring(size)
    workflow, got = joined(ring, kind)
    seen = await ring.run(workflow, options)
    ring.check(seen, at_once=False)
    assert isinstance(seen.error, DeadlockError)
    assert seen.error.superstep == 3  # type: ignore[attr-defined]
    assert got == []
    assert {one.finding for one in seen.of(Found)} == {"deadlock"}
