"""A recording of a resumed run is complete by itself: digest, state, counts, messages, spans, what the screen says."""

from __future__ import annotations

import asyncio
import json
import operator
import random
from pathlib import Path
from typing import Any

import pytest

from stepscope import (
    CheckpointError,
    CheckpointInfo,
    InMemoryCheckpointStorage,
    StateKey,
    Workflow,
    WorkflowBuilder,
    WorkflowResult,
)
from stepscope.digest import digest_of_events
from stepscope.events import Checkpointed, Delivered, Resumed
from stepscope_tracing import Recording, Run, open_recorder
from stepscope_tracing.spans import spans_of_events
from stepscope_tui.causes import cause
from stepscope_tui.cli import main
from stepscope_tui.describe import what
from stepscope_tui.drawing.buffers import Buffers
from stepscope_tui.looks import Looks
from stepscope_tui.panels.events import MessageRows
from support.random_streams import random_stream
from support.spans import Spans
from support.stream_rules import check_stream
from support.workflows import Context, Node, build, give, relay

Capture = pytest.CaptureFixture[str]


async def writes(n: int, ctx: Context) -> None:
    await ctx.state.set("plain", {"n": n})
    await ctx.state.delete("gone")
    await ctx.state.add("sum", n)
    async with ctx.state.hold("live"):
        await ctx.state.set("live", [n])
    await ctx.yield_output(f"{ctx.executor_id} {n}")
    await ctx.send_message(n + 1)


async def one_more(n: int, ctx: Context) -> None:
    await ctx.send_message(n)
    await ctx.send_message(-n, "pairs")


def workflow() -> Workflow:
    """Three supersteps; in the first two "quick" is ahead of "slow" in the fan-in."""
    start, quick, slow, pairs = Node("start", writes), Node("quick", relay), Node("slow", one_more), Node("pairs", give)
    between = Node("between", relay)
    keys = [
        StateKey("plain", {"n": 0}), StateKey("gone", "here"), StateKey("sum", 0, reducer=operator.add),
        StateKey("live", access="live"), StateKey("untouched", 1),
    ]  # fmt: skip
    builder = WorkflowBuilder(start, name="resumed", state=keys).add_fan_out_edges(start, [quick, between])
    return build(builder.add_edge(between, slow).add_fan_in_edges([quick, slow], pairs))


class Recorded:
    """A run, and the recording of another that was resumed from one of its barriers."""

    def __init__(self, folder: Path, superstep: int, **options: Any) -> None:
        self.path = folder / "resumed.stepscope"
        self.storage = InMemoryCheckpointStorage()
        self.whole: WorkflowResult = asyncio.run(
            workflow().run(7, checkpoints=self.storage, record=open_recorder(folder / "whole.stepscope"), **options)
        )
        kept: list[CheckpointInfo] = asyncio.run(self.storage.list_checkpoints())
        self.info = kept[superstep]
        self.again = asyncio.run(
            workflow().resume(self.storage, self.info.checkpoint_id, record=open_recorder(self.path))
        )
        self.recording = Recording.open(self.path)
        self.run: Run = self.recording.run()


@pytest.fixture
def recorded(tmp_path: Path, request: pytest.FixtureRequest) -> Recorded:
    return Recorded(tmp_path, getattr(request, "param", 2))


def keys_at(run: Run, seq: int) -> dict[str, Any]:
    return {key: cell.value.tree() for key, cell in run.state_at(seq).items()}


@pytest.mark.parametrize("recorded", [0, 1, 2, 3], indirect=True)
def test_the_digest_is_that_of_the_whole_run(recorded: Recorded) -> None:
    events = list(recorded.run.iter_events())
    check_stream(events)
    assert recorded.run.digest() == digest_of_events(events) == recorded.again.digest == recorded.whole.digest


@pytest.mark.parametrize("recorded", [0, 1, 2, 3], indirect=True)
def test_the_state_is_complete_from_the_second_event_on(recorded: Recorded) -> None:
    run = recorded.run
    (resumed,) = run.events(kinds=("resumed",))
    assert isinstance(resumed, Resumed)
    assert (resumed.seq, resumed.origin, resumed.superstep) == (2, recorded.whole.run_id, recorded.info.superstep)
    with Recording.open(recorded.path.with_name("whole.stepscope")) as other:
        before = other.run()
        ended = next((one.last for one in before.supersteps() if one.superstep == recorded.info.superstep), 1)
        assert keys_at(run, 2) == keys_at(before, ended)
        assert keys_at(run, run.last) == keys_at(before, before.last) == recorded.whole.state
    changed = {change.key: change.new for change in run.changes_at(2)}
    if recorded.info.superstep:
        assert sorted(changed) == ["gone", "live", "plain", "sum"]
        assert changed["gone"] is None
        assert run.state_at(2)["sum"].superstep == recorded.info.superstep
    else:
        assert changed == {}


def test_counts_are_of_what_was_recorded(recorded: Recorded, capsys: Capture) -> None:
    assert main(["info", "--json", str(recorded.path)]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["runs"]
    assert (shown["supersteps"], shown["barriers"], shown["checkpoints"], shown["digest"]) == (
        2, 2, 2, recorded.whole.digest,
    )  # fmt: skip
    assert (shown["status"], shown["complete"]) == ("completed", True)
    assert main(["info", "--json", str(recorded.path.with_name("whole.stepscope"))]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["runs"]
    assert (shown["supersteps"], shown["checkpoints"]) == (4, 5)


def test_messages_of_before_are_known_by_their_delivery(recorded: Recorded) -> None:
    run = recorded.run
    delivered = run.deliveries()[0]
    (number,) = delivered.messages
    message = run.message(number)
    assert (message.source, message.sent, message.superstep) == ("between", 0, 2)
    assert message.payload.tree() == 8
    (group,) = [one for one in run.deliveries() if len(one.messages) > 1]
    assert group.sources == ["quick", "slow"]
    assert [run.message(one).source for one in group.messages] == ["quick", "slow"]
    buffered = run.message(group.messages[0])
    assert (buffered.payload.tree(), buffered.sent, [arc.executor for arc in buffered.deliveries]) == (8, 0, ["pairs"])
    assert buffered.id in [one.id for one in run.messages(delivered.delivered, run.last)]
    rows = MessageRows(run, Looks())
    shown = [rows.row(index).plain.split()[:4] for index in range(rows.count)]
    assert [row[0] for row in shown] == [f"m{number}" for number in sorted({number, buffered.id})] + ["m4", "m5"]
    assert shown[0][1:4] == ["quick", "→", "pairs"]
    assert cause(run, delivered.delivered) == 2, "it goes back to where the run was resumed"


def test_what_waits_in_a_fan_in_is_counted(recorded: Recorded) -> None:
    buffers = Buffers(recorded.run)
    while not buffers.feed(recorded.run.last, 1.0):
        pass
    assert buffers.at(2) == {"pairs": 1}
    assert buffers.at(recorded.run.last) == {"pairs": 1}, "slow sent twice"


def test_outputs_are_those_of_its_own_supersteps(recorded: Recorded) -> None:
    assert [one.value.tree() for one in recorded.run.outputs()] == recorded.whole.outputs[1:]


def test_a_line_says_where_it_goes_on(recorded: Recorded) -> None:
    resumed, kept = recorded.run.event(2), recorded.run.events(kinds=("checkpointed",))[0]
    said = what(resumed, Looks())
    assert said.startswith(
        f"resumes from {recorded.info.checkpoint_id}, after superstep 2 of run {recorded.whole.run_id}"
    )
    assert "4 keys restored, 2 messages waiting" in said
    assert isinstance(kept, Checkpointed)
    assert what(kept, Looks()) == f"checkpoint {kept.checkpoint_id} ({kept.size:,} bytes)"


def test_spans_of_a_resumed_run(recorded: Recorded) -> None:
    events = list(recorded.run.iter_events())
    spans = Spans(list(spans_of_events(events)))
    assert spans.events() == events, "nothing is lost in spans"
    (root,) = spans.roots()
    assert [spans.path(one) for one in spans.named("resume")] == [[root.name, "resume"]]
    assert [spans.path(one)[1:] for one in spans.named("checkpoint")] == [
        ["superstep 3", "checkpoint"], ["superstep 4", "checkpoint"],
    ]  # fmt: skip
    for one in spans.named("checkpoint"):
        took = (one.attributes or {})["stepscope.took"]
        assert (one.end_time or 0) - (one.start_time or 0) == took
    process = next(one for one in spans.named("process slow"))
    assert spans.linked(process) == [], "the send it would link to is in another trace"


def test_the_checkpoint_of_barrier_0_lies_under_the_run(tmp_path: Path) -> None:
    whole = Recorded(tmp_path, 0)
    with Recording.open(whole.path.with_name("whole.stepscope")) as other:
        spans = Spans(list(spans_of_events(other.run().iter_events())))
    assert [spans.path(one)[1:] for one in spans.named("checkpoint")] == [
        ["checkpoint"], *([f"superstep {k}", "checkpoint"] for k in (1, 2, 3, 4)),
    ]  # fmt: skip


def test_a_checkpoint_that_failed_is_an_error_everywhere(tmp_path: Path, capsys: Capture) -> None:
    class Full(InMemoryCheckpointStorage):
        async def save(self, info: CheckpointInfo, body: bytes) -> None:
            if info.superstep == 2:
                raise OSError("no space left on device")
            await super().save(info, body)

    path = tmp_path / "full.stepscope"
    with pytest.raises(CheckpointError):
        asyncio.run(workflow().run(7, checkpoints=Full(), record=open_recorder(path)))
    with Recording.open(path) as recording:
        run = recording.run()
        assert run.info.status == "failed"
        (failed,) = [one for one in run.events(kinds=("checkpointed",)) if one.superstep == 2]
        assert what(failed, Looks()) == "checkpoint failed: OSError: no space left on device"
        assert (run.counts().checkpoints, run.counts().supersteps, run.counts().barriers) == (2, 2, 2)
        assert run.supersteps()[1].outcome == "open", "committed, never announced"
        assert [bucket.errors for bucket in run.overview(run.last)][failed.seq - 1] == 1
        spans = Spans(list(spans_of_events(run.iter_events())))
        assert [one.status.is_ok for one in spans.named("checkpoint")] == [True, True, False]
        assert spans.events() == list(run.iter_events())
    assert main(["check", "--json", str(path)]) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert (found["kind"], found["clause"]) == ("checkpoint-failed", "BAR-6")


def test_nothing_of_a_resumed_run_escapes_redaction(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, 2)
    path = tmp_path / "redacted.stepscope"
    rules = ["input", "message.*", "state.*", "output"]
    asyncio.run(
        workflow().resume(recorded.storage, recorded.info.checkpoint_id, record=open_recorder(path, redact=rules))
    )
    with Recording.open(path) as recording:
        resumed = recording.run().event(2)
        assert isinstance(resumed, Resumed)
        assert {change.new and str(change.new.tree()) for change in resumed.changes} == {"{'$redacted': True}", None}
        assert {str(one.payload.tree()) for one in resumed.waiting} == {"{'$redacted': True}"}


def test_random_streams_are_of_every_sort() -> None:
    """Properties of recordings, spans and the screen are tested on them."""
    kinds: set[str] = set()
    for seed in range(10):
        kinds |= {one.kind for one in random_stream(random.Random(seed), kept=True, resumed=seed % 2 == 1)}
        assert any(isinstance(one, Delivered) for one in random_stream(random.Random(seed), resumed=True))
    assert {"checkpointed", "resumed"} <= kinds
