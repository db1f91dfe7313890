"""What type checkers see of a handler's context: a sync handler's operations are plain calls (PAR-2).

The handlers below are checked by mypy with the rest of the tests: an `assert_type` that does not hold is an error, and
so is an ignored mistake that mypy does not see.
"""

from __future__ import annotations

import operator
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Never, assert_type

import pytest

from stepscope import (
    Executor,
    StateKey,
    SyncWorkflowContext,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowError,
    executor,
    handler,
)

ROOT = Path(__file__).parents[3]
KEYS = [StateKey("budget", 10, access="live"), StateKey("seen", 0, reducer=operator.add)]


class Counts(Executor):
    """A sync handler whose every operation has its type."""

    @handler
    def count(self, n: int, ctx: SyncWorkflowContext[str, int]) -> None:
        with ctx.state.hold("budget"):
            left: int = ctx.state.get("budget", 0)
            ctx.state.set("budget", left - n)
        assert_type(ctx.state.update("budget", lambda budget: budget + 1), Any)
        ctx.state.add("seen", n)
        ctx.yield_output(ctx.effect(len, "four") + n)
        ctx.sleep(0)
        ctx.send_message("done")


class Awaits(Executor):
    """The same, awaited."""

    @handler
    async def count(self, n: int, ctx: WorkflowContext[str, int]) -> None:
        async with ctx.state.hold("budget"):
            left: int = await ctx.state.get("budget", 0)
            await ctx.state.set("budget", left - n)
        updated = ctx.state.update("budget", lambda budget: budget + 1)
        assert_type(updated, Awaitable[Any])
        await updated
        await ctx.state.add("seen", n)
        await ctx.yield_output(await ctx.effect(len, "four") + n)
        await ctx.sleep(0)
        await ctx.send_message("done")


@executor(id="take")
def take(text: str, ctx: SyncWorkflowContext[Never, int]) -> None:
    ctx.yield_output(len(text))


def build(counts: type[Executor]) -> Any:
    counting = counts(id="count")
    return WorkflowBuilder(counting, state=KEYS).add_edge(counting, take).build()


@pytest.mark.parametrize("counts", [Counts, Awaits])
async def test_both_contexts_do_the_same(counts: type[Executor]) -> None:
    result = await build(counts).run(3, strict=True)
    assert result.outputs == [7, 4]
    assert result.state == {"budget": 8, "seen": 3}


async def test_a_sync_handler_may_be_annotated_with_either_context() -> None:
    @executor(id="either")
    def either(n: int, ctx: WorkflowContext[Never, int]) -> None:
        ctx.yield_output(n)

    assert (await WorkflowBuilder(either).build().run(5)).outputs == [5]


def annotated(context: Any) -> Callable[..., Any]:
    async def run(n: int, ctx: Any) -> None: ...

    run.__annotations__["ctx"] = context
    return run


@pytest.mark.parametrize("context", [SyncWorkflowContext, SyncWorkflowContext[int], SyncWorkflowContext[Never, int]])
def test_an_async_handler_is_not_given_a_sync_context(context: Any) -> None:
    with pytest.raises(WorkflowError, match=r"'run' .*is async.*WorkflowContext"):
        WorkflowBuilder(executor(id="run")(annotated(context))).build()


def misuses(ctx: WorkflowContext[str], sync: SyncWorkflowContext[str]) -> None:
    """What mypy says about the commonest slips."""
    with ctx.state.hold("budget"):  # type: ignore[misc]
        pass
    left: int = ctx.state.get("budget")  # type: ignore[assignment]
    assert left
    sync.send_message(1)  # type: ignore[arg-type]


async def awaits_too_much(sync: SyncWorkflowContext[str]) -> None:
    await sync.send_message("done")  # type: ignore[misc]
    async with sync.state.hold("budget"):  # type: ignore[misc]
        pass


@pytest.mark.slow
def test_mypy_agrees_with_this_file(tmp_path: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--strict", __file__],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "MYPY_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
