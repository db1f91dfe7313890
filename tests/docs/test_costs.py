"""What the semantics say about costs is measured: every clause has its words, every number is in a table that a program
wrote, and the rows of the tables are the benchmarks' own."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from benchmarks import ordering, semantics_costs, tables
from benchmarks.cost_rows import ROWS
from docs.test_clauses import CLAUSES, SECTION
from support.clauses import STATUS

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "semantics.md"
IN_FORCE = [clause for clause in CLAUSES if STATUS[clause] != "not in this version"]


def cells(name: str) -> list[list[str]]:
    """The rows of a table in the document, without its head."""
    lines = tables.between(DOCUMENT.read_text(), name).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def words(clause: str) -> str:
    """What a clause says about its costs."""
    found = re.search(r"^\*\*Costs\.\*\* (.*?)\n\n", SECTION[clause], re.MULTILINE | re.DOTALL)
    assert found is not None, f"{clause} says nothing about what it costs"
    return found[1]


@pytest.mark.parametrize("clause", [clause for clause in IN_FORCE if STATUS[clause] == "in force"])
def test_a_clause_says_what_it_costs(clause: str) -> None:
    said = words(clause)
    assert not re.search(r"\d", re.sub(r"[A-Z]{3}-\d|maps of 10 and of 1000|of 10+\b", "", said)), (
        "numbers are measured"
    )
    if "[measured](#what-it-costs)" in said:
        named = {clause, *re.findall(r"[A-Z]{3}-\d", said)}
        assert named & {cost.clause for cost in ROWS} or re.search(r"(first|second) table", said)


@pytest.mark.parametrize("clause", sorted({cost.clause for cost in ROWS}))
def test_a_clause_that_was_measured_says_so(clause: str) -> None:
    assert "(#what-it-costs)" in words(clause)


def test_the_rows_are_the_benchmarks_own() -> None:
    assert [row[:2] for row in cells("costs")] == [[cost.clause, cost.what] for cost in ROWS]
    assert [row[0] for row in cells("ordering")] == list(ordering.WORK)
    assert [row[0].partition(" 1")[0] for row in cells("engines")] == [
        "by hand",
        "Stepscope",
        "Stepscope, recording everything to a file",
        "Stepscope, with OpenTelemetry spans",
        "Agent Framework",
        "LangGraph",
    ]
    for name in ("costs", "ordering", "engines"):
        for row in cells(name):
            assert all(re.fullmatch(r"\d+(\.\d+)?", cell) for cell in row[2 if name == "costs" else 1 :]), row


def test_what_is_claimed_in_words_is_in_the_numbers() -> None:
    """The sentences under the tables."""
    engines = {row[0].partition(",")[0] if "Stepscope" not in row[0] else row[0]: row[1:] for row in cells("engines")}
    (ours,) = (row for name, row in engines.items() if name == "Stepscope")
    for name, row in engines.items():
        if name.startswith(("Agent", "LangGraph")):
            assert all(float(theirs) > float(one) for theirs, one in zip(row, ours, strict=True))
    ratios = {row[0]: float(row[3]) for row in cells("ordering")}
    assert ratios["effects (`ctx.effect`)"] < 1.5  # DET-5
    assert ratios["foreign awaits"] > 8
    cost = {row[1]: float(row[2]) for row in cells("costs")}
    assert all(cost[f"`{op}` of a live key"] < 1 for op in ("get", "set", "update"))
    hold = cost["an empty `hold` of one key"]
    assert 2 < hold / cost["`update` of a live key"] < 4
    assert 0.5 < (cost["`hold`, `update`, a pause: ten in line"] - cost["`hold`, `update`, a pause: alone"]) / hold < 2
    superstep = cost["a superstep with one delivery"]
    assert cost["the same as under BAR-1, and a checkpoint in memory"] < 2 * superstep
    assert cost["the same as under BAR-1, and a checkpoint in a file"] > 5 * superstep
    assert cost["a map of 1000 sent to ten: each of them"] < cost["a map of 1000 sent to one"] / 2


@pytest.mark.parametrize("mode", semantics_costs.MODES)
def test_every_row_runs(mode: str) -> None:
    async def all_rows() -> None:
        for cost in ROWS:
            await asyncio.wait_for(cost(min(cost.times, 100), mode), 20)
            await asyncio.wait_for(cost(0, mode), 20)

    asyncio.run(all_rows())
