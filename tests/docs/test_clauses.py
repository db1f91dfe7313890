"""Every clause of the semantics is in the specification, in the runtime's docstrings, and in a test."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from support.clauses import SPECIFICATION, STATUS

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "runtime" / "stepscope"
FAMILIES = {"ORD": 8, "STA": 9, "PAR": 5, "BAR": 7, "DET": 5, "DLK": 5, "SUB": 1}
CLAUSES = [f"{family}-{number}" for family, count in FAMILIES.items() for number in range(1, count + 1)]
SECTION = {
    section[:5]: section for section in re.split(r"^### ", SPECIFICATION, flags=re.MULTILINE) if section[:5] in CLAUSES
}


@cache
def docstrings() -> str:
    """Every docstring of the runtime, those of attributes included."""
    found = []
    for path in sorted(RUNTIME.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                found.append(node.value.value)
    return "\n".join(found)


def named(text: str) -> set[str]:
    """Clause ids in a text; ``STA-1..3`` names three."""
    found = set(re.findall(r"\b[A-Z]{3}-\d\b", text))
    for family, first, last in re.findall(r"\b([A-Z]{3})-(\d)\.\.(\d)", text):
        found |= {f"{family}-{number}" for number in range(int(first), int(last) + 1)}
    return found


@cache
def texts_of_tests() -> list[str]:
    """The texts of all test files but those about documents."""
    return [path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path.parent.name != "docs"]


@cache
def clauses_with_tests() -> set[str]:
    """Clauses that the name of a test function says it is of: ``test_STA_1_...``."""
    names = [name for text in texts_of_tests() for name in re.findall(r"def test_([A-Za-z]{3}_\d)_", text)]
    return {name.upper().replace("_", "-") for name in names}


def test_the_specification_lists_every_clause() -> None:
    assert list(STATUS) == CLAUSES
    assert list(SECTION) == CLAUSES


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_clause_says_what_it_guarantees_what_not_and_why(clause: str) -> None:
    section = SECTION[clause]
    for part in ("**Guaranteed.**", "**Not guaranteed.**", "**Why.**"):
        assert section.count(part) == 1, part
    if STATUS[clause] == "in force":
        assert "not in this version" not in section.lower()
        assert "```python\n" in section
        code = section.partition("```python\n")[2]
        assert "wrong" in code
        assert re.search(r"\bassert |\braises\(", code), "an example shows what comes of it"
    else:
        assert "in this version" in section.lower()


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_clause_in_force_is_in_a_docstring_and_in_a_test(clause: str) -> None:
    assert clause in named(docstrings())
    assert clause in clauses_with_tests()


def test_every_clause_is_in_force() -> None:
    assert {clause: status for clause, status in STATUS.items() if status != "in force"} == {}


def test_nothing_names_a_clause_that_does_not_exist() -> None:
    known = set(CLAUSES)
    assert named(docstrings()) <= known
    assert named(SPECIFICATION) <= known
    assert clauses_with_tests() <= known
    assert named("\n".join(texts_of_tests())) <= known
    for document in (ROOT / "docs").rglob("*.md"):
        assert named(document.read_text()) <= known, document.name
