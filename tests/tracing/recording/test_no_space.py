"""A recording that cannot be written any further fails the run, and loses nothing that fits again later."""

from __future__ import annotations

from pathlib import Path

from stepscope_tracing import Recording
from support.children import child

FULL_DISK = """
    import asyncio, resource, signal, sys
    from stepscope import Executor, WorkflowBuilder, WorkflowContext, handler
    from stepscope_tracing import RecordingError, open_recorder
    from support.random_streams import long_stream

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def by_hand(path):
        events = long_stream(20_000)
        sink = open_recorder(path).begin(events[0])
        limit(300_000)
        failed = 0
        for event in events:
            sink.append(event)  # must not raise
            if event.kind == "superstep-completed":
                try:
                    sink.flush(barrier=True)
                except RecordingError as error:
                    failed += 1
                    message = str(error)
        print(failed > 1, message, sep="|")
        print(0 < sink.durable < len(events))
        limit(resource.RLIM_INFINITY)
        sink.close()
        print(sink.durable == len(events), flush=True)

    class Loop(Executor):
        @handler
        async def again(self, n: int, ctx: WorkflowContext[int]) -> None:
            await ctx.state.set("text", f"{n}" * 3_000)
            await ctx.send_message(n + 1)

    async def by_runtime(path):
        a, b = Loop(id="a"), Loop(id="b")
        workflow = (
            WorkflowBuilder(start_executor=a, max_supersteps=100_000)
            .add_edge(a, b, condition=lambda n: True).add_edge(b, a, condition=lambda n: True).build()
        )
        recorder = open_recorder(path)
        limit(1_000_000)
        try:
            await workflow.run(1, record=recorder)
        except RecordingError as error:
            print("run failed", error, sep="|", flush=True)

    if sys.argv[2] == "hand":
        by_hand(sys.argv[1])
    else:
        asyncio.run(by_runtime(sys.argv[1]))
"""


def test_what_did_not_fit_is_written_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    with child(FULL_DISK, str(path), "hand") as process:
        output, _ = process.communicate()
    failed, unfinished, whole = output.splitlines()
    assert failed.startswith("True|cannot write recording")
    assert "make room" in failed
    assert (unfinished, whole) == ("True", "True")
    with Recording.open(path) as recording:
        run = recording.run()
        assert run.info.complete
        assert len(run.events()) == run.last
        assert list(run.supersteps())[-1].outcome == "completed"


def test_a_run_whose_recording_cannot_be_written_fails(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    with child(FULL_DISK, str(path), "runtime") as process:
        output, _ = process.communicate()
    assert output.startswith("run failed|cannot write recording")
    with Recording.open(path) as recording:
        run = recording.run()
        assert run.info.status == "interrupted"
        assert len(run.events()) == run.last > 100
