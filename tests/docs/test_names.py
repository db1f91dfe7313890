"""The guides for those who come from other engines name what exists: in this package, and in the engines where installed.

A name in the tables is looked up in its column's package: `ctx.x` in the context, `workflow.x` in the workflow, what is
called in the modules and classes, what is written `x=` among their parameters. The engines' programs are run.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import operator
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from stepscope.context import StateView

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
SPAN = re.compile(r"`([^`]+)`")
PYTHON = ("typing", "asyncio", "operator", "builtins")


@dataclass(frozen=True)
class Package:
    """Where names of a column are looked up: modules, classes whose members count, and what variables stand for."""

    modules: tuple[str, ...]
    members: tuple[str, ...]
    variables: dict[str, str]

    def load(self, path: str) -> Any:
        """`module:name`, or a module."""
        module, _, name = path.partition(":")
        return getattr(import_module(module), name) if name else import_module(module)

    def has(self, name: str) -> bool:
        """Whether a module has it, or a class a member or a parameter of a method of that name."""
        return (
            any(hasattr(self.load(path), name) for path in (*self.modules, *self.members, *PYTHON))
            or name in self.parameters()
        )

    def parameters(self) -> set[str]:
        """Of all public functions and methods; the keys of typed dictionaries too."""
        found: set[str] = set()
        for path in self.members:
            owner = self.load(path)
            found |= set(getattr(owner, "__annotations__", ()))
            for function in (owner, *(getattr(owner, name) for name in dir(owner))):
                if callable(function):
                    try:
                        found |= set(inspect.signature(function).parameters)
                    except (TypeError, ValueError):
                        continue
        return found


STEPSCOPE = Package(
    ("stepscope",),
    (
        "stepscope:WorkflowBuilder",
        "stepscope:Workflow",
        "stepscope:WorkflowContext",
        "stepscope:WorkflowResult",
        "stepscope:Executor",
        "stepscope:StateKey",
        "stepscope:executor",
        "stepscope:handler",
        "stepscope.context:StateView",
        "stepscope.errors:ConvergenceError",
    ),
    {
        "ctx": "stepscope:WorkflowContext",
        "workflow": "stepscope:Workflow",
        "storage": "stepscope:CheckpointStorage",
    },
)
AGENT_FRAMEWORK = Package(
    ("agent_framework",),
    (
        "agent_framework:WorkflowBuilder",
        "agent_framework:Workflow",
        "agent_framework:WorkflowContext",
        "agent_framework:WorkflowRunResult",
        "agent_framework:Executor",
    ),
    {
        "ctx": "agent_framework:WorkflowContext",
        "workflow": "agent_framework:Workflow",
        "agent": "agent_framework:SupportsAgentRun",
    },
)
LANGGRAPH = Package(
    (
        "langgraph.graph",
        "langgraph.checkpoint.memory",
        "langgraph.types",
        "langgraph.errors",
        "langgraph.runtime",
        "langgraph.store.base",
    ),
    (
        "langgraph.graph:StateGraph",
        "langgraph.graph.state:CompiledStateGraph",
        "langgraph.types:Command",
        "langchain_core.runnables:RunnableConfig",
    ),
    {},
)


def rows(document: str) -> list[tuple[str, str]]:
    """The table of names: the engine's cell and ours."""
    section = (GUIDE / document).read_text().partition("## Name by name")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines[1:]]
    return [(one, other) for one, other in cells if not one.startswith("---")]


def names(span: str) -> Iterator[tuple[str, str]]:
    """What has to exist of an expression: pairs of what it belongs to, "" if that is not said, and its name."""
    if keyword := re.fullmatch(r"(\w+)=.*", span):
        yield "", keyword[1]
        return
    text = span.removeprefix("@").removeprefix("await ").removeprefix(".").replace(": ...", "")
    try:
        tree = ast.parse(text.replace("async with ", ""), mode="eval").body
    except SyntaxError:
        return
    if isinstance(tree, ast.Name):
        yield "", tree.id
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node.value), node.attr
        elif isinstance(node, ast.Call):
            yield from (("", one.arg) for one in node.keywords if one.arg is not None)
            if isinstance(node.func, ast.Name):
                yield "", node.func.id
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            yield "", node.value.id


def missing(package: Package, cell: str) -> list[str]:
    """Names in a cell that the package does not have."""
    found = []
    for span in SPAN.findall(cell):
        if span.startswith("stepscope ") or (span.endswith(")") and "->" in span) or "-> " in span:
            continue  # a command; a signature in words
        for owner, name in names(span):
            if owner in package.variables:
                known = hasattr(package.load(package.variables[owner]), name)
            elif owner == "ctx.state":
                known = hasattr(StateView, name)
            elif owner in PYTHON:
                known = hasattr(import_module(owner), name)
            else:
                known = package.has(name)
            if not known:
                found.append(f"{owner}.{name}".lstrip("."))
    return found


FROM_AGENT_FRAMEWORK = rows("moving-from-agent-framework.md")
FROM_LANGGRAPH = rows("moving-from-langgraph.md")


@pytest.mark.parametrize("ours", [cell for _, cell in (*FROM_AGENT_FRAMEWORK, *FROM_LANGGRAPH)])
def test_our_names_exist(ours: str) -> None:
    assert missing(STEPSCOPE, ours) == []


def test_a_name_that_does_not_exist_would_be_noticed() -> None:
    for cell in ("`nobody`", "`ctx.nobody(m)`", "`ctx.state.nobody()`", "`nobody=3`", "`WorkflowBuilder(nobody=1)`"):
        assert missing(STEPSCOPE, cell) != [], cell
    for cell in (
        "`@handler`",
        "`ctx.state.add`",
        "`max_supersteps=3`",
        "`WorkflowBuilder(start, name=...)`",
        "`.outputs`",
    ):
        assert missing(STEPSCOPE, cell) == [], cell


@pytest.mark.parametrize("theirs", [cell for cell, _ in FROM_AGENT_FRAMEWORK])
def test_agent_frameworks_names_exist(theirs: str) -> None:
    pytest.importorskip("agent_framework")
    assert missing(AGENT_FRAMEWORK, theirs) == []


@pytest.mark.parametrize("theirs", [cell for cell, _ in FROM_LANGGRAPH])
def test_langgraphs_names_exist(theirs: str) -> None:
    pytest.importorskip("langgraph.graph")
    assert missing(LANGGRAPH, theirs) == []


def run_their_program(document: str, package: str) -> None:
    """The guide's program for the other engine, given what it imports; its own `assert` says what comes of it."""
    (code,) = re.findall(r"^```py\n(.*?)^```$", (GUIDE / document).read_text(), re.MULTILINE | re.DOTALL)
    assert "\nassert " in code
    scope: dict[str, Any] = {
        "operator": operator,
        "__name__": "program",
        **vars(typing),
        **vars(import_module(package)),
    }
    compiled = compile(code, document, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)

    async def main() -> None:
        await eval(compiled, scope)

    asyncio.run(main())


def test_agent_frameworks_program_does_what_the_guide_says() -> None:
    pytest.importorskip("agent_framework")
    run_their_program("moving-from-agent-framework.md", "agent_framework")


def test_langgraphs_program_does_what_the_guide_says() -> None:
    pytest.importorskip("langgraph.graph")
    run_their_program("moving-from-langgraph.md", "langgraph.graph")
