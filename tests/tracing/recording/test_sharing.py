"""One run from several threads, one file for several observers, sub-workflows' sources."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stepscope.events import RunStarted
from stepscope_tracing import Recording, Run, open_recorder
from support.random_streams import long_stream
from support.recordings import record
from support.streams import Stream


def test_threads_share_a_run(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    events = long_stream(12_000)
    record(path, events)
    expected = Run.of_events(events)
    expected.build_index()

    with Recording.open(path) as recording:
        run = recording.run()

        def ask(seed: int) -> None:
            rng = random.Random(seed)
            for _ in range(40):
                seq = rng.randint(1, run.last)
                assert run.events(seq, 50) == events[seq - 1 : seq + 49]
                assert run.state_at(seq, executor="agent1") == expected.state_at(seq, executor="agent1")
                assert run.locks_at(seq) == expected.locks_at(seq)
                assert run.invocations(seq, seq + 20) == expected.invocations(seq, seq + 20)
                assert run.messages(seq, seq + 20) == expected.messages(seq, seq + 20)
                assert run.previous(seq, executor="agent2") == expected.previous(seq, executor="agent2")

        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(ask, seed) for seed in range(6)] + [pool.submit(run.build_index)]:
                done.result()


def test_a_run_that_is_asked_for_twice_is_recorded_once(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    events = Stream("a").finish()
    started = events[0]
    assert isinstance(started, RunStarted)
    sinks = [open_recorder(path).begin(started), open_recorder(tmp_path / "." / path.name).begin(started)]
    for event in events:
        for sink in sinks:
            sink.append(event)
    for sink in reversed(sinks):
        sink.close()
    assert [sink.durable for sink in sinks] == [2, 2]
    with Recording.open(path) as recording:
        assert [info.run_id for info in recording.runs] == ["run-1"]
        assert recording.run().events() == events
    assert [file.name for file in tmp_path.iterdir()] == ["run.stepscope"]


def test_sources_of_sub_workflows_are_kept(tmp_path: Path) -> None:
    path, outer, inner = tmp_path / "run.stepscope", tmp_path / "outer.py", tmp_path / "inner.py"
    outer.write_text("OUTER = 1\n")
    inner.write_text("INNER = 1\n")
    stream = Stream("a", file=str(outer))
    (inv,) = stream.begin()
    stream.start(inv)
    child = stream.sub(inv, "x", file=str(inner))
    child.finish()
    stream.end(inv)
    stream.commit()
    record(path, stream.finish())
    with Recording.open(path) as recording:
        run = recording.run()
        assert (run.source(str(outer)), run.source(str(inner))) == ("OUTER = 1\n", "INNER = 1\n")
