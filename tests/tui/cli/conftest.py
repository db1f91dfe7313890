"""A folder with a program in it, and a recording made once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import write

APP = """
    from dataclasses import dataclass
    from datetime import date
    from typing import Never

    from pydantic import BaseModel
    from stepscope import Executor, StateKey, Workflow, WorkflowBuilder, WorkflowContext, executor, handler


    @dataclass
    class Draft:
        topic: str
        words: int = 1


    class Order(BaseModel):
        item: str
        due: date


    class Desk(Executor):
        @handler
        async def text(self, text: str, ctx: WorkflowContext[Never, str]) -> None:
            print("handling", text)
            await ctx.state.set("last", {"text": text})
            await ctx.yield_output(f"text {text}")

        @handler
        async def draft(self, draft: Draft, ctx: WorkflowContext[Never, Draft]) -> None:
            await ctx.yield_output(draft)

        @handler
        async def order(self, order: Order, ctx: WorkflowContext[Never, str]) -> None:
            await ctx.yield_output(f"{order.item} on {order.due.year}")


    workflow = WorkflowBuilder(start_executor=Desk("desk"), name="desk").build()


    def make() -> Workflow:
        return workflow


    async def make_later() -> Workflow:
        return workflow


    def needs(argument: int) -> Workflow:
        return workflow


    def breaks() -> Workflow:
        raise RuntimeError("no desk today")


    def makes_text() -> str:
        return "text"


    def builds_badly() -> Workflow:
        return WorkflowBuilder(start_executor=Desk("desk")).add_edge(Desk("desk"), Desk("desk")).build()


    @executor(id="first")
    async def first(go: None, ctx: WorkflowContext[str]) -> None:
        await ctx.state.set("count", 1)
        await ctx.send_message("on")


    @executor(id="second")
    async def second(text: str, ctx: WorkflowContext[Never, str]) -> None:
        raise LookupError("nothing to be found")


    failing = WorkflowBuilder(start_executor=first, name="failing").add_edge(first, second).build()


    @executor(id="keeper")
    async def keeper(go: None, ctx: WorkflowContext[Never, str]) -> None:
        await ctx.state.set("file", {"handles": [open]})


    unstorable = WorkflowBuilder(start_executor=keeper, name="unstorable").build()


    @executor(id="sleeper")
    async def sleeper(go: None, ctx: WorkflowContext[Never, str]) -> None:
        print("asleep", flush=True)
        await ctx.sleep(600)


    sleeping = WorkflowBuilder(start_executor=sleeper, name="sleeping").build()
    number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``app.py``."""
    write(tmp_path / "app.py", APP)
    return tmp_path


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same folder as the current one, for commands in this process; what they import is forgotten afterwards."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with one run, in which two updates are lost. To be read only."""
    from stepscope_tracing import open_recorder
    from stepscope_tui.demo.lost_update import workflow

    path = tmp_path_factory.mktemp("demo") / "demo.stepscope"
    asyncio.run(workflow.run("topic", mode="deterministic", record=open_recorder(path)))
    return path
