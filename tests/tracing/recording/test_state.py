"""The state at every moment of a run is what a replay of its writes, one by one, gives."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Never

from hypothesis import given, settings

from stepscope import Executor, StateKey, WorkflowBuilder, WorkflowContext, executor
from stepscope.events import AnyEvent, Committed, Resumed, RunStarted, StateWritten, SuperstepFailed, SuperstepStarted
from stepscope.values import Value
from stepscope_tracing import Run
from support.random_streams import streams
from support.streams import Stream, live, reducer, snapshot
from support.workflows import watch

Seen = dict[str, Value]
Own = dict[str, dict[str, Value | None]]
Added = dict[str, dict[str, list[Value]]]


def replay(events: list[AnyEvent], scope: int) -> Iterator[tuple[int, Seen, Own, Added]]:
    """After each event: what everybody sees, and each executor's own pending writes and contributions."""
    state: Seen = {}
    own: Own = {}
    added: Added = {}

    def put(key: str, value: Value | None) -> None:
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value

    for event in events:
        if event.scope == scope:
            match event:
                case RunStarted():
                    state = {key.name: key.initial for key in event.graph.keys if key.initial is not None}
                case Resumed():
                    for change in event.changes:
                        put(change.key, change.new)
                case SuperstepStarted():
                    own, added = {}, {}
                case StateWritten(op="add", given=Value() as given):
                    mine = added.setdefault(event.executor, {})
                    mine[event.key] = [*mine.get(event.key, []), given]
                case StateWritten(access="live"):
                    put(event.key, event.new)
                case StateWritten():
                    own.setdefault(event.executor, {})[event.key] = event.new
                case Committed():
                    own, added = {}, {}
                    for change in event.changes:
                        put(change.key, change.new)
                case SuperstepFailed():
                    own, added = {}, {}
                    for change in event.reverted:
                        put(change.key, change.new)
        yield (
            event.seq, dict(state), {executor: dict(writes) for executor, writes in own.items()},
            {executor: dict(values) for executor, values in added.items()},
        )  # fmt: skip


@given(streams())
@settings(max_examples=40, deadline=None)
def test_state_at_every_event_is_the_replayed_one(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    for scope in sorted({event.scope for event in events}):
        executors = sorted({e.executor for e in events if isinstance(e, StateWritten) and e.scope == scope})
        for seq, state, own, added in replay(events, scope):
            cells = run.state_at(seq, scope=scope)
            assert {key: cell.value for key, cell in cells.items()} == state
            assert not any(cell.pending for cell in cells.values())
            for name in executors:
                mine = run.state_at(seq, executor=name, scope=scope)
                expected = {**state, **own.get(name, {})}
                assert {key: cell.value for key, cell in mine.items()} == {
                    k: v for k, v in expected.items() if v is not None
                }
                given = added.get(name, {})
                assert {k: cell.added for k, cell in mine.items() if cell.added} == given
                assert {k for k, cell in mine.items() if cell.pending} == given.keys() | {
                    k for k, v in own.get(name, {}).items() if v is not None
                }


@given(streams())
@settings(max_examples=30, deadline=None)
def test_a_cell_names_the_write_that_put_its_value_there(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    for event in events:
        for key, cell in run.state_at(event.seq).items():
            if cell.written:
                write = run.event(cell.written)
                assert isinstance(write, StateWritten)
                assert (write.key, write.executor, write.superstep) == (key, cell.executor, cell.superstep)
                if cell.access != "reducer":  # a reducer's value is everybody's
                    assert write.new == cell.value
            else:
                before = {k.name: k.initial for k in run.graph.keys}
                if isinstance(events[1], Resumed) and event.seq > 1:
                    before |= {change.key: change.new for change in events[1].changes}
                assert cell.value == before[key]


@given(streams())
@settings(max_examples=40, deadline=None)
def test_writes_are_the_recorded_ones(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    commits = {(e.scope, e.superstep): e.seq for e in events if isinstance(e, Committed)}
    for scope in sorted({event.scope for event in events}):
        written = [e for e in events if isinstance(e, StateWritten) and e.scope == scope]
        started = next(e for e in events if isinstance(e, RunStarted) and e.scope == scope)
        assert run.keys(scope) == sorted({k.name for k in started.graph.keys} | {e.key for e in written})
        for key in run.keys(scope):
            expected = [e for e in written if e.key == key]
            found = run.writes(key, scope=scope)
            assert [(w.seq, w.key, w.executor, w.inv, w.op, w.old, w.new, w.access) for w in found] == [
                (e.seq, e.key, e.executor, e.inv, e.op, e.old, e.new, e.access) for e in expected
            ]
            assert [w.applied_seq for w in found] == [
                e.seq if e.access == "live" else commits.get((scope, e.superstep), 0) for e in expected
            ]
            for seq in range(0, run.last + 2, 7):
                assert run.writes(key, scope=scope, before=seq) == [w for w in found if w.seq < seq]
                assert run.writes(key, scope=scope, before=seq, n=1) == [w for w in found if w.seq < seq][-1:]
                assert run.writes(key, scope=scope, after=seq, n=2) == [w for w in found if w.seq > seq][:2]


def test_what_each_event_changes() -> None:
    stream = Stream("a", keys=[live("n", 1), snapshot("s"), reducer("hits", 5)])
    (inv,) = stream.begin()
    stream.start(inv)
    stream.set(inv, "n", 2)
    stream.set(inv, "s", "x")
    stream.add(inv, "hits", 3)
    stream.end(inv)
    stream.commit()
    run = Run.of_events(stream.finish())

    def changes(seq: int) -> list[tuple[str, object, object, bool]]:
        return [(c.key, c.old and c.old.tree(), c.new and c.new.tree(), c.pending) for c in run.changes_at(seq)]

    writes = [run.writes(key)[0].seq for key in ("n", "s", "hits")]
    (commit,) = [event.seq for event in run.events(kinds=["committed"])]
    assert changes(1) == [("n", None, 1, False), ("hits", None, 5, False)]
    assert [changes(seq) for seq in writes] == [
        [("n", 1, 2, False)],
        [("s", None, "x", True)],
        [("hits", None, None, True)],
    ]
    assert changes(commit) == [("hits", 5, 8, False), ("s", None, "x", False)]
    assert changes(2) == []
    (write,), (merge, _) = run.changes_at(writes[2]), run.changes_at(commit)
    assert [(one.executor, one.value.tree()) for one in write.added] == [("a", 3)]
    assert merge.added == write.added


@given(streams(executors=4))
@settings(max_examples=40, deadline=None)
def test_what_a_barrier_merged_gives_what_it_committed(events: list[AnyEvent]) -> None:
    """Contributions are merged by rank, and in the order given of each executor (STA-2)."""
    run = Run.of_events(events)
    ranks = [lane.executor for lane in run.lanes()]
    for event in run.events(kinds=["committed"]):
        for change in run.changes_at(event.seq):
            order = [ranks.index(one.executor) for one in change.added]
            assert order == sorted(order)
            assert bool(order) == (change.access == "reducer")
            if change.access == "reducer":
                assert change.old is not None
                assert change.new is not None
                assert change.old.tree() + sum(one.value.tree() for one in change.added) == change.new.tree()
                assert list(dict.fromkeys(one.executor for one in change.added)) == change.writers


async def test_a_barrier_says_in_which_order_the_runtime_merged() -> None:
    """The reducer joins texts, so that any other order gives another one."""

    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[str]) -> None:
        await ctx.send_message(text)

    def adder(name: str) -> Executor:
        @executor(id=name)
        async def add(text: str, ctx: WorkflowContext[Never]) -> None:
            await ctx.state.add("log", f"{name}1")
            await ctx.sleep(0)
            await ctx.state.add("log", f"{name}2")

        return add

    adders = [adder(name) for name in ("zoe", "amy", "max")]
    key = StateKey("log", initial="", reducer=operator.add)
    workflow = WorkflowBuilder(start, state=[key]).add_fan_out_edges(start, adders).build()
    events = (await watch(workflow, "go", mode="deterministic", seed=3)).events
    run = Run.of_events(events)
    changes = [change for event in run.events(kinds=["committed"]) for change in run.changes_at(event.seq)]
    (change,) = changes
    assert change.new is not None
    assert change.new.tree() == "zoe1zoe2amy1amy2max1max2" == "".join(one.value.tree() for one in change.added)
    assert [e.executor for e in events if isinstance(e, StateWritten)] != [one.executor for one in change.added]


def test_a_failed_superstep_takes_live_writes_back() -> None:
    stream = Stream("a", keys=[live("n", 1)])
    (inv,) = stream.begin()
    stream.start(inv)
    stream.set(inv, "n", 2)
    stream.fail()
    run = Run.of_events(stream.events)
    (failed,) = run.events(kinds=["superstep-failed"])
    assert run.state_at(failed.seq - 1)["n"].value.tree() == 2
    cell = run.state_at(failed.seq)["n"]
    assert (cell.value.tree(), cell.written, cell.executor) == (1, 0, "")
    assert [(c.key, c.new and c.new.tree()) for c in run.changes_at(failed.seq)] == [("n", 1)]
    assert run.writes("n")[0].applied_seq == run.writes("n")[0].seq
