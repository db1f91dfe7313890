"""What an engine's adapter is. `ADAPTERS.md` beside this file tells how to write one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from .observation import Ran
from .program import Program
from .stage import Stage
from .vector import Run


class EngineMissing(Exception):
    """The engine is not installed; the message says which extra installs it."""


async def unless_stopped(how: Run, running: Awaitable[None]) -> None:
    """Await a run that is to be resumed when the schedule stops it; a stop that nothing follows is let through."""
    try:
        await running
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or not how.resume:
            raise
        task.uncancel()


class Adapter(Protocol):
    """Runs programs in an engine."""

    async def run(self, program: Program, message: Any, how: Run, stage: Stage) -> Ran:
        """Express the program in the engine's own idioms, run it with `message` as its input, and tell what it came to.

        Raises `Unsupported` if the situation cannot be expressed. An error of the engine's, at building or at running,
        is no error of the adapter's but `Ran.error`. `how.schedule` and `how.jitter` are the stage's affair.
        """
        ...


ENGINES: dict[str, tuple[str, str, str]] = {
    "stepscope": ("stepscope", "stepscope", ""),
    "agent-framework": ("agent_framework", "agent-framework-core", "agent-framework"),
    "langgraph": ("langgraph", "langgraph", "langgraph"),
}
"""Name of an engine: module of its adapter in `adapters`, distribution that has its version, extra that installs it."""


def adapter_for(engine: str) -> tuple[Adapter, str]:
    """The adapter of an engine, and the engine's version. Raises `EngineMissing`."""
    module, distribution, extra = ENGINES[engine]
    try:
        found = version(distribution)
    except PackageNotFoundError:
        if extra:
            missing = f"the engine {engine!r} is not installed; install it with: pip install 'stepscope[{extra}]'"
            raise EngineMissing(missing) from None
        found = "0"  # run from its sources
    adapter: Adapter = import_module(f"stepscope.conformance.adapters.{module}").make()
    return adapter, found
