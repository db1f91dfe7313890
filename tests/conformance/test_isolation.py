"""Values are isolated: changing an object read from, or given to, state changes nothing until it is written (STA-8)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, cast

import pydantic
import pytest

from stepscope import StateKey, SuperstepError, UnstorableValueError
from stepscope.events import StateWritten
from support.workflows import Context, Log, Options, alone, in_every_mode, run, siblings, watch


@dataclasses.dataclass
class Point:
    items: list[int]
    name: str = "p"


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    items: list[int]


@dataclasses.dataclass
class Nested:
    inner: Point
    by_name: dict[str, list[int]]


class Model(pydantic.BaseModel):
    items: list[int]
    inner: Point | None = None


class Open(pydantic.BaseModel, extra="allow"):
    pass


class Row(NamedTuple):
    items: list[int]
    name: str


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


Spoil = Callable[[Any], object]

MUTABLE: dict[str, tuple[Callable[[], Any], Spoil]] = {
    "list": (lambda: [1, 2], lambda v: v.append(3)),
    "list in list": (lambda: [[1], [2]], lambda v: v[0].append(3)),
    "dict": (lambda: {"a": 1}, lambda v: v.update(b=2)),
    "dict in dict": (lambda: {"a": {"b": 1}}, lambda v: v["a"].clear()),
    "dict with other keys": (lambda: {1: [1], ("x", 2): [2], "$a": [3]}, lambda v: v[("x", 2)].append(3)),
    "set": (lambda: {1, 2}, lambda v: v.add(3)),
    "tuple of lists": (lambda: ([1], [2]), lambda v: v[1].append(3)),
    "dataclass": (lambda: Point([1]), lambda v: setattr(v, "name", "q")),
    "dataclass's list": (lambda: Point([1]), lambda v: v.items.append(2)),
    "frozen dataclass": (lambda: Frozen([1]), lambda v: v.items.append(2)),
    "nested dataclass": (lambda: Nested(Point([1]), {"k": [1]}), lambda v: v.by_name["k"].append(v.inner.items.pop())),
    "pydantic model": (lambda: Model(items=[1]), lambda v: v.items.append(2)),
    "pydantic model's dataclass": (lambda: Model(items=[], inner=Point([1])), lambda v: v.inner.items.append(2)),
    "pydantic extra": (lambda: Open.model_validate({"more": [1]}), lambda v: v.more.append(2)),
    "named tuple": (lambda: Row([1], "r"), lambda v: v.items.append(2)),
    "list of dicts of sets": (lambda: [{"s": {1}}], lambda v: v[0]["s"].add(2)),
}
IMMUTABLE: dict[str, Any] = {
    "None": None, "bool": True, "int": 7, "huge int": 1 << 80, "negative huge int": -(1 << 70), "float": 1.5,
    "str": "text", "surrogate": "\udce9", "unicode": "né☃", "bytes": b"\x00\xff", "empty tuple": (),
    "frozenset": frozenset({1, ("a", 2)}), "enum": Colour.RED, "int enum": Level.HIGH,
    "datetime": dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC), "naive": dt.datetime(2026, 1, 2), "date": dt.date(2026, 1, 2),
    "time": dt.time(1, 2), "timedelta": dt.timedelta(days=-1, microseconds=1), "uuid": uuid.UUID(int=5),
    "decimal": Decimal("1.10"),
}  # fmt: skip
KEYS = [StateKey("live", access="live"), StateKey("reducer", reducer=lambda _, new: new)]

every_mutable = pytest.mark.parametrize("kind", MUTABLE)
every_key = pytest.mark.parametrize("key", ["snapshot", "live", "reducer"])


async def put(ctx: Context, key: str, value: Any) -> None:
    """Write the key in the way its access allows."""
    await (ctx.state.add(key, value) if key == "reducer" else ctx.state.set(key, value))


@every_mutable
@every_key
async def test_sta_8_changing_what_was_given_to_state(kind: str, key: str) -> None:
    make, spoil = MUTABLE[kind]
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        value = make()
        await put(ctx, key, value)
        spoil(value)
        assert value != make()
        log(await ctx.state.get(key))

    result = await run(alone(act, state=KEYS))
    assert log.lines == [make()]
    assert result.state[key] == make()
    assert type(result.state[key]) is type(make())


@every_mutable
@every_key
async def test_sta_8_changing_what_was_read_from_state(kind: str, key: str) -> None:
    """Before the write's barrier and, by others, after it."""
    make, spoil = MUTABLE[kind]
    log = Log()

    async def write(_: Any, ctx: Context) -> None:
        await put(ctx, key, make())
        spoil(await ctx.state.get(key))
        log(await ctx.state.get(key))
        await ctx.send_message(0)

    async def read(_: Any, ctx: Context) -> None:
        value = await ctx.state.get(key)
        spoil(value)
        assert value != make()
        log(await ctx.state.get(key))

    result = await run(siblings({"a": write}, then=read, state=KEYS), 0)
    assert log.lines == [make(), make()]
    assert result.state[key] == make()


@every_mutable
@pytest.mark.parametrize("key", ["snapshot", "live"])
async def test_sta_8_the_function_of_an_update_gets_and_gives_copies(kind: str, key: str) -> None:
    make, spoil = MUTABLE[kind]
    kept: list[Any] = []
    log = Log()

    def keep(old: Any) -> Any:
        kept.append(old)
        new = make()
        kept.append(new)
        return new

    def spoil_and_raise(old: Any) -> Any:
        spoil(old)
        raise ValueError

    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.set(key, make())
        with pytest.raises(ValueError):
            await ctx.state.update(key, spoil_and_raise)
        log(await ctx.state.get(key))
        kept.append(await ctx.state.update(key, keep))
        for value in kept:
            spoil(value)
        log(await ctx.state.get(key))

    assert (await run(alone(act, state=KEYS))).state == {key: make()}
    assert len(kept) == 3
    assert log.lines == [make(), make()]


@every_mutable
async def test_sta_8_initial_values_are_copied(kind: str) -> None:
    """What the handlers do to them stays in their run."""
    make, spoil = MUTABLE[kind]
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        value = await ctx.state.get("key")
        log(value == make())
        spoil(value)

    workflow = alone(act, state=[StateKey("key", initial=make())])
    results = [await run(workflow) for _ in range(2)]
    assert log.lines == [True, True]
    assert [result.state["key"] for result in results] == [make()] * 2
    assert results[0].digest == results[1].digest


@every_key
async def test_sta_8_an_initial_value_changed_after_building(key: str) -> None:
    """The program's own object is not the workflow's: the graph already says what the key begins with."""
    initial = [1]
    key_of: dict[str, dict[str, Any]] = {
        "snapshot": {},
        "live": {"access": "live"},
        "reducer": {"reducer": lambda old, new: old + new},
    }
    workflow = alone(lambda _, ctx: ctx.state.get("key"), state=[StateKey("key", initial=initial, **key_of[key])])
    initial.append(2)
    result = await run(workflow)
    assert result.state == {"key": [1]}
    (declared,) = workflow.graph.keys
    assert declared.initial is not None
    assert declared.initial.tree() == [1]


async def test_sta_8_a_reducer_that_works_in_place() -> None:
    """It may change the object it is given; what was committed and what others contributed stays as it was."""

    def extend(merged: list[int], more: list[int]) -> list[int]:
        merged.extend(more)
        more.clear()
        return merged

    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.add("key", [1])
        log(await ctx.state.get("key"))
        await ctx.state.add("key", [2])
        log(await ctx.state.get("key"))
        log(await ctx.state.get("key"))

    initial = [0]
    result = await run(siblings({"a": act, "b": act}, state=[StateKey("key", initial=initial, reducer=extend)]), 0)
    assert sorted(log.lines) == [[0, 1], [0, 1], [0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
    assert result.state == {"key": [0, 1, 2, 1, 2]}
    assert initial == [0]


@in_every_mode
@pytest.mark.parametrize("kind", IMMUTABLE)
async def test_sta_8_every_storable_value_comes_back_equal_and_of_its_type(options: Options, kind: str) -> None:
    value = IMMUTABLE[kind]
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.set("key", value)
        await ctx.send_message(value)

    async def take(message: Any, ctx: Context) -> None:
        log(message)
        log(await ctx.state.get("key"))
        await ctx.yield_output(message)

    result = await run(siblings({"a": act}, then=take), 0, **options)
    assert [*log.lines, *result.outputs, result.state["key"]] == [value] * 4
    assert {type(one) for one in log.lines} == {type(value)}


@in_every_mode
async def test_sta_8_outputs_and_results_are_copies(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        value = [1]
        await ctx.yield_output(value)
        await ctx.state.set("key", value)
        value.append(2)

    result = await run(alone(act), **options)
    result.outputs[0].append(3)
    assert result.state == {"key": [1]}


@every_key
@pytest.mark.parametrize(
    ("value", "path"),
    [(object(), ""), ([1, {"a": object()}], "[1].a"), (Point([1, cast(int, lambda: 0)]), ".items[1]"), ({"k": (x for x in "a")}, ".k")],
)  # fmt: skip
async def test_sta_8_what_is_not_data_is_refused_where_it_is_stored(key: str, value: Any, path: str) -> None:
    async def act(_: Any, ctx: Context) -> None:
        await put(ctx, key, value)

    seen = await watch(alone(act, state=KEYS))
    assert isinstance(seen.error, UnstorableValueError)
    assert isinstance(seen.error, SuperstepError)
    for part in ("'only'", repr(key), path):
        assert part in str(seen.error)
    assert seen.of(StateWritten) == []


async def test_sta_8_a_value_that_contains_itself_is_refused() -> None:
    async def act(_: Any, ctx: Context) -> None:
        value: list[Any] = []
        value.append(value)
        await ctx.state.set("key", value)

    seen = await watch(alone(act))
    assert isinstance(seen.error, UnstorableValueError)
    assert "contains itself" in str(seen.error)
