"""Shared state: what each access allows, snapshot and reducer keys (STA-1, STA-2)."""

from __future__ import annotations

import operator
from typing import Any

import pytest

from stepscope import (
    StateKey,
    StateUsageError,
    SuperstepError,
    WorkflowBuilder,
    WorkflowError,
    last,
)
from stepscope.events import Committed, StateRead, StateWritten
from support.workflows import (
    CONCURRENT,
    Act,
    Context,
    Jitter,
    Log,
    Node,
    Options,
    ThreadNode,
    Turns,
    alone,
    in_every_mode,
    run,
    sending,
    siblings,
    watch,
)

ABSENT = "nothing there"


# -- what is allowed on which key --------------------------------------------------------------------------------------

KEYS = [
    StateKey("snapshot", initial=1),
    StateKey("reducer", initial=1, reducer=operator.add),
    StateKey("live", initial=1, access="live"),
]
VERBS = ["get", "set", "delete", "update", "add", "hold"]
ALLOWED = {
    "snapshot": {"get", "set", "delete", "update"},
    "undeclared": {"get", "set", "delete", "update"},
    "live": {"get", "set", "delete", "update", "hold"},
    "reducer": {"get", "add"},
}
REMEDIES = {"add": "reducer", "hold": "live", "set": "add", "delete": "add", "update": "add"}


async def use(ctx: Context, verb: str, key: str) -> Any:
    """One operation of this kind."""
    state = ctx.state
    match verb:
        case "get":
            return await state.get(key)
        case "set":
            return await state.set(key, 5)
        case "delete":
            return await state.delete(key)
        case "update":
            return await state.update(key, lambda old: 5)
        case "add":
            return await state.add(key, 5)
        case _:
            async with state.hold(key):
                return None


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("key", ALLOWED)
async def test_sta_what_an_access_does_not_allow_names_the_remedy(key: str, verb: str) -> None:
    refused: list[str] = []

    async def act(_: Any, ctx: Context) -> None:
        try:
            await use(ctx, verb, key)
        except StateUsageError as error:
            refused.append(str(error))

    seen = await watch(alone(act, state=KEYS), **CONCURRENT)
    assert seen.error is None
    if verb in ALLOWED[key]:
        assert refused == []
    else:
        (message,) = refused
        assert repr(key) in message
        assert "'only'" in message
        assert seen.of(StateWritten) == []
        if key != "reducer" or verb != "hold":
            assert REMEDIES[verb] in message


@in_every_mode
async def test_sta_an_absent_key_and_its_default(options: Options) -> None:
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        log(await ctx.state.get("nowhere"))
        log(await ctx.state.get("nowhere", ABSENT))
        await ctx.state.set("nowhere", None)  # None is a value
        log(await ctx.state.get("nowhere", ABSENT))

    result = await run(alone(act), **options)
    assert log.lines == [None, ABSENT, None]
    assert result.state == {"nowhere": None}


@in_every_mode
@pytest.mark.parametrize("access", ["snapshot", "live"])
async def test_sta_delete_makes_a_key_absent_and_not_initial_again(options: Options, access: Any) -> None:
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        log(await ctx.state.get("key", ABSENT))
        await ctx.state.delete("key")
        log(await ctx.state.get("key", ABSENT))
        await ctx.send_message(0)

    async def later(_: Any, ctx: Context) -> None:
        log(await ctx.state.get("key", ABSENT))

    a, b = Node("a", act), Node("b", later)
    builder = WorkflowBuilder(a, state=[StateKey("key", initial=7, access=access)]).add_edge(a, b)
    result = await run(builder.build(), **options)
    assert log.lines == [7, ABSENT, ABSENT]
    assert result.state == {}


async def test_sta_a_second_run_begins_from_the_initial_values() -> None:
    async def act(_: Any, ctx: Context) -> None:
        items = await ctx.state.get("key")
        await ctx.state.set("key", [*items, len(items)])

    workflow = alone(act, state=[StateKey("key", initial=[])])
    for _ in range(2):
        assert (await run(workflow)).state == {"key": [0]}


@pytest.mark.parametrize(
    ("access", "reducer"), [("live", operator.add), ("snapshot", operator.add), ("reducer", None), ("locked", None)]
)
def test_sta_a_key_with_an_access_that_does_not_fit_is_refused(access: Any, reducer: Any) -> None:
    with pytest.raises(WorkflowError, match="'key'"):
        StateKey("key", access=access, reducer=reducer)


# -- STA-1: snapshot ---------------------------------------------------------------------------------------------------


async def test_sta_1_others_writes_of_this_superstep_are_invisible() -> None:
    """The reader reads after the write, in real time, and sees the last barrier's value; one superstep later the new."""
    log, turns = Log(), Turns("writer", "reader")

    async def write(message: int, ctx: Context) -> None:
        async with turns("writer"):
            await ctx.state.set("key", "new")
            await ctx.send_message(0)

    async def read(message: int, ctx: Context) -> None:
        async with turns("reader"):
            log(await ctx.state.get("key"))

    async def later(message: int, ctx: Context) -> None:
        log(await ctx.state.get("key"))

    workflow = siblings({"a": write, "b": read}, then=later, state=[StateKey("key", initial="old")])
    seen = await watch(workflow, 0, **CONCURRENT)
    kinds = [type(one) for one in seen.events if isinstance(one, (StateRead, StateWritten))]
    assert kinds == [StateWritten, StateRead, StateRead]
    assert log.lines == ["old", "new"]


@in_every_mode
async def test_sta_1_own_writes_are_visible_to_all_invocations_of_the_executor(options: Options) -> None:
    log = Log()

    async def act(number: int, ctx: Context) -> None:
        log(await ctx.state.get("key", 0))
        await ctx.state.set("key", number)
        log(await ctx.state.get("key"))
        await ctx.state.update("key", lambda old: old * 10)
        log(await ctx.state.get("key"))

    a, b = Node("a", sending(1, 2)), Node("b", act)
    result = await run(WorkflowBuilder(a).add_edge(a, b).build(), **options)
    assert log.lines == [0, 1, 10, 10, 2, 20]
    assert result.state == {"key": 20}


@in_every_mode
async def test_sta_1_an_own_deletion_is_visible_only_to_oneself(options: Options) -> None:
    log, jitter = Log(), Jitter(0)

    async def delete(_: int, ctx: Context) -> None:
        await ctx.state.delete("key")
        log(("a", await ctx.state.get("key", ABSENT)))

    async def read(_: int, ctx: Context) -> None:
        await jitter()
        log(("b", await ctx.state.get("key", ABSENT)))

    result = await run(siblings({"a": delete, "b": read}, state=[StateKey("key", initial=1)]), 0, **options)
    assert sorted(log.lines) == [("a", ABSENT), ("b", 1)]
    assert result.state == {}


@in_every_mode
async def test_sta_1_the_barrier_commits_what_was_written_last(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.set("key", 1)
        await ctx.state.set("key", 2)
        await ctx.state.set("other", 1)
        await ctx.state.delete("other")

    seen = await watch(alone(act, state=[StateKey("other", initial=0)]), **options)
    assert seen.result.state == {"key": 2}
    (committed,) = seen.of(Committed)
    assert [(one.key, one.new and one.new.tree(), one.writers) for one in committed.changes] == [
        ("key", 2, ["only"]),
        ("other", None, ["only"]),
    ]


# -- STA-2: reducers ---------------------------------------------------------------------------------------------------


@in_every_mode
async def test_sta_2_no_contribution_is_lost(options: Options) -> None:
    jitter = Jitter(5)

    async def act(_: Any, ctx: Context) -> None:
        for _ in range(10):
            await jitter()
            await ctx.state.add("sum", 1)

    def act_in_thread(_: Any, ctx: Context) -> None:
        for _ in range(10):
            ctx.state.add("sum", 1)

    acts: dict[str, Any] = dict.fromkeys("abcd", act) | {name: ThreadNode(name, act_in_thread) for name in "ef"}
    result = await run(siblings(acts, state=[StateKey("sum", initial=100, reducer=operator.add)]), 0, **options)
    assert result.state == {"sum": 160}


async def test_sta_2_contributions_merge_in_canonical_order() -> None:
    """By rank, then by number, though the last rank contributes first and two interleave."""
    turns = Turns("c1", "a1", "b1", "a2", "c2")

    def adding(name: str, *numbers: str) -> Act:
        async def act(_: Any, ctx: Context) -> None:
            for number in numbers:
                async with turns(name + number):
                    await ctx.state.add("log", [name + number])

        return act

    acts = {"a": adding("a", "1", "2"), "b": adding("b", "1"), "c": adding("c", "1", "2")}
    seen = await watch(siblings(acts, state=[StateKey("log", initial=["0"], reducer=operator.add)]), 0, **CONCURRENT)
    assert seen.result.state == {"log": ["0", "a1", "a2", "b1", "c1", "c2"]}


@in_every_mode
async def test_sta_2_get_shows_the_commit_and_ones_own_contributions(options: Options) -> None:
    log, jitter = Log(), Jitter(6)

    async def act(_: Any, ctx: Context) -> None:
        mine = [ctx.executor_id]
        log(await ctx.state.get("log"))
        for count in (1, 2, 3):
            await jitter()
            await ctx.state.add("log", mine)
            log((await ctx.state.get("log")) == ["0"] + mine * count)

    await run(
        siblings({"a": act, "b": act}, state=[StateKey("log", initial=["0"], reducer=operator.add)]), 0, **options
    )
    assert log.lines.count(["0"]) == 2
    assert log.lines.count(True) == 6


@in_every_mode
async def test_sta_2_without_initial_the_first_contribution_is_the_first_value(options: Options) -> None:
    log = Log()

    async def act(number: Any, ctx: Context) -> None:
        log(await ctx.state.get("max", ABSENT))
        await ctx.state.add("max", 3)
        log(await ctx.state.get("max", ABSENT))
        await ctx.state.add("max", 2)
        log(await ctx.state.get("max", ABSENT))

    assert (await run(alone(act, state=[StateKey("max", reducer=max)]), **options)).state == {"max": 3}
    assert log.lines == [ABSENT, 3, 3]


@in_every_mode
async def test_sta_2_last_takes_the_canonically_last(options: Options) -> None:
    jitter = Jitter(7)

    async def act(_: Any, ctx: Context) -> None:
        for number in range(3):
            await jitter()
            await ctx.state.add("key", (ctx.executor_id, number))

    workflow = siblings({"b": act, "c": act, "a": act}, state=[StateKey("key", initial=0, reducer=last)])
    assert (await run(workflow, 0, **options)).state == {"key": ("a", 2)}


@in_every_mode
async def test_sta_2_a_reducer_that_raises_names_the_key_and_fails_the_superstep(options: Options) -> None:
    seen = await watch(
        alone(lambda _, ctx: ctx.state.add("key", "text"), state=[StateKey("key", initial=1, reducer=operator.add)]),
        **options,
    )
    assert isinstance(seen.error, SuperstepError)
    (inner,) = seen.error.exceptions
    assert isinstance(inner, TypeError)
    assert "'key'" in inner.__notes__[0]
    assert "'only'" in inner.__notes__[0]
