"""The benchmark's shapes for Agent Framework and LangGraph, each in its own idiom; only where they are installed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from .shapes import ROUNDS, first_message

Run = Callable[[], Awaitable[Any]]


def installed(package: str) -> str:
    """Version of an engine's package, "" where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def agent_framework(shape: str) -> Run | None:
    """A program of Agent Framework; None where it is not installed."""
    if find_spec("agent_framework") is None:
        return None
    from .agent_framework_shapes import workflow

    built = workflow(shape)

    async def run() -> Any:
        return await built.run(first_message(shape))

    return run


def langgraph(shape: str) -> Run | None:
    """A program of LangGraph; None where it is not installed."""
    if find_spec("langgraph") is None:
        return None
    from .langgraph_shapes import graph

    compiled = graph(shape)
    first = {"n": first_message(shape), **({"got": []} if shape == "fan" else {})}

    async def run() -> Any:
        return await compiled.ainvoke(first, {"recursion_limit": ROUNDS + 10})

    return run
