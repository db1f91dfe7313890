"""Which values a message type takes, and which of several handlers is nearest (ORD-8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NewType, TypedDict, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepscope.api.matching import chooser, may_flow, name_of, takes


@dataclass
class Base:
    n: int = 0


@dataclass
class Derived(Base):
    pass


YES: list[tuple[Any, Any]] = [
    (int, 1), (float, 1.5), (float, 1), (bool, True), (str, "x"), (bytes, b""), (type(None), None), (None, None),
    (object, None), (Any, 5), (int | None, None), (int | str, "x"), (list, [1, "x"]), (list[int], [1, 2]), (list[int], []),
    (list[list[int]], [[1], []]), (dict[str, int], {"a": 1}), (tuple[int, str], (1, "x")), (tuple[int, ...], (1, 2, 3)),
    (tuple[int, ...], ()), (set[int], {1}), (frozenset[str], frozenset("a")), (Base, Derived()), (Annotated[int, "m"], 3),
    (Literal["a", 1], 1), (list[int | None], [1, None]), (Mapping[str, int], {"a": 1}), (Sequence[int], [1]),
    (list[Base], [Derived()]), (dict[str, list[float]], {"a": [1, 1.5]}),
]  # fmt: skip
NO: list[tuple[Any, Any]] = [
    (int, "1"), (int, 1.0), (int, True), (float, True), (float, "1"), (str, b""), (bool, 1), (type(None), 0), (list[int], ["x"]),
    (list[int], [1, None]), (list[int], (1,)), (list[list[int]], [[1], ["x"]]), (dict[str, int], {"a": "b"}),
    (dict[str, int], {1: 1}), (tuple[int, str], (1,)), (tuple[int, str], (1, "x", 2)), (tuple[int, ...], (1, "x")),
    (set[int], {"a"}), (Derived, Base()), (Annotated[int, "m"], "x"), (Literal["a", 1], True), (Literal["a"], "b"),
    (int | str, 1.5), (list[int], [True]), (Mapping[str, int], [("a", 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), YES, ids=str)
def test_takes(annotation: Any, value: Any) -> None:
    assert takes(annotation, value)


@pytest.mark.parametrize(("annotation", "value"), NO, ids=str)
def test_does_not_take(annotation: Any, value: Any) -> None:
    assert not takes(annotation, value)


NEAREST: list[tuple[list[Any], Any, Any]] = [
    ([object, int, str], 5, int),
    ([Base, Derived, object], Derived(), Derived),
    ([Base, object], Derived(), Base),
    ([object, Base], Derived(), Base),
    ([float, int], 5, int),
    ([int, float], 5.5, float),
    ([list[str], list[int]], [1], list[int]),
    ([str, int], None, None),
    ([int | None, str], None, int | None),
    ([list[int], list[str]], [], list[int]),  # both fit: the first declared
    ([Any, dict[str, int]], {"a": 1}, dict[str, int]),
]


@pytest.mark.parametrize(("annotations", "value", "expected"), NEAREST, ids=str)
def test_the_nearest_handler_wins_then_the_first_declared(annotations: list[Any], value: Any, expected: Any) -> None:
    assert chooser([(annotation, annotation) for annotation in annotations])(value) == expected


@settings(deadline=None)
@given(st.lists(st.one_of(st.integers(), st.text(), st.booleans(), st.none(), st.floats()), max_size=20))
def test_what_was_asked_before_changes_no_answer(values: list[Any]) -> None:
    """Answers are remembered by type where that is enough; here it is, and where a Literal looks inside it is not."""
    plain = [int, str, bool, object]
    inside = [Literal[1], int, str]
    for types in (plain, inside):
        kept = chooser([(one, one) for one in types])
        for value in values:
            assert kept(value) is chooser([(one, one) for one in types])(value)


def test_names_are_as_people_write_them() -> None:
    assert [name_of(one) for one in (int, None.__class__, Base, list[int], int | None, Any)] == [
        "int", "None", "Base", "list[int]", "int | None", "Any",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "taken", "may"),
    [
        (int, int, True), (int, str, False), (int, float, True), (Derived, Base, True), (Base, Derived, True),
        (int | str, str, True), (int | str, bytes, False), (Any, str, True), (int, object, True), (list[int], list[str], True),
        (list[int], dict[str, int], False), (str, str | None, True),
    ],
)  # fmt: skip
def test_what_may_flow(sent: Any, taken: Any, may: bool) -> None:
    assert may_flow(sent, taken) is may


@settings(deadline=None)
@given(
    st.sampled_from([annotation for annotation, _ in YES if get_origin(annotation) is not Annotated]),
    st.sampled_from([value for _, value in YES + NO]),
)
def test_a_value_of_the_type_may_flow_to_it(annotation: Any, value: Any) -> None:
    """Never a warning about messages that would be taken."""
    if takes(annotation, value) and type(value) not in (list, dict, tuple, set, frozenset):
        assert may_flow(type(value), annotation)


class Movie(TypedDict):
    name: str


UserId = NewType("UserId", str)


def test_a_value_may_flow_to_its_type_with_metadata() -> None:
    assert may_flow(int, Annotated[int, "m"])


def test_a_typed_dict_takes_a_dict_of_its_keys() -> None:
    assert takes(Movie, {"name": "x"})
    assert not takes(Movie, {"title": "x"})


def test_a_new_type_takes_what_it_was_made_from() -> None:
    assert takes(UserId, "x")
    assert not takes(UserId, 5)


def test_a_sequence_is_looked_into() -> None:
    assert takes(Sequence[int], (1, 2))
    assert not takes(Sequence[int], ("a",))
