"""BAR-4: loading a checkpoint executes nothing, and gives back objects of the workflow's own types and of no others."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import sys
import types as python_types
import uuid
from typing import Annotated, Any, Literal, NamedTuple, NewType, Protocol, TypedDict, TypeVar, runtime_checkable

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepscope import (
    CheckpointError,
    Executor,
    InMemoryCheckpointStorage,
    StateKey,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowError,
    WorkflowExecutor,
    handler,
)
from stepscope.checkpoints.encoding import Types
from stepscope.values import Value
from support.workflows import Context, Node, build, run

ran: list[str] = []
"""What was executed that must not be."""


class Loud:
    """Notes each way in which Python runs code to make an object."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        ran.append("__init__")

    def __post_init__(self) -> None:
        ran.append("__post_init__")

    def __setattr__(self, name: str, value: Any) -> None:
        ran.append("__setattr__")
        object.__setattr__(self, name, value)

    def __setstate__(self, state: Any) -> None:
        ran.append("__setstate__")

    def __reduce__(self) -> Any:
        ran.append("__reduce__")
        return (ran.append, ("reduced",))


@dataclasses.dataclass
class Plain(Loud):
    n: int
    inner: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    n: int
    parts: tuple[Plain, ...] = ()


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Number(enum.IntEnum):
    ONE = 1


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    left: Any
    right: Any


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", frozen=True)
    name: str = pydantic.Field(alias="the_name")
    when: dt.date | None = None
    _private: list[int] = pydantic.PrivateAttr(default=[1])

    @pydantic.model_validator(mode="after")
    def check(self) -> Model:
        """Runs whenever one is made as usual."""
        ran.append("validator")
        return self

    @functools.cached_property
    def long_name(self) -> str:
        return self.name * 2


class Strict(pydantic.BaseModel):
    colour: Colour
    many: list[Frozen] = []


DECLARED = [Plain, Frozen, Colour, Number, Rights, Pair, Model, Strict]


def made(value: Any, types: Types | None = None) -> Any:
    """A value as it comes back."""
    stored = Value.of(value, "a test")
    ran.clear()
    restored = (types or Types("test", DECLARED)).restored(stored.data, "a test")
    assert not ran, "loading executed the program's code"
    assert restored == stored
    assert restored.canonical() == stored.canonical()
    return restored.fresh()


ZONE = dt.timezone(dt.timedelta(hours=5, minutes=30))
VALUES: dict[str, Any] = {
    "none": None, "truth": True, "number": 7, "a large number": 1 << 70, "a small one": -(1 << 65), "float": 0.1,
    "infinite": float("-inf"), "text": "é☃", "a lone surrogate": "a\udcffb", "bytes": b"\0\xff", "list": [1, [2, []]],
    "tuple": (1, (2,), ()), "set": {1, "a", (2, 3)}, "frozenset": frozenset({b"x", None}), "map": {"a": {"b": []}},
    "a map of other keys": {1: "a", (1, 2): "b", None: {Colour.RED: 1}}, "a map with a tag": {"$tuple": [1], "$data": "x:Y"},
    "moment": dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=ZONE), "naive": dt.datetime(2026, 1, 2), "date": dt.date(2026, 1, 2),
    "time": dt.time(1, 2, 3, 4), "span": dt.timedelta(-1, 2, 3), "uuid": uuid.UUID(int=5),
    "decimal": decimal.Decimal("-1.50"), "enum": Colour.BLUE, "int enum": Number.ONE, "flag": Rights.READ,
    "flags": Rights.READ | Rights.WRITE, "no flag": Rights(0), "pair": Pair(Pair(1, {2}), Colour.RED), "frozen": Frozen(1),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_BAR_4_a_value_comes_back_as_it_was(name: str) -> None:
    back = made(VALUES[name])
    assert back == VALUES[name]
    assert type(back) is type(VALUES[name])


class Summer(dt.tzinfo):
    """A zone that is more than an offset."""

    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=2)

    def dst(self, _: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=1)

    def tzname(self, _: dt.datetime | None) -> str:
        return "CEST"


def test_BAR_4_a_moment_comes_back_with_its_offset() -> None:
    moment = dt.datetime(2026, 7, 1, 12, tzinfo=Summer())
    back = made(moment)
    assert (back, back.utcoffset()) == (moment, dt.timedelta(hours=2))


def test_BAR_4_a_value_that_is_no_number_comes_back() -> None:
    assert str(made([float("nan"), decimal.Decimal("NaN")])) == str([float("nan"), decimal.Decimal("NaN")])


def test_BAR_4_a_dataclass_comes_back_without_its_constructor() -> None:
    back = made(Frozen(1, (Plain(2, Plain(3)),)))
    assert (back.n, back.parts[0].n, back.parts[0].inner.n) == (1, 2, 3)
    assert [type(one) for one in (back, back.parts[0])] == [Frozen, Plain]


def test_BAR_4_a_model_comes_back_without_its_validators() -> None:
    model = Model(the_name="x", when=dt.date(2026, 1, 2), more=[1])  # type: ignore[call-arg]
    assert model.long_name == "xx"
    back = made(model)
    assert back == model
    assert (back.name, back.when, back.more, back.long_name, back._private) == (
        "x",
        dt.date(2026, 1, 2),
        [1],
        "xx",
        [1],
    )
    assert back.model_dump() == model.model_dump()
    strict = Strict(colour=Colour.RED, many=[Frozen(1)])
    assert made(strict) == strict
    assert made(strict).model_copy(deep=True) == strict


TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.datetimes() | st.dates() | st.timedeltas() | st.uuids() | st.decimals(allow_nan=False)
    | st.sampled_from([*Colour, *Number, Rights.READ, Rights(3)]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(), inner, max_size=4)
    | st.dictionaries(st.integers() | st.text() | st.tuples(st.integers()), inner, max_size=4)
    | st.lists(inner, max_size=3).map(tuple)
    | st.sets(st.integers() | st.text(), max_size=4)
    | st.builds(Pair, inner, inner)
    | st.builds(lambda n, one: Frozen(n, one), st.integers(), inner),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(TREES)
def test_BAR_4_any_value_comes_back(value: Any) -> None:
    back = made(value)
    assert back == value
    assert type(back) is type(value)


# -- which types a workflow declares -----------------------------------------------------------------------------------

T = TypeVar("T", bound=Plain)
Named = NewType("Named", Frozen)


class Shape:
    """Takes part only by what derives from it."""


@dataclasses.dataclass
class Circle(Shape):
    r: float


@runtime_checkable
class Sized(Protocol):
    @property
    def n(self) -> int: ...


class Row(TypedDict):
    pair: Pair


def declared_by(annotation: Any, *, types: list[type] | None = None, state: list[StateKey] | None = None) -> list[type]:
    """What a workflow declares whose executor takes this."""

    class Takes(Executor):
        async def take(self, message: Any, ctx: Context) -> None:
            pass

        take.__annotations__["message"] = annotation
        take = handler(take)

    workflow = WorkflowBuilder(Takes("only"), types=types or [], state=state or []).build()
    return [cls for cls in workflow.declared_types if cls in [*DECLARED, Circle]]


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (Plain, [Plain]),
        (Plain | None, [Plain]),
        (list[dict[str, Colour]], [Colour]),
        (Annotated[Pair, "x"], [Pair]),
        (Named, [Frozen, Plain]),
        (Literal[Colour.RED], [Colour]),
        (Frozen, [Frozen, Plain]),
        (Strict, [Strict, Colour, Frozen, Plain]),
        (Row, [Pair]),
        (T, [Plain]),
        (int, []),
        (Any, []),
        (object, []),
    ],
)
def test_BAR_4_annotations_declare_what_they_are_made_of(annotation: Any, found: list[type]) -> None:
    assert declared_by(annotation) == found


def test_BAR_4_so_do_the_builder_and_initial_values() -> None:
    assert declared_by(int, types=[Strict]) == [Strict, Colour, Frozen, Plain]
    initial = {"k": [Pair(1, Colour.RED)], "l": {Number.ONE: Plain(1)}}
    assert declared_by(int, state=[StateKey("k", initial)]) == [Pair, Colour, Number, Plain]


def test_BAR_4_local_types_are_found() -> None:
    @dataclasses.dataclass
    class Inner:
        n: int

    @dataclasses.dataclass
    class Outer:
        inner: Inner
        unknown: Missing  # type: ignore[name-defined]  # noqa: F821
        later: list[Pair] = dataclasses.field(default_factory=list)

    class Takes(Executor):
        @handler
        async def take(self, message: Outer, ctx: WorkflowContext) -> None:
            pass

    assert WorkflowBuilder(Takes("only")).build().declared_types == [Outer, Inner, Pair]


def test_BAR_4_what_a_sub_workflow_declares_is_declared_around_it() -> None:
    class Gives(Executor):
        @handler
        async def take(self, message: int, ctx: WorkflowContext[Any, Circle]) -> None:
            pass

    inner = WorkflowBuilder(Gives("gives"), types=[Pair]).build()
    outer = WorkflowBuilder(WorkflowExecutor(inner, id="host")).build()
    assert outer.declared_types == [Pair, Circle]


@pytest.mark.parametrize("wrong", [int, dict, "Plain", Plain(1), list[Plain], Shape])
def test_BAR_4_a_type_that_is_none_is_refused_when_building(wrong: Any) -> None:
    with pytest.raises(WorkflowError, match="types= takes dataclasses"):
        WorkflowBuilder(Node("only", gives(1)), types=[wrong])


# -- in whole runs -----------------------------------------------------------------------------------------------------


def gives(value: Any) -> Any:
    async def act(message: Any, ctx: Context) -> None:
        await ctx.state.set("k", value)
        await ctx.yield_output(value)
        await ctx.send_message(value, "next")

    return act


async def echo(message: Any, ctx: Context) -> None:
    await ctx.yield_output((message, await ctx.state.get("k")))


def workflow(value: Any, types: list[type]) -> Workflow:
    first, second = Node("only", gives(value)), Node("next", echo)
    return build(WorkflowBuilder(first, name="typed", types=types).add_edge(first, second))


async def test_BAR_4_state_messages_and_outputs_are_the_programs_own_objects_again() -> None:
    value = Strict(colour=Colour.BLUE, many=[Frozen(1, (Plain(2),))])
    storage = InMemoryCheckpointStorage()
    whole = await run(workflow(value, [Strict]), 0, checkpoints=storage)
    for one in await storage.list_checkpoints():
        again = await workflow(value, [Strict]).resume(storage, one.checkpoint_id)
        assert [type(output) for output in again.outputs] == [Strict, tuple]
        assert (again.state["k"].colour, type(again.state["k"].many[0])) == (Colour.BLUE, Frozen)
        assert again.digest == whole.digest


async def test_BAR_4_a_subclass_of_a_declared_type_is_found() -> None:
    storage = InMemoryCheckpointStorage()
    await run(workflow(Circle(1.5), [Circle]), 0, checkpoints=storage)

    class Takes(Executor):
        @handler
        async def take(self, message: Shape, ctx: WorkflowContext[Shape, Shape]) -> None:
            await ctx.yield_output(message)

    takes = WorkflowBuilder(Takes("only"), name="shapes").build()
    kept = InMemoryCheckpointStorage()
    await run(takes, Circle(2.5), checkpoints=kept)
    again = await takes.resume(kept, (await kept.list_checkpoints())[0].checkpoint_id)
    assert again.outputs == [Circle(2.5)]


@pytest.mark.parametrize(
    "value",
    [Plain(1), Colour.RED, Pair(1, 2), Model(the_name="x"), {"deep": [({"x": Frozen(1)},)]}],
)
async def test_BAR_4_a_type_that_is_not_declared_is_refused_where_it_would_be_written(value: Any) -> None:
    named = Frozen if isinstance(value, dict) else type(value)
    with pytest.raises(CheckpointError) as caught:
        await run(workflow(value, []), 0, checkpoints=InMemoryCheckpointStorage())
    said = str(caught.value)
    assert f"declares no type {f'{named.__module__}:{named.__qualname__}'!r}" in said
    assert f"types=[{named.__qualname__}]" in said
    assert "state key 'k'" in said
    result = await run(workflow(value, []), 0)
    assert result.outputs[0] == value, "without checkpoints nothing is asked"


async def test_BAR_4_a_type_that_is_not_declared_any_more_is_refused_when_read() -> None:
    storage = InMemoryCheckpointStorage()
    await run(workflow(Plain(1), [Plain]), 0, checkpoints=storage)
    again = workflow(Plain(1), [])
    ran.clear()
    with pytest.raises(CheckpointError) as caught:
        await again.resume(storage)
    assert "declares no type 'conformance.test_checkpoint_types:Plain'" in str(caught.value).replace("tests.", "")
    assert "types=[Plain]" in str(caught.value)
    assert not ran


async def test_BAR_4_a_module_is_not_imported_for_its_types() -> None:
    name = "stepscope_no_such_module"
    module = python_types.ModuleType(name)
    Ghost = dataclasses.make_dataclass("Ghost", [("n", int)], namespace={"__module__": name})
    Ghost.__module__ = name
    module.Ghost = Ghost  # type: ignore[attr-defined]
    sys.modules[name] = module
    storage = InMemoryCheckpointStorage()
    try:
        await run(workflow(Ghost(1), [Ghost]), 0, checkpoints=storage)
        with pytest.raises(CheckpointError, match="declares no type 'stepscope_no_such_module:Ghost'"):
            await workflow(1, []).resume(storage)
    finally:
        del sys.modules[name]
    with pytest.raises(CheckpointError, match="declares no type 'stepscope_no_such_module:Ghost'"):
        await workflow(1, []).resume(storage)
    assert name not in sys.modules


def changed(cls: Any) -> Types:
    """Types among which a class of that name is this one."""
    return Types("test", [cls])


def renamed(cls: Any, like: type) -> Any:
    cls.__module__, cls.__qualname__ = like.__module__, like.__qualname__
    return cls


def variants() -> dict[str, tuple[Any, Any, str]]:
    """What was stored, the class that now has its name, and what is to be said."""
    less = dataclasses.make_dataclass("Frozen", [("n", int)])
    more = dataclasses.make_dataclass("Frozen", [("n", int), ("parts", Any), ("new", int)])
    fewer = enum.Enum("Colour", {"BLUE": "blue"})  # type: ignore[misc]
    point = collections.namedtuple("Pair", ["left"])  # type: ignore[name-match]
    small = pydantic.create_model("Strict", colour=(Any, ...))
    large = pydantic.create_model("Strict", colour=(Any, ...), many=(Any, ...), new=(int, ...))
    return {
        "a field is gone": (Frozen(1), renamed(less, Frozen), "has no field 'parts'"),
        "a field is new": (Frozen(1), renamed(more, Frozen), "has a field 'new' that no value was stored of"),
        "a member is gone": (Colour.RED, renamed(fewer, Colour), "has no member 'RED'"),
        "a part is gone": (Pair(1, 2), renamed(point, Pair), "has not the fields left, right"),
        "a model's field is gone": (Strict(colour=Colour.RED), renamed(small, Strict), "has no field 'many'"),
        "a model's field is new": (
            Strict(colour=Colour.RED),
            renamed(large, Strict),
            "has a field 'new' that no value was stored of",
        ),
        "no dataclass": (Frozen(1), renamed(type("Frozen", (), {}), Frozen), "is no dataclass"),
        "no enum": (Colour.RED, renamed(type("Colour", (), {}), Colour), "is no enum"),
        "no model": (Strict(colour=Colour.RED), renamed(type("Strict", (), {}), Strict), "is no pydantic model"),
    }


@pytest.mark.parametrize("how", variants())
def test_BAR_4_a_type_that_changed_is_refused(how: str) -> None:
    value, cls, said = variants()[how]
    types = Types("test", [cls, *(one for one in DECLARED if one.__qualname__ != cls.__qualname__)])
    with pytest.raises(CheckpointError) as caught:
        types.restored(Value.of(value, "a test").data, "state key 'k'")
    assert f"{said}; it was changed since the checkpoint was written" in str(caught.value)
    assert str(caught.value).startswith("state key 'k': ")


def test_BAR_4_a_new_field_with_a_plain_default_has_it() -> None:
    data = renamed(dataclasses.make_dataclass("Pair", [("n", int), ("parts", Any), ("new", int, 3)]), Frozen)
    model = renamed(pydantic.create_model("Strict", colour=(Any, ...), many=(Any, ...), new=(int, 3)), Strict)
    types = Types("test", [data, model, Colour])
    assert made(Frozen(1), types).new == 3
    assert made(Strict(colour=Colour.RED), types).new == 3


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_BAR_4_data_that_no_value_is_stored_as_is_refused(data: bytes) -> None:
    with contextlib.suppress(CheckpointError):
        Types("test", DECLARED).restored(data, "a test")


@pytest.mark.parametrize(
    "tree",
    [{"$int": "x"}, {"$uuid": 3}, {"$data": "a:B"}, {"$data": 3, "fields": {}}, {"$enum": "a:B"}, {"$dict": [1]}, {"$no": 1},
     {"$data": "builtins:object", "fields": {}}, {"$data": "os:system", "fields": {}}, {"$decimal": "x"}],
)  # fmt: skip
def test_BAR_4_a_tag_that_makes_no_sense_is_refused(tree: Any) -> None:
    import msgspec

    with pytest.raises(CheckpointError):
        Types("test", DECLARED).restored(msgspec.msgpack.encode(tree), "a test")


def test_the_error_may_be_another() -> None:
    """What reads recordings says so in its own words."""
    types = Types("test", [], source="recording", error=WorkflowError)
    with pytest.raises(WorkflowError, match="cannot be read from a recording") as caught:
        types.restored(Value.of(Colour.RED, "a test").data, "an effect")
    assert not isinstance(caught.value, CheckpointError)


def test_BAR_5_an_event_loop_of_another_process_is_not_needed() -> None:
    """Each half in a loop of its own, as two processes would."""
    storage = InMemoryCheckpointStorage()
    asyncio.run(run(workflow(Plain(1), [Plain]), 0, checkpoints=storage))
    assert asyncio.run(workflow(Plain(1), [Plain]).resume(storage)).state["k"].n == 1
