"""What goes into a recording comes out of it: events, values, sources, digests; and it is stored once."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings

from stepscope.digest import digest_of_events
from stepscope.events import EVENT_TYPES, AnyEvent, ErrorInfo, HandlerEnded, RunStarted
from stepscope_tracing import Recording, Run, open_recorder
from stepscope_tracing.codec import CODES, KIND_OF_CODE
from support.random_streams import long_stream, random_stream, streams
from support.recordings import record
from support.streams import Stream, snapshot


@given(streams())
@settings(max_examples=60, deadline=None)
def test_every_event_comes_back(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    assert run.events() == events
    assert [run.event(event.seq) for event in reversed(events)] == events[::-1]
    assert run.last == len(events)
    assert run.duration_ns == events[-1].t
    assert run.digest() == digest_of_events(events)
    assert run.info.events == len(events)


def test_a_file_gives_the_same_as_what_was_put_in(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    events = long_stream(5_000)  # several blocks
    record(path, events)
    with Recording.open(path) as recording:
        run = recording.run()
        assert run.events() == events
        assert list(run.iter_events(990, 2010)) == events[989:2010]
        assert run.started == events[0]
        assert run.info.status == "completed"
        assert run.info.complete


def test_a_closed_recording_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    record(path, long_stream(300))
    assert [file.name for file in tmp_path.iterdir()] == ["run.stepscope"]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_recording_gains_runs(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    streams = [random_stream(random.Random(seed), run_id=f"run-{seed}") for seed in range(3)]
    for events in streams:
        record(path, events)
    with Recording.open(path) as recording:
        assert [info.run_id for info in recording.runs] == ["run-0", "run-1", "run-2"]
        assert [recording.run(f"run-{i}").events() for i in range(3)] == streams
        assert recording.run().info.run_id == "run-2"


def test_two_runs_at_the_same_time_share_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    one, two = long_stream(2_500, seed=1, run_id="one"), long_stream(2_500, seed=2, run_id="two")
    observers = open_recorder(path), open_recorder(path)
    first, second = observers[0].begin(as_start(one[0])), observers[1].begin(as_start(two[0]))
    for i in range(max(len(one), len(two))):
        if i < len(one):
            first.append(one[i])
        if i < len(two) - 1:
            second.append(two[i])
        if i % 100 == 0:
            first.flush(barrier=False)
            second.flush(barrier=False)
    first.close()
    with Recording.open(path) as recording:
        assert recording.run("one").events() == one
        assert recording.run("two").info.status == "running"
    second.append(two[-1])
    second.close()
    with Recording.open(path) as recording:
        assert recording.run("one").events() == one
        assert recording.run("two").events() == two
    assert [file.name for file in tmp_path.iterdir()] == ["run.stepscope"]


def as_start(event: AnyEvent) -> RunStarted:
    assert isinstance(event, RunStarted)
    return event


def test_a_large_value_is_stored_once_for_all_runs(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    secret_of_size = "0123456789" * 5_000
    for run_id in ("one", "two"):
        stream = Stream("a", run_id=run_id, payload=secret_of_size, keys=[snapshot("k", secret_of_size)])
        (inv,) = stream.begin()
        stream.start(inv)
        stream.set(inv, "k", secret_of_size)
        stream.output(inv, secret_of_size)
        stream.end(inv)
        stream.commit()
        record(path, stream.finish())
    assert path.stat().st_size < 3 * len(secret_of_size)
    assert path.read_bytes().count(b"0123456789" * 100) <= 50
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM payloads").fetchone() == (1,)


def test_the_handlers_source_is_kept_as_it_was(tmp_path: Path) -> None:
    path, source = tmp_path / "run.stepscope", tmp_path / "app.py"
    source.write_text("# coding: latin-1\n# größe\n", encoding="latin-1")
    stream = Stream("a", file=str(source))
    (inv,) = stream.begin()
    stream.start(inv)
    stream.end(inv)
    stream.commit()
    record(path, stream.finish())
    source.unlink()
    with Recording.open(path) as recording:
        assert recording.run().source(str(source)) == "# coding: latin-1\n# größe\n"
        assert recording.run().source("elsewhere.py") is None


def test_text_that_is_no_unicode_does_not_stop_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    stream = Stream("a")
    (inv,) = stream.begin()
    stream.start(inv)
    stream.end(inv, "failed", message="no file '\udcff'")
    stream.fail()
    record(path, stream.events)
    with Recording.open(path) as recording:
        ended = next(event for event in recording.run().events() if isinstance(event, HandlerEnded))
        assert isinstance(ended.error, ErrorInfo)
        assert ended.error.message == "no file '\\udcff'"


def test_every_event_type_has_a_code() -> None:
    assert {kind.kind for kind in CODES} == set(EVENT_TYPES) == set(KIND_OF_CODE.values())
