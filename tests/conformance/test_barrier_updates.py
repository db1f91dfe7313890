"""BAR-3: whatever an `update` function raises fails its own handler, in every mode, also where it had to wait first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stepscope import StateKey, SuperstepError
from stepscope.events import HandlerEnded
from support.stream_rules import check_stream
from support.workflows import Act, Context, Options, ThreadNode, alone, in_every_mode, siblings, watch

LIVE = [StateKey("k", 0, access="live")]


class Odd(BaseException):
    """Not an `Exception`."""


RAISED = [ValueError("v"), StopIteration("s"), asyncio.CancelledError(), Odd("o"), GeneratorExit()]
every_error = pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)


@every_error
@in_every_mode
async def test_bar_3_an_update_function_that_raises(options: Options, error: BaseException) -> None:
    def raises(_: Any) -> Any:
        raise error

    async def updates(_: Any, ctx: Context) -> None:
        await ctx.state.update("k", raises)

    def in_a_thread(_: Any, ctx: Any) -> None:
        ctx.state.update("k", raises)

    for workflow in (alone(updates, state=LIVE), alone(ThreadNode("only", in_a_thread), state=LIVE)):
        seen = await watch(workflow, 0, **options)
        assert isinstance(seen.error, SuperstepError)
        check_stream(seen.events)
        assert [event.outcome for event in seen.of(HandlerEnded)] == ["failed"]


@every_error
@in_every_mode
async def test_bar_3_it_is_the_one_that_waited_who_fails(options: Options, error: BaseException) -> None:
    def raises(_: Any) -> Any:
        raise error

    async def holds(_: Any, ctx: Context) -> None:
        async with ctx.state.hold("k"):
            for _ in range(20):
                await ctx.sleep(0)

    async def updates(_: Any, ctx: Context) -> None:
        await ctx.state.update("k", raises)

    acts: dict[str, Act] = {"holds": holds, "updates": updates}
    seen = await watch(siblings(acts, state=LIVE), 0, **options)
    assert isinstance(seen.error, SuperstepError)
    check_stream(seen.events)
    ends = {event.executor: event.outcome for event in seen.of(HandlerEnded)}
    assert ends["updates"] == "failed"
    assert ends.get("holds") in (None, "completed", "cancelled")
