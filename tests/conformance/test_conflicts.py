"""Two writers of one key: a conflict on a snapshot key, a lost update on a live one (STA-3, STA-9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stepscope import StateConflictError, StateKey, SuperstepError, WorkflowBuilder
from stepscope.events import Committed
from support.workflows import (
    CONCURRENT,
    Act,
    Context,
    Jitter,
    Log,
    Node,
    Options,
    Turns,
    in_every_mode,
    run,
    sending,
    siblings,
    swallow,
    watch,
)

# -- STA-3: conflicts --------------------------------------------------------------------------------------------------


async def _set(_: Any, ctx: Context) -> None:
    await ctx.state.set("key", ctx.executor_id)


async def _update(_: Any, ctx: Context) -> None:
    await ctx.state.update("key", lambda old: f"{old}+{ctx.executor_id}")


async def _delete(_: Any, ctx: Context) -> None:
    await ctx.state.delete("key")


WRITES: dict[str, tuple[Act, Callable[[str], str | None]]] = {
    "set": (_set, lambda name: name),
    "update": (_update, lambda name: f"old+{name}"),
    "delete": (_delete, lambda _: None),
}


@in_every_mode
@pytest.mark.parametrize("one", WRITES)
@pytest.mark.parametrize("other", WRITES)
async def test_sta_3_two_writers_conflict_whatever_they_write(options: Options, one: str, other: str) -> None:
    kinds = {"a": one, "b": other}
    log = Log()

    async def act(_: Any, ctx: Context) -> None:
        await WRITES[kinds[ctx.executor_id]][0](None, ctx)
        await ctx.send_message(0)

    async def later(_: Any, ctx: Context) -> None:
        log("the superstep was committed")

    seen = await watch(siblings({"a": act, "b": act}, then=later, state=[StateKey("key", initial="old")]), 0, **options)
    error = seen.error
    assert isinstance(error, StateConflictError)
    assert isinstance(error, SuperstepError)
    assert (error.key, error.executors) == ("key", ("a", "b"))
    assert error.values == tuple(WRITES[kind][1](name) for name, kind in kinds.items())
    for part in ("'key'", "'a'", "'b'", *(str(value) for value in error.values if value is not None)):
        assert part in str(error)
    assert log.lines == []
    assert len(seen.of(Committed)) == 1


@in_every_mode
async def test_sta_3_equal_values_conflict_too(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.set("key", "same")

    with pytest.raises(StateConflictError):
        await run(siblings({"a": act, "b": act}), 0, **options)


@in_every_mode
async def test_sta_3_every_writer_is_named_in_rank_order(options: Options) -> None:
    jitter = Jitter(8)

    async def act(_: Any, ctx: Context) -> None:
        await jitter()
        await ctx.state.set("key", ctx.executor_id)

    with pytest.raises(StateConflictError) as caught:
        await run(siblings({"c": act, "a": act, "b": act, "reader": swallow}), 0, **options)
    assert caught.value.executors == caught.value.values == ("c", "a", "b")


@in_every_mode
async def test_sta_3_one_executor_may_write_often_and_different_keys_do_not_conflict(options: Options) -> None:
    async def act(number: int, ctx: Context) -> None:
        await ctx.state.set(f"of {ctx.executor_id}", number)

    result = await run(siblings({"a": act, "b": act}, first=sending(1, 2)), 0, **options)
    assert result.state == {"of a": 2, "of b": 2}


@in_every_mode
async def test_sta_3_writers_in_different_supersteps_do_not_conflict(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.update("key", lambda old: [*(old or []), ctx.executor_id])
        await ctx.send_message(0)

    nodes = [Node(name, act) for name in "abc"]
    workflow = WorkflowBuilder(nodes[0]).add_chain([*nodes, Node("end", swallow)]).build()
    assert (await run(workflow, **options)).state == {"key": ["a", "b", "c"]}


@in_every_mode
async def test_sta_3_the_conflict_is_a_finding(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.set("key", 1)

    workflow = siblings({"a": act, "b": act})
    found = []
    with pytest.raises(StateConflictError):
        async for event in workflow.stream(0, **options):
            if event.type == "finding":
                found.append(event.data)
    (finding,) = found
    assert (finding.kind, finding.clause, finding.keys, finding.executors) == (
        "write-conflict",
        "STA-3",
        ["key"],
        ["a", "b"],
    )


# -- STA-9: read, then write -------------------------------------------------------------------------------------------


async def test_sta_9_a_read_and_a_write_of_a_live_key_lose_an_update_and_that_is_legal() -> None:
    turns = Turns("a reads", "b reads", "b writes", "a writes")

    async def act(_: Any, ctx: Context) -> None:
        async with turns(f"{ctx.executor_id} reads"):
            seen = await ctx.state.get("key")
        async with turns(f"{ctx.executor_id} writes"):
            await ctx.state.set("key", seen + 1)

    workflow = siblings({"a": act, "b": act}, state=[StateKey("key", initial=0, access="live")])
    assert (await run(workflow, 0, **CONCURRENT)).state == {"key": 1}


@in_every_mode
async def test_sta_9_in_snapshot_mode_it_conflicts_instead(options: Options) -> None:
    async def act(_: Any, ctx: Context) -> None:
        await ctx.state.set("key", await ctx.state.get("key") + 1)

    with pytest.raises(StateConflictError):
        await run(siblings({"a": act, "b": act}, state=[StateKey("key", initial=0)]), 0, **options)


@in_every_mode
async def test_sta_9_write_skew_stays_possible_in_snapshot_mode(options: Options) -> None:
    """Each reads both keys and writes the other's: no conflict, and the rule that one of them stays 1 is broken."""

    async def act(_: Any, ctx: Context) -> None:
        if await ctx.state.get("x") + await ctx.state.get("y") == 2:
            await ctx.state.set("x" if ctx.executor_id == "a" else "y", 0)

    state = [StateKey("x", initial=1), StateKey("y", initial=1)]
    assert (await run(siblings({"a": act, "b": act}, state=state), 0, **options)).state == {"x": 0, "y": 0}
