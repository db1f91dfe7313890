"""BAR-3 for sync handlers: a thread cannot be interrupted, but what it asks the runtime for can be refused."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from stepscope import Executor, StateKey, SuperstepError, SuperstepOverError
from support.ruled import Meeting, ruled, spin, until
from support.watching import Watcher
from support.workflows import Act, Context, ThreadNode, siblings

KEYS = [StateKey("live", 0, access="live"), StateKey("k", "as it was")]


async def endless(_: Any, ctx: Context) -> None:
    """Go on until cancelled."""
    while True:
        await spin(ctx)


def failing(meeting: Meeting) -> Act:
    async def act(_: Any, ctx: Context) -> None:
        await meeting(ctx)
        raise ValueError("on purpose")

    return act


async def test_BAR_3_a_sync_handler_is_cancelled_in_the_operation_it_waits_for() -> None:
    meeting = Meeting(2)
    raised: list[type[BaseException]] = []

    def in_thread(_: Any, ctx: Any) -> None:
        meeting.here.append("thread")
        try:
            ctx.effect(_never)
        except BaseException as error:
            raised.append(type(error))
            ctx.state.get("k")  # once told, it may clean up
            raise

    async def _never() -> None:
        await asyncio.Event().wait()

    workflow = siblings({"thread": ThreadNode("thread", in_thread), "fails": failing(meeting)}, state=KEYS)
    watcher = Watcher()
    await ruled(workflow, 0, watcher=watcher)
    assert raised == [asyncio.CancelledError]
    assert dict(watcher.ends()) == {"start": "completed", "thread": "cancelled", "fails": "failed"}


async def test_BAR_3_a_sync_handler_is_cancelled_while_it_waits_for_a_lock() -> None:
    meeting = Meeting(3)
    waiting = threading.Event()
    raised: list[type[BaseException]] = []

    async def holds(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("live"):
            await meeting(ctx)
            await endless(_, ctx)

    def in_thread(_: Any, ctx: Any) -> None:
        meeting.here.append("thread")
        waiting.wait(20)
        try:
            with ctx.state.hold("live"):
                raise AssertionError("it is held")
        except BaseException as error:
            raised.append(type(error))
            ctx.state.get("k")
            raise

    async def fails(_: Any, ctx: Context) -> None:
        await meeting(ctx)
        waiting.set()
        while not [event for event in watcher.events if event.kind == "lock-waiting"]:
            await spin(ctx)
        raise ValueError("on purpose")

    acts: dict[str, Act | Executor] = {"holds": holds, "thread": ThreadNode("thread", in_thread), "fails": fails}
    watcher = Watcher()
    await ruled(siblings(acts, state=KEYS), 0, watcher=watcher)
    assert raised == [asyncio.CancelledError]
    assert dict(watcher.ends())["thread"] == "cancelled"


async def test_BAR_3_a_sync_handler_between_two_operations_is_told_at_the_next_one() -> None:
    meeting = Meeting(3)
    go = threading.Event()
    done: list[str] = []

    def in_thread(_: Any, ctx: Any) -> None:
        meeting.here.append("thread")
        go.wait(20)
        try:
            ctx.state.set("k", "too late")
        except asyncio.CancelledError:
            done.append("told")
            raise
        done.append("not told")

    async def slow_to_go(_: Any, ctx: Context) -> None:
        try:
            meeting.come(ctx)
            await endless(_, ctx)
        finally:
            go.set()  # only now, when everyone has been cancelled

    acts: dict[str, Act | Executor] = {
        "thread": ThreadNode("thread", in_thread),
        "fails": failing(meeting),
        "last": slow_to_go,
    }
    watcher = Watcher()
    await ruled(siblings(acts, state=KEYS), 0, watcher=watcher)
    assert done == ["told"]


def test_BAR_3_a_thread_that_does_not_come_back_is_abandoned_and_does_not_keep_the_run() -> None:
    go = threading.Event()
    refused = threading.Event()

    def in_thread(_: Any, ctx: Any) -> None:
        meeting.here.append("thread")
        go.wait(20)
        try:
            ctx.state.set("k", "too late")
        except SuperstepOverError:
            refused.set()

    meeting = Meeting(2)

    async def main() -> None:
        watcher = Watcher()
        workflow = siblings({"thread": ThreadNode("thread", in_thread), "fails": failing(meeting)}, state=KEYS)
        seen = await ruled(workflow, 0, watcher=watcher, cancel_grace=0.01)
        assert isinstance(seen.error, SuperstepError)
        assert dict(watcher.ends())["thread"] == "abandoned"
        go.set()
        await until(refused.is_set)

    asyncio.run(main())
