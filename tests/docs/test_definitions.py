"""The specification's table of values is the one that values are stored by (its digest and draws are run there)."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pydantic
import pytest

from stepscope.events import EdgeKind
from stepscope.values import Value

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "semantics.md").read_text().partition("## Exact definitions")[2].partition("\n## ")[0]


class Colour(enum.Enum):
    RED = 1


@dataclass
class Point:
    x: int


class Pair(NamedTuple):
    a: int


class Model(pydantic.BaseModel):
    n: int


def tags(tree: Any) -> set[str]:
    """The `$` keys of a tree."""
    if isinstance(tree, list):
        return {tag for one in tree for tag in tags(one)}
    if isinstance(tree, dict):
        return {key for key in tree if key[0] == "$"} | {tag for one in tree.values() for tag in tags(one)}
    return set()


VALUES: dict[str, Any] = {
    "$tuple": (1,),
    "$set": {1},
    "$frozenset": frozenset({1}),
    "$dict": {1: 2},
    "$int": 1 << 70,
    "$str": "\udcff",
    "$date": dt.date(2026, 11, 24),
    "$time": dt.time(1, 2),
    "$datetime": dt.datetime(2026, 11, 24, tzinfo=dt.UTC),
    "$timedelta": dt.timedelta(1),
    "$uuid": uuid.UUID(int=1),
    "$decimal": decimal.Decimal("1.0"),
    "$enum": Colour.RED,
    "$data": Point(1),
    "$model": Model(n=1),
    "$named": Pair(1),
}


@pytest.mark.parametrize("tag", VALUES)
def test_a_value_has_the_tag_that_the_table_gives_it(tag: str) -> None:
    assert tags(Value.of(VALUES[tag], "{}", tag).tree()) == {tag}
    assert f'{{"{tag}": ' in SECTION


def test_the_table_has_every_tag() -> None:
    made = set(re.findall(r'"(\$[a-z]+)"', (ROOT / "runtime" / "stepscope" / "values.py").read_text()))
    assert made - {"$redacted"} == set(VALUES)  # a recorder puts that in the place of what it leaves out
    assert set(re.findall(r'"(\$[a-z]+)"', SECTION)) == set(VALUES)


@pytest.mark.parametrize("value", [None, True, 1, -(1 << 63), 1.5, "text", "ä", b"bytes", [1, [2]], {"a": {"b": 1}}])
def test_what_the_table_calls_its_own_tree_is(value: Any) -> None:
    assert Value.of(value, "{}", "value").tree() == value
    assert tags(Value.of({"ä": 1, "$x": 2}, "{}", "value").tree()) == {"$dict"}


def test_every_kind_of_edge_is_specified() -> None:
    graph = (ROOT / "docs" / "semantics.md").read_text().partition("| edge group |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| ([a-z-]+) \|", graph, re.MULTILINE)) == sorted(get_args(EdgeKind))
