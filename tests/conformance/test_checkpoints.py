"""BAR-4: what is in a checkpoint, when it is taken, and that one which does not fit is refused in one sentence."""

from __future__ import annotations

import asyncio
import operator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepscope import (
    CheckpointError,
    CheckpointInfo,
    Executor,
    InMemoryCheckpointStorage,
    StateKey,
    SuperstepError,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowError,
    WorkflowExecutor,
    handler,
    last,
)
from stepscope.events import Checkpointed, Committed, Delivered, HandlerStarted, SuperstepCompleted
from support.resuming import committed, resumed
from support.ruled import ruled
from support.watching import Watcher
from support.workflows import Context, Log, Node, Options, alone, build, give, in_every_mode, relay, run, siblings

pytestmark = pytest.mark.filterwarnings("ignore::stepscope.WorkflowWarning")


def chain(*nodes: Executor, **options: Any) -> Workflow:
    """One after another."""
    return build(WorkflowBuilder(nodes[0], name="chain", **options).add_chain(nodes))


def three() -> Workflow:
    return chain(Node("a", relay), Node("b", relay), Node("c", give))


async def kept_by(workflow: Workflow, message: Any = 7, **options: Any) -> InMemoryCheckpointStorage:
    """A storage with the checkpoints of one run."""
    storage = InMemoryCheckpointStorage()
    await run(workflow, message, checkpoints=storage, **options)
    return storage


@in_every_mode
async def test_BAR_1_a_checkpoint_comes_after_the_commit_and_before_the_announcement(options: Options) -> None:
    seen = await ruled(three(), 7, checkpoints=InMemoryCheckpointStorage(), **options)
    order = [(event.superstep, event.kind) for event in seen.events
             if isinstance(event, (Committed, Checkpointed, SuperstepCompleted))]  # fmt: skip
    expected = [(k, kind) for k in (1, 2, 3) for kind in ("committed", "checkpointed", "superstep-completed")]
    assert order == [(0, "checkpointed"), *expected]


async def test_BAR_1_the_stream_announces_a_superstep_when_its_checkpoint_is_kept() -> None:
    storage = InMemoryCheckpointStorage()
    counts = []
    async for event in three().stream(7, checkpoints=storage):
        if event.type == "superstep_completed":
            counts.append(len(await storage.list_checkpoints()) - 1 >= event.superstep)
        if event.type == "checkpointed":
            assert (await storage.load(event.data))[0].superstep == event.superstep
    assert counts == [True] * 3


async def test_BAR_4_every_barrier_has_one_the_inputs_included() -> None:
    storage = InMemoryCheckpointStorage()
    result = await run(three(), 7, checkpoints=storage)
    kept = await storage.list_checkpoints()
    assert [one.superstep for one in kept] == [0, 1, 2, 3]
    assert {(one.workflow, one.run_id) for one in kept} == {("chain", result.run_id)}
    assert len({one.checkpoint_id for one in kept}) == 4


async def test_BAR_4_never_inside_a_sub_workflow() -> None:
    inner = WorkflowExecutor(three(), id="inner")
    storage = InMemoryCheckpointStorage()
    seen = await ruled(chain(Node("first", relay), inner, Node("end", give)), 7, checkpoints=storage)
    assert seen.result.outputs == [7]
    assert [one.superstep for one in await storage.list_checkpoints()] == [0, 1, 2, 3]
    assert all(event.scope == 0 for event in seen.of(Checkpointed))


async def test_BAR_4_none_of_a_superstep_that_failed() -> None:
    async def fails(_: Any, ctx: Context) -> None:
        raise ValueError("no")

    storage = InMemoryCheckpointStorage()
    with pytest.raises(SuperstepError):
        await run(chain(Node("a", relay), Node("b", fails)), 7, checkpoints=storage)
    assert [one.superstep for one in await storage.list_checkpoints()] == [0, 1]


async def test_BAR_4_the_options_are_the_checkpoints() -> None:
    async def many(n: int, ctx: Context) -> None:
        await ctx.send_message(n)
        await ctx.send_message(n, "nobody")

    def workflow() -> Workflow:
        return siblings({"a": relay, "b": relay}, then=give, first=many)

    options: Options = {
        "max_concurrency": 1,
        "stall_timeout": 7.5,
        "on_stall": "fail",
        "on_checkpoint_error": "continue",
    }
    storage = await kept_by(workflow(), 1, mode="deterministic", seed=11, **options)
    watcher = Watcher()
    await workflow().resume(storage, record=watcher)
    started: Any = watcher.events[0]
    assert (started.mode, started.seed) == ("deterministic", 11)
    assert started.options.items() >= options.items()
    strict = InMemoryCheckpointStorage()
    with pytest.raises(SuperstepError):
        await run(workflow(), 1, checkpoints=strict, strict=True)
    with pytest.raises(SuperstepError, match="strict"):
        await workflow().resume(strict)


@pytest.mark.parametrize("seed", [0, -1, 1 << 70])
async def test_BAR_4_any_seed_is_kept(seed: int) -> None:
    storage = await kept_by(three(), mode="deterministic", seed=seed)
    watcher = Watcher()
    await three().resume(storage, record=watcher)
    started: Any = watcher.events[0]
    assert started.seed == seed


async def test_BAR_5_a_concurrent_run_keeps_the_seed_that_was_drawn() -> None:
    async def draws(n: int, ctx: Context) -> None:
        await ctx.yield_output([ctx.random(), str(ctx.uuid())])
        await ctx.send_message(n)

    def workflow() -> Workflow:
        return chain(Node("a", draws), Node("b", draws), Node("c", draws))

    storage = InMemoryCheckpointStorage()
    whole = await run(workflow(), 7, checkpoints=storage)
    for one in await storage.list_checkpoints():
        assert (await workflow().resume(storage, one.checkpoint_id)).outputs == whole.outputs


async def test_BAR_4_what_waits_in_a_fan_in() -> None:
    """Pairs of messages from different supersteps, each restored from its own barrier."""

    async def thrice(_: Any, ctx: Context) -> None:
        for number in range(3):
            await ctx.send_message(f"{ctx.executor_id}{number}")

    async def slowly(n: int, ctx: Context) -> None:
        await ctx.send_message(f"slow{n}", "end")
        if n < 2:
            await ctx.send_message(n + 1, "slow")

    def workflow() -> Workflow:
        start, quick, slow, end = Node("start", relay), Node("quick", thrice), Node("slow", slowly), Node("end", give)
        builder = WorkflowBuilder(start, name="pairs").add_fan_out_edges(start, [quick, slow])
        return build(builder.add_fan_in_edges([quick, slow], end).add_edge(slow, slow))

    storage = InMemoryCheckpointStorage()
    whole = await ruled(workflow(), 0, checkpoints=storage, mode="deterministic")
    assert whole.result.outputs == [["quick0", "slow0"], ["quick1", "slow1"], ["quick2", "slow2"]]
    for one in await storage.list_checkpoints():
        again, watcher = await resumed(workflow(), storage, one.checkpoint_id)
        assert committed(again) == committed(whole)
        delivered = [event.messages for event in watcher.of(Delivered) if event.executor == "end"]
        assert delivered == [event.messages for event in whole.of(Delivered, "end") if event.superstep > one.superstep]


async def test_BAR_4_a_starved_fan_in_is_reported_again_when_a_finished_run_is_resumed() -> None:
    async def silent(_: Any, ctx: Context) -> None:
        pass

    def workflow() -> Workflow:
        start, a, b, end = Node("start", relay), Node("a", relay), Node("b", silent), Node("end", give)
        return build(WorkflowBuilder(start).add_fan_out_edges(start, [a, b]).add_fan_in_edges([a, b], end))

    storage = InMemoryCheckpointStorage()
    whole = await run(workflow(), 7, checkpoints=storage)
    assert [one.kind for one in whole.findings] == ["starved-fan-in"]
    again = await workflow().resume(storage)
    assert [one.message for one in again.findings] == [one.message for one in whole.findings]


async def test_BAR_4_a_buffer_that_was_reported_as_growing_is_not_reported_again() -> None:
    async def floods(n: int, ctx: Context) -> None:
        for number in range(40):
            await ctx.send_message(number, "end")
        if n:
            await ctx.send_message(n - 1, "flood")

    async def once(_: Any, ctx: Context) -> None:
        pass

    def workflow() -> Workflow:
        start, flood, other, end = Node("start", relay), Node("flood", floods), Node("other", once), Node("end", give)
        builder = WorkflowBuilder(start).add_fan_out_edges(start, [flood, other]).add_edge(flood, flood)
        return build(builder.add_fan_in_edges([flood, other], end))

    storage = InMemoryCheckpointStorage()
    whole = await run(workflow(), 3, checkpoints=storage)
    growing = [one for one in whole.findings if one.clause == "ORD-4"]
    assert [one.superstep for one in growing] == [3, 5]
    after_the_first = (await storage.list_checkpoints())[3]
    again = await workflow().resume(storage, after_the_first.checkpoint_id)
    assert [one.superstep for one in again.findings if one.clause == "ORD-4"] == [5]


async def test_BAR_5_a_key_that_was_deleted_stays_absent() -> None:
    async def deletes(n: int, ctx: Context) -> None:
        await ctx.state.delete("plain")
        await ctx.state.delete("live")
        await ctx.state.set("undeclared", (n, {1, 2}))
        await ctx.send_message(n)

    async def looks(_: Any, ctx: Context) -> None:
        await ctx.yield_output([await ctx.state.get(key) for key in ("plain", "live", "undeclared")])

    def workflow() -> Workflow:
        keys = [StateKey("plain", 1), StateKey("live", 2, access="live")]
        return chain(Node("a", deletes), Node("b", looks), state=keys)

    storage = await kept_by(workflow())
    one = (await storage.list_checkpoints())[1]
    again = await workflow().resume(storage, one.checkpoint_id)
    assert again.outputs == [[None, None, (7, {1, 2})]]
    assert again.state == {"undeclared": (7, {1, 2})}


@in_every_mode
async def test_BAR_3_a_superstep_that_failed_is_repeated_with_the_same_keys(options: Options) -> None:
    done: list[tuple[str, str, float]] = []
    handled = Log()
    broken = True

    async def charges(n: int, ctx: Context) -> None:
        key, number = str(ctx.uuid()), ctx.random()
        await ctx.effect(done.append, (ctx.executor_id, key, number))
        await ctx.state.update("spent", lambda spent: (spent or 0) + n)
        if ctx.executor_id == "b" and broken:
            while len(done) < 3:  # the siblings' effects, in whatever order
                await ctx.sleep(0)
            raise ConnectionError("the answer got lost")
        await ctx.send_message(n)

    async def first(n: int, ctx: Context) -> None:
        handled(ctx.executor_id)
        await ctx.send_message(n)

    workflow = siblings(dict.fromkeys("abc", charges), state=[StateKey("spent", access="live")], then=give, first=first)
    storage = InMemoryCheckpointStorage()
    with pytest.raises(SuperstepError):
        await run(workflow, 5, checkpoints=storage, **options)
    broken, lost = False, sorted(done)
    done.clear()
    again, _ = await resumed(workflow, storage)
    assert again.result.outputs == [5, 5, 5]
    assert again.result.state == {"spent": 15}
    assert sorted(done) == lost
    assert len({key for _, key, _ in lost}) == 3
    assert handled.lines == ["start"], "what was committed is not done again"


async def test_BAR_5_a_finished_run_gives_its_result_again_and_runs_nothing() -> None:
    workflow = three()
    storage = InMemoryCheckpointStorage()
    whole = await run(workflow, 7, checkpoints=storage)
    again, watcher = await resumed(workflow, storage)
    assert committed(again)[:4] == (whole.outputs, whole.state, whole.supersteps, whole.digest)
    assert again.result.run_id != whole.run_id
    assert [event.kind for event in watcher.events] == ["run-started", "resumed", "run-ended"]
    assert len(await storage.list_checkpoints()) == 4


async def test_BAR_5_a_run_that_did_not_end_goes_on_with_a_higher_bound() -> None:
    async def countdown(n: int, ctx: Context) -> None:
        await ctx.state.add("log", [n])
        if n:
            await ctx.send_message(n - 1)

    def workflow(bound: int) -> Workflow:
        node, log = Node("only", countdown), StateKey("log", [], reducer=operator.add)
        return build(WorkflowBuilder(node, state=[log], max_supersteps=bound).add_edge(node, node))

    storage = InMemoryCheckpointStorage()
    with pytest.raises(WorkflowError, match="max_supersteps"):
        await run(workflow(3), 5, checkpoints=storage)
    result = await workflow(100).resume(storage)
    assert result.state == {"log": [5, 4, 3, 2, 1, 0]}
    assert result.supersteps == 6


async def test_BAR_5_a_cancelled_run_can_be_resumed() -> None:
    reached = asyncio.Event()
    block = True

    async def waits(n: int, ctx: Context) -> None:
        reached.set()
        if block:
            await asyncio.Event().wait()
        await ctx.yield_output(n)

    workflow = chain(Node("a", relay), Node("b", waits))
    storage = InMemoryCheckpointStorage()
    task = asyncio.create_task(run(workflow, 7, checkpoints=storage))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    block = False
    assert (await workflow.resume(storage)).outputs == [7]


async def test_BAR_4_the_latest_of_this_workflow_is_taken_and_any_other_by_id() -> None:
    storage = InMemoryCheckpointStorage()
    mine, other = three(), alone(give)
    await run(mine, 1, checkpoints=storage)
    await run(mine, 2, checkpoints=storage)
    await run(other, 3, checkpoints=storage)
    assert (await mine.resume(storage)).outputs == [2]
    first = (await storage.list_checkpoints())[0]
    assert (await mine.resume(storage, first.checkpoint_id)).outputs == [1]


# -- refused -----------------------------------------------------------------------------------------------------------


async def refusal(workflow: Workflow, storage: Any, checkpoint_id: str | None = None) -> str:
    """What resuming says."""
    watcher = Watcher()
    with pytest.raises(CheckpointError) as caught:
        await workflow.resume(storage, checkpoint_id, record=watcher)
    assert not watcher.events, "nothing was recorded of a run that did not begin"
    text = str(caught.value)
    assert "\n" not in text
    return text


async def test_BAR_4_nothing_to_resume_from() -> None:
    empty = InMemoryCheckpointStorage()
    assert await refusal(three(), empty) == (
        f"there is no checkpoint of workflow 'chain' in {empty!r}; run it with checkpoints= first."
    )
    assert "'nothing'" in await refusal(three(), empty, "nothing")
    storage = await kept_by(alone(give))
    assert f"workflow 'chain' in {storage!r}, which has some of 'workflow'; run" in await refusal(three(), storage)
    mine = (await storage.list_checkpoints())[0].checkpoint_id
    assert "of workflow 'workflow', not of 'chain'" in await refusal(three(), storage, mine)


@pytest.mark.parametrize("not_one", ["cp.db", 7, InMemoryCheckpointStorage, object()])
async def test_BAR_4_a_storage_that_is_none(not_one: Any) -> None:
    with pytest.raises(CheckpointError, match="SQLiteCheckpointStorage"):
        await run(three(), 7, checkpoints=not_one)
    assert "SQLiteCheckpointStorage" in await refusal(three(), not_one)


class Takes(Executor):
    """Two handlers, as in the workflow that a checkpoint was made by."""

    @handler
    async def number(self, message: int, ctx: WorkflowContext[int, int]) -> None:
        await ctx.send_message(message)

    @handler
    async def text(self, message: str, ctx: WorkflowContext[int, int]) -> None:
        pass


class TakesLess(Executor):
    @handler
    async def number(self, message: int, ctx: WorkflowContext[int, int]) -> None:
        await ctx.send_message(message)


class TakesOther(Executor):
    @handler
    async def number(self, message: float, ctx: WorkflowContext[int, int]) -> None:
        await ctx.send_message(message)  # type: ignore[arg-type]

    @handler
    async def text(self, message: str, ctx: WorkflowContext[int, int]) -> None:
        pass


TakesLess.__name__ = TakesOther.__name__ = "Takes"
KEYS = [StateKey("k", 0, reducer=max), StateKey("l", 0, access="live")]


def always(message: Any) -> bool:
    """A condition."""
    return True


def never(message: Any) -> bool:
    """Another."""
    return False


def fitting(
    *,
    first: str = "a",
    middle: type[Executor] = Takes,
    more: bool = False,
    condition: Any = always,
    keys: list[StateKey] = KEYS,
    turned: bool = False,
    fan_out: bool = False,
    bound: int = 100,
) -> Workflow:
    """A workflow that fits itself, and in one way does not."""
    a, b, c, d = Node(first, relay), middle("b"), Node("c", relay), Node("d", give)
    builder = WorkflowBuilder(a, name="fitting", state=keys, max_supersteps=bound)
    if turned:
        builder.add_edge(a, c).add_edge(a, b, condition)
    elif fan_out:
        builder.add_fan_out_edges(a, [b, c])
    else:
        builder.add_edge(a, b, condition).add_edge(a, c)
    if more:
        builder.add_edge(c, Node("new", give))
    return build(builder.add_edge(b, d))


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "an executor was added": ({"more": True}, "executor 'new' was added"),
    "an executor was renamed": ({"first": "z"}, "executor 'z' was added, executor 'a' was removed"),
    "a class": ({"middle": TakesLess}, "executor 'b' changed: its handler 'text' was removed"),
    "a message type": ({"middle": TakesOther}, "executor 'b' takes float in its handler 'number' and took int"),
    "a condition": ({"condition": never}, "the edge 'a' -> 'b' is decided by never and was by always"),
    "no condition": ({"condition": None}, "the edge 'a' -> 'b' is decided by nothing and was by always"),
    "an order": ({"turned": True}, "executors are mentioned in another order, from 'c' on"),
    "an edge": ({"fan_out": True}, "edge 'a' -> ['b', 'c'] (fan-out) was added, edges 'a' -> 'b', 'a' -> 'c' were removed"),
    "a key": ({"keys": KEYS[:1]}, "state key 'l' was removed"),
    "an access": ({"keys": [KEYS[0], StateKey("l", 0)]}, "state key 'l' has access 'snapshot' and had 'live'"),
    "a reducer": ({"keys": [StateKey("k", 0, reducer=min), KEYS[1]]}, "has the reducer min and had max"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
async def test_BAR_4_a_workflow_that_changed_is_refused_and_told_what_changed(change: str) -> None:
    how, what = CHANGES[change]
    storage = await kept_by(fitting())
    said = await refusal(fitting(**how), storage)
    assert what in said
    assert "resume it with the workflow it was made by" in said


async def test_BAR_4_what_may_change() -> None:
    """Code, initial values, the bound, the order of keys, where a lambda stands."""
    storage = await kept_by(fitting(condition=lambda message: message == 7))
    keys = [StateKey("l", 5, access="live"), StateKey("k", 3, reducer=max)]
    changed = fitting(condition=lambda message: message != 8, keys=keys, bound=50)
    assert (await changed.resume(storage)).outputs == [7]


async def test_BAR_4_many_changes_are_counted() -> None:
    storage = await kept_by(fitting())
    start = Node("other", relay)
    said = await refusal(build(WorkflowBuilder(start, name="fitting").add_edge(start, Node("b", give))), storage)
    assert "more such changes" in said


@pytest.mark.parametrize("at", [0, 0.02, 0.1, 0.3, 0.6, 0.9, 1])
async def test_BAR_4_a_checkpoint_with_one_byte_flipped_is_refused(at: float) -> None:
    """In its mark, version, digest and contents: without a search, so that a breakage is noticed at once."""
    storage = await kept_by(three(), mode="deterministic")
    info, body = await storage.load((await storage.list_checkpoints())[2].checkpoint_id)
    flipped = bytearray(body)
    flipped[round(at * (len(body) - 1))] ^= 1
    await storage.save(info, bytes(flipped))
    assert "is damaged" in await refusal(three(), storage, info.checkpoint_id)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_BAR_4_a_checkpoint_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    async def change() -> None:
        storage = await kept_by(three(), mode="deterministic")  # a drawn seed may have any length
        info, body = await storage.load((await storage.list_checkpoints())[2].checkpoint_id)
        at = data.draw(st.integers(0, len(body) - 1))
        changed = bytearray(body)
        changed[at] ^= data.draw(st.integers(1, 255))
        cut = data.draw(st.integers(0, len(body) - 1))
        for damaged in (bytes(changed), body[:cut], body + b"\0"):
            await storage.save(info, damaged)
            said = await refusal(three(), storage, info.checkpoint_id)
            assert "is damaged" in said
            assert info.checkpoint_id in said

    asyncio.run(change())


async def test_BAR_4_a_checkpoint_under_another_name_is_refused() -> None:
    storage = await kept_by(three())
    first, second = (await storage.list_checkpoints())[:2]
    await storage.save(second, (await storage.load(first.checkpoint_id))[1])
    assert "is damaged" in await refusal(three(), storage, second.checkpoint_id)
    older = CheckpointInfo("x", first.workflow, first.run_id, 0, 0)
    await storage.save(older, (await storage.load(first.checkpoint_id))[1])
    assert "is damaged" in await refusal(three(), storage, "x")


async def test_BAR_4_a_storage_that_breaks_is_told_as_a_checkpoint_error() -> None:
    class Breaks(InMemoryCheckpointStorage):
        async def load(self, checkpoint_id: str) -> Any:
            raise OSError("the disk is gone")

    storage = Breaks()
    await run(three(), 7, checkpoints=storage)
    said = await refusal(three(), storage)
    assert "OSError: the disk is gone" in said


async def test_BAR_4_two_runs_may_share_a_storage_at_the_same_time() -> None:
    storage = InMemoryCheckpointStorage()
    workflow = chain(Node("a", relay), Node("b", give), state=[StateKey("last", reducer=last)])
    results = await asyncio.gather(*(run(workflow, n, checkpoints=storage) for n in range(5)))
    for number, result in enumerate(results):
        kept = await storage.list_checkpoints(run_id=result.run_id)
        assert [one.superstep for one in kept] == [0, 1, 2]
        again = await workflow.resume(storage, kept[1].checkpoint_id)
        assert again.outputs == result.outputs == [number]


async def test_a_resumed_run_numbers_on() -> None:
    """Invocations and messages go on where the run stopped, sub-workflows' included: no number means two things."""
    inner = WorkflowExecutor(three(), id="inner")

    def workflow() -> Workflow:
        return chain(Node("first", relay), inner, Node("end", give))

    storage = InMemoryCheckpointStorage()
    whole = await ruled(workflow(), 7, checkpoints=storage)
    last_one = (await storage.list_checkpoints())[2]
    _, watcher = await resumed(workflow(), storage, last_one.checkpoint_id)
    expected = [event.inv for event in whole.of(HandlerStarted) if event.superstep == 3 and not event.scope]
    assert [event.inv for event in watcher.of(HandlerStarted)] == expected
