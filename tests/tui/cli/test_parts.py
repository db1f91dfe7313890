"""The command line's own small parts: SOURCE, --input and the printing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from stepscope import Executor, Workflow, WorkflowBuilder, WorkflowContext, WorkflowExecutor, handler
from stepscope_tui.cli.given import given
from stepscope_tui.cli.out import Out, count
from stepscope_tui.cli.problems import Problem
from stepscope_tui.cli.recordings import Source, parse_source

names = st.text(st.characters(exclude_characters="&#\x00", codec="utf-8"), min_size=1, max_size=20)


@examples(names, st.none() | names, st.none() | st.integers(0, 10**17))
def test_a_source_reads_back_as_it_is_written(path: str, run_id: str | None, seq: int | None) -> None:
    import shlex

    source = Source(path, run_id, seq)
    assert [parse_source(word) for word in shlex.split(str(source))] == [source]


def test_a_file_whose_name_ends_like_a_fragment_is_that_file(tmp_path: Path) -> None:
    odd = tmp_path / "a#seq=3"
    assert parse_source(str(odd)) == Source(str(tmp_path / "a"), None, 3)
    odd.touch()
    assert parse_source(str(odd)) == Source(str(odd))
    assert parse_source("#seq=3") == Source("#seq=3")
    assert parse_source("a#seq=x") == Source("a#seq=x")


@dataclass
class Point:
    x: float
    tags: tuple[str, ...] = ()


class Anything(Executor):
    @handler
    async def take(self, value: Any, ctx: WorkflowContext[Never, str]) -> None: ...


class Points(Executor):
    @handler
    async def one(self, value: Point, ctx: WorkflowContext[Never, str]) -> None: ...

    @handler
    async def many(self, value: list[Point], ctx: WorkflowContext[Never, str]) -> None: ...

    @handler
    async def number(self, value: int, ctx: WorkflowContext[Never, str]) -> None: ...


def of(start: Executor) -> Workflow:
    return WorkflowBuilder(start_executor=start, name="w").build()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@examples(json_values)
def test_a_json_value_is_given_as_it_is_to_a_handler_that_takes_it(value: Any) -> None:
    assert given(of(Anything("a")), json.dumps(value)) == value


def test_input_is_made_into_what_the_handler_declares() -> None:
    for workflow in (of(Points("p")), of(WorkflowExecutor(of(Points("inner")), id="outer"))):
        assert given(workflow, '{"x": 1, "tags": ["a"]}') == Point(1.0, ("a",))
        assert given(workflow, '[{"x": 1.5}]') == [Point(1.5)]
        assert given(workflow, "7") == 7


@pytest.mark.parametrize("text", ['"7"', "7.5", "true", "null", '{"y": 1}', '{"x": "1"}', '[{"x": null}]'])
def test_nothing_is_guessed(text: str) -> None:
    with pytest.raises(Problem, match="Point or list"):
        given(of(Points("p")), text)


def test_without_input_a_handler_of_none_is_asked_and_others_are_not() -> None:
    assert given(of(Anything("a")), None) is None
    with pytest.raises(Problem, match="'p' takes Point or"):
        given(of(Points("p")), None)


@examples(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), min_size=1, max_size=5))
def test_a_table_is_aligned_and_harmless_whatever_is_in_it(rows: list[list[str]]) -> None:
    import io
    import sys

    from rich.cells import cell_len

    real, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    try:
        Out().table([[left, "|", right] for left, right in rows])
        sys.stdout.flush()
        shown = sys.stdout.buffer.getvalue().decode()
    finally:
        sys.stdout = real
    lines = shown.split("\n")[:-1]
    assert len(lines) == len(rows)
    assert all(char.isprintable() or char == "\u3000" for line in lines for char in line)
    left = max(cell_len(Out()._text((left,)).plain) for left, _ in rows)
    assert all(cell_len(line[: _bar(line, left)]) == left + 2 for line in lines)


def _bar(line: str, width: int) -> int:
    """Where the column after one of `width` cells and two spaces begins."""
    from rich.cells import cell_len

    return next(i for i in range(len(line) + 1) if cell_len(line[:i]) == width + 2)


def test_counting() -> None:
    assert (count(1, "run"), count(0, "run"), count(12_345, "run")) == ("1 run", "0 runs", "12,345 runs")
