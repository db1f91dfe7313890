"""Which package may import what: the arrows point one way, and importing the runtime loads nothing heavy."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import stepscope

RUNTIME = Path(stepscope.__file__).parent
ROOT = RUNTIME.parents[1]
ADAPTERS = RUNTIME / "conformance" / "adapters"
"""The one place that imports other engines, and what they speak through."""
CLAUSE = re.compile(r"\b(ORD|STA|PAR|BAR|DET|DLK|SUB)-\d")


def loaded_by(statement: str) -> set[str]:
    """Top-level names in `sys.modules` after a fresh interpreter ran a statement."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    paths = {"PYTHONPATH": ":".join(str(ROOT / part) for part in ("runtime", "tracing", "tui"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=paths, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_runtime_loads_no_recorder_no_screen_and_no_exporter() -> None:
    loaded = loaded_by("import stepscope; from stepscope import *")
    assert not loaded & {
        "opentelemetry", "textual", "rich", "sqlite3", "_sqlite3", "click", "networkx", "pydantic", "stepscope_tracing",
        "stepscope_tui",
    }  # fmt: skip
    assert {"stepscope", "msgspec"} <= loaded, "the probe sees what is loaded"


def test_importing_recordings_draws_nothing() -> None:
    loaded = loaded_by("import stepscope_tracing")
    assert not loaded & {"textual", "rich", "click", "stepscope_tui"}
    assert "stepscope" in loaded


def test_running_a_workflow_loads_no_recorder_either() -> None:
    loaded = loaded_by(
        "import asyncio, stepscope\n"
        "@stepscope.executor\n"
        "async def only(message: int, ctx: stepscope.WorkflowContext[int, int]) -> None:\n"
        "    await ctx.yield_output(message)\n"
        "result = asyncio.run(stepscope.WorkflowBuilder(only).build().run(1))\n"
        "assert result.outputs == [1]"
    )
    assert not loaded & {"opentelemetry", "textual", "rich", "sqlite3", "click", "stepscope_tracing"}


def imports_of(path: Path) -> set[str]:
    """Every absolute module that a file's import statements name, those inside functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ["stepscope", *path.relative_to(RUNTIME).parts[:-1]]
            base = package[: len(package) - node.level + 1] if node.level else []
            names.add(".".join([*base, *([node.module] if node.module else [])]))
    return names


@pytest.mark.parametrize("path", sorted((RUNTIME / "kernel").glob("*.py")), ids=lambda path: path.stem)
def test_the_kernel_does_no_io_and_knows_no_clock(path: Path) -> None:
    forbidden = {
        "asyncio", "threading", "time", "datetime", "sqlite3", "socket", "random", "secrets", "uuid", "concurrent", "os",
        "subprocess", "pathlib", "selectors", "signal",
    }  # fmt: skip
    names = imports_of(path)
    assert not {name.partition(".")[0] for name in names} & forbidden
    assert not [name for name in names if name.startswith(("stepscope.drivers", "stepscope.api"))]
    called = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not {one.id for one in called if isinstance(one, ast.Name)} & {"open", "print", "input", "eval", "exec"}


@pytest.mark.parametrize("path", sorted(RUNTIME.rglob("*.py")), ids=lambda path: str(path.relative_to(RUNTIME)))
def test_nothing_in_the_runtime_reaches_up(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports_of(path)}
    telemetry_it_asks = {"opentelemetry"} if path == ADAPTERS / "agent_framework.py" else set()
    assert (
        not tops
        & {"stepscope_tracing", "stepscope_tui", "opentelemetry", "textual", "rich", "click"} - telemetry_it_asks
    )


def modules() -> Iterator[ModuleType]:
    """Every module of the runtime; adapters of other engines where these are installed."""
    yield stepscope
    for found in pkgutil.walk_packages(stepscope.__path__, "stepscope."):
        try:
            yield importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if str(error.name).partition(".")[0] not in ("agent_framework", "langgraph", "langchain_core", "ormsgpack"):
                raise


@pytest.mark.parametrize("module", list(modules()), ids=lambda module: module.__name__)
def test_what_a_module_is_for_is_said(module: ModuleType) -> None:
    assert module.__doc__
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, f"{module.__name__}.{name} has no docstring"


@pytest.mark.parametrize("part", ["kernel", "locks", "state", "route", "report"])
def test_the_kernels_modules_list_the_clauses_they_answer_for(part: str) -> None:
    module = importlib.import_module(f"stepscope.kernel.{part}")
    assert CLAUSE.search(module.__doc__ or "")


@pytest.mark.parametrize("module", list(modules()), ids=lambda module: module.__name__)
def test_a_clause_that_is_named_exists(module: ModuleType) -> None:
    highest = {"ORD": 8, "STA": 9, "PAR": 5, "BAR": 7, "DET": 5, "DLK": 5, "SUB": 1}
    for family, number in re.findall(r"\b(ORD|STA|PAR|BAR|DET|DLK|SUB)-(\d+)", inspect.getsource(module) or ""):
        assert 1 <= int(number) <= highest[family], f"{family}-{number}"


def test_every_public_name_can_be_imported() -> None:
    assert sorted(stepscope.__all__) == list(stepscope.__all__)
    for name in stepscope.__all__:
        assert getattr(stepscope, name).__doc__, name
