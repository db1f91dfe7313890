"""Reading while another process writes, and after it was killed."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from stepscope_tracing import Recording, Run
from support.children import child, tell
from support.random_streams import long_stream
from support.recordings import record

WRITER = """
    import sys
    from pathlib import Path
    from stepscope_tracing import open_recorder
    from support.random_streams import long_stream

    events = long_stream(int(sys.argv[2]), seed=int(sys.argv[3]))
    sink = open_recorder(sys.argv[1]).begin(events[0])
    written = 0
    for line in sys.stdin:
        for event in events[written:int(line)]:
            sink.append(event)
            if event.kind == "superstep-completed":
                sink.flush(barrier=True)
        written = int(line)
        sink.flush(barrier=False)
        if written >= len(events):
            sink.close()
        print(sink.durable, flush=True)
"""


def test_a_reader_follows_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    events = long_stream(3_000, seed=7)
    with child(WRITER, str(path), "3000", "7") as writer:
        assert tell(writer, "10") == "10"
        with Recording.open(path) as recording:
            run = recording.run()
            assert (run.info.status, run.info.complete, run.last) == ("running", False, 10)
            run.build_index()
            assert not recording.refresh()
            for upto in (11, 500, 1_700, 2_900):
                assert tell(writer, str(upto)) == str(upto)
                assert recording.refresh()
                assert recording.runs[0].events == run.info.events == run.last == upto
                assert run.events() == events[:upto]
                same = Run.of_events(events[:upto])
                assert list(run.supersteps()) == list(same.supersteps())
                assert run.state_at(upto) == same.state_at(upto)
                assert not run.index_ready
                assert run.locks() == same.locks()
                assert run.deliveries() == same.deliveries()
                assert [run.message(m.id) for m in same.messages(1, upto)] == same.messages(1, upto)
                assert run.overview(17) == same.overview(17)
            assert tell(writer, str(len(events))) == str(len(events))
            assert recording.refresh()
            assert (run.info.status, run.info.complete) == ("completed", True)
            assert run.events() == events
    with Recording.open(path) as recording:
        assert recording.run().events() == events


def test_a_second_run_shows_up(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    with child(WRITER, str(path), "100", "1") as one:
        assert tell(one, "50") == "50"
        with Recording.open(path) as recording, child(WRITER, str(path), "100", "2") as two:
            assert len(recording.runs) == 1
            assert tell(two, "40") == "40"
            assert recording.refresh()
            assert [info.events for info in recording.runs] == [50, 40]


KILLED = """
    import asyncio, sys
    from stepscope import Executor, StateKey, WorkflowBuilder, WorkflowContext, handler
    from stepscope_tracing import open_recorder

    class Player(Executor):
        @handler
        async def play(self, ball: int, ctx: WorkflowContext[int]) -> None:
            await ctx.state.update("hits", lambda n: n + 1)
            await ctx.state.set("last", f"{self.id} hit number {ball}, with a text that is not short")
            await ctx.send_message(ball + 1)

    a, b = Player(id="a"), Player(id="b")
    workflow = (
        WorkflowBuilder(start_executor=a, state=[StateKey("hits", initial=0, access="live")], max_supersteps=1_000_000)
        .add_edge(a, b, condition=lambda ball: True).add_edge(b, a, condition=lambda ball: True).build()
    )

    async def main() -> None:
        async for event in workflow.stream(0, record=open_recorder(sys.argv[1])):
            if event.type == "superstep_completed":
                print(event.superstep, flush=True)

    asyncio.run(main())
"""


def killed(path: Path, lines: int) -> int:
    """Run a workflow until it announced `lines` supersteps, kill it; gives the last one it announced."""
    with child(KILLED, str(path)) as process:
        assert process.stdout is not None
        announced = 0
        for _ in range(lines):
            announced = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        for line in process.stdout:  # what it had said before it died
            announced = int(line) if line.endswith("\n") else announced
        return announced


@pytest.mark.slow
def test_a_killed_writer_leaves_every_announced_superstep(tmp_path: Path) -> None:
    rng = random.Random(2)
    for i in range(50 if os.environ.get("STEPSCOPE_FULL") else 3):
        path = tmp_path / f"run{i}.stepscope"
        announced = killed(path, rng.randint(1, 2_000))
        check_killed(path, announced)


def test_a_killed_writer_leaves_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    check_killed(path, killed(path, 40))


def test_a_killed_writers_file_gains_a_run(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    announced = killed(path, 30)
    events = long_stream(500)
    record(path, events)
    assert [file.name for file in tmp_path.iterdir()] == ["run.stepscope"]
    with Recording.open(path) as recording:
        assert [info.status for info in recording.runs] == ["interrupted", "completed"]
        assert len(recording.run(recording.runs[0].run_id).supersteps()) >= announced
        assert recording.run().events() == events


def check_killed(path: Path, announced: int) -> None:
    with Recording.open(path) as recording:
        run = recording.run()
        assert (run.info.status, run.info.complete) == ("interrupted", False)
        spans = run.supersteps()
        completed = [span for span in spans if span.outcome == "completed"]
        assert [span.superstep for span in completed] == list(range(1, len(completed) + 1))
        assert len(completed) >= announced
        events = run.events()
        assert [event.seq for event in events] == list(range(1, run.last + 1))
        same = Run.of_events(events)
        assert list(spans) == list(same.supersteps())
        for seq in range(1, run.last + 1, max(1, run.last // 20)):
            assert run.state_at(seq) == same.state_at(seq)
        hits = run.state_at(run.last)["hits"].value.tree()
        assert isinstance(hits, int)
        assert hits >= announced
        assert len(run.writes("hits")) == hits
