"""The guide's page on running lists everything there is: options with their defaults, results, events, errors, findings."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from pathlib import Path
from typing import get_args, get_type_hints

import stepscope
from stepscope import Workflow, WorkflowResult
from stepscope.drivers import streaming
from stepscope.drivers.options import Options, RunOptions
from stepscope.events import HandlerEnded
from stepscope.findings import Kind

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "running.md").read_text()
RUNTIME = ROOT / "runtime" / "stepscope"
NAMING = {"conformance", "replay", "findings.py"}
"""What names kinds of findings and makes none."""


def cells(heading: str) -> list[list[str]]:
    """The table of a section, without backquotes around its first cells."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_options() -> None:
    parameters = inspect.signature(Workflow.run).parameters
    named = {name: one.default for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}
    defaults = named | {field.name: field.default for field in dataclasses.fields(RunOptions)}
    assert list(defaults) == [*named, *Options.__annotations__]
    assert {row[0]: ast.literal_eval(row[1]) for row in cells("Options")} == defaults


def test_results() -> None:
    assert [row[0] for row in cells("The result")] == [field.name for field in dataclasses.fields(WorkflowResult)]


def test_events() -> None:
    made = set(re.findall(r'WorkflowEvent\(\s*"(\w+)"', inspect.getsource(streaming)))
    made |= {f"executor_{outcome}" for outcome in get_args(get_type_hints(HandlerEnded)["outcome"])}
    assert {row[0] for row in cells("Events of a stream")} == made


def test_errors() -> None:
    exported = [getattr(stepscope, name) for name in stepscope.__all__]
    errors = {one.__name__ for one in exported if isinstance(one, type) and issubclass(one, Exception)}
    assert {row[0] for row in cells("Errors")} == errors - {"WorkflowWarning"}


def test_findings() -> None:
    kinds = set(get_args(Kind))
    modules = [path for path in RUNTIME.rglob("*.py") if not {*path.relative_to(RUNTIME).parts} & NAMING]
    made = {kind for kind in kinds if any(f'"{kind}"' in path.read_text() for path in modules)}
    listed = [row[0] for row in cells("Findings")]
    assert set(listed) == made
    assert len(listed) == len(made)
