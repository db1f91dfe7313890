"""What can be wrong with a path or a file: one sentence each, and a foreign file is never touched."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stepscope.errors import WorkflowError
from stepscope.events import RunStarted
from stepscope_tracing import Recording, RecordingError, open_recorder
from support.children import child, tell
from support.random_streams import long_stream
from support.recordings import record
from support.streams import Stream


def sql(path: Path, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Change or ask a file behind everybody's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        return database.execute(statement, parameters).fetchall()


def sentence(act: Callable[[], object]) -> str:
    with pytest.raises(RecordingError) as caught:
        act()
    text = str(caught.value)
    assert isinstance(caught.value, WorkflowError)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    assert "there is no file" in sentence(lambda: Recording.open(path))
    assert "is a folder" in sentence(lambda: Recording.open(tmp_path))
    path.touch()
    assert "is empty" in sentence(lambda: Recording.open(path))
    path.write_text("{}")
    assert "is not a Stepscope recording" in sentence(lambda: Recording.open(path))
    path.write_bytes(b"SQLite format 3\0" + b"\0" * 20)
    assert "is not a Stepscope recording" in sentence(lambda: Recording.open(path))
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in sentence(lambda: Recording.open(tmp_path / "pipe"))
    assert "cannot open" in sentence(lambda: Recording.open("a\0b"))
    assert "cannot open" in sentence(lambda: Recording.open(tmp_path / ("x" * 300)))


def test_another_programs_database_is_neither_opened_nor_written(tmp_path: Path) -> None:
    path = tmp_path / "their.db"
    sql(path, "CREATE TABLE runs (x)")
    before = path.read_bytes()
    assert "another program's" in sentence(lambda: Recording.open(path))
    assert "another program's" in sentence(lambda: open_recorder(path))
    assert path.read_bytes() == before


def test_a_recording_of_a_later_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    open_recorder(path)
    sql(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    for act in (Recording.open, open_recorder):
        text = sentence(lambda act=act: act(path))  # type: ignore[misc]
        assert "newer Stepscope (schema 99" in text
        assert "upgrade" in text
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_recording_that_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "run.stepscope"
    record(path, long_stream(3_000))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    text = sentence(lambda: Recording.open(path))
    assert "cut off" in text or "not a Stepscope recording" in text


def test_what_cannot_be_recorded_to_says_so_at_once_and_stays_as_it_is(tmp_path: Path) -> None:
    assert "is a folder" in sentence(lambda: open_recorder(tmp_path))
    assert "there is no folder" in sentence(lambda: open_recorder(tmp_path / "no" / "run.stepscope"))
    assert "not a regular file" in sentence(lambda: open_recorder("/dev/null"))
    notes = tmp_path / "notes.txt"
    notes.write_text("do not lose me")
    assert "is not a Stepscope recording" in sentence(lambda: open_recorder(notes))
    assert notes.read_text() == "do not lose me"
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_file_may_become_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    path.touch()
    record(path, Stream("a").finish())
    with Recording.open(path) as recording:
        assert recording.run().info.status == "completed"


def test_a_recording_without_runs_opens_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    open_recorder(path)
    with Recording.open(path) as recording:
        assert recording.runs == []
        assert "holds no run yet" in sentence(recording.run)


def test_an_unknown_run_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    for run_id in ("abc1", "abc2", "x"):
        record(path, Stream("a", run_id=run_id).finish())
    with Recording.open(path) as recording:
        assert recording.run("abc2").info.run_id == "abc2"
        assert recording.run("x").info.run_id == "x"
        assert "several runs" in sentence(lambda: recording.run("abc"))
        assert "no run 'nope'; its newest runs are abc1, abc2, x" in sentence(lambda: recording.run("nope"))
    assert "was closed" in sentence(recording.refresh)


def test_a_recording_that_disappears_while_it_is_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    events = Stream("a").finish()
    started = events[0]
    assert isinstance(started, RunStarted)
    recorder = open_recorder(path)
    sink = recorder.begin(started)
    path.unlink()
    for event in events:
        sink.append(event)
    assert "was removed or replaced" in sentence(sink.close)
    record(path, events)  # and the next one is not bothered by it
    with Recording.open(path) as recording:
        assert recording.run().events() == events


@pytest.mark.parametrize("writer", ["{node}:1:0", "elsewhere:{pid}:{start}", "", ":::", "{node}:99999999999999:1"])
def test_a_run_whose_writer_is_gone_is_interrupted(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "run.stepscope"
    events = Stream("a").finish()
    started = events[0]
    assert isinstance(started, RunStarted)
    sink = open_recorder(path).begin(started)
    sink.append(started)
    sink.flush(barrier=True)
    with Recording.open(path) as recording:
        assert recording.run().info.status == "running"
    ((mine,),) = sql(path, "SELECT writer FROM runs")
    node, pid, start = mine.rsplit(":", 2)
    sql(path, "UPDATE runs SET writer = ?", writer.format(node=node, pid=pid, start=start))
    with Recording.open(path) as recording:
        assert recording.run().info.status == "interrupted"
    sink.append(events[1])
    sink.close()
    with Recording.open(path) as recording:
        assert recording.run().info.status == "completed"


def test_the_package_is_light_to_import() -> None:
    program = """
        import sys
        import stepscope_tracing
        print(sorted({name.split(".")[0] for name in sys.modules} & {"opentelemetry", "textual", "rich", "click"}))
    """
    with child(program) as process:
        assert process.communicate()[0] == "[]\n"


def test_a_path_with_odd_characters_is_that_path(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=memory#b%41 ü.stepscope"
    record(path, Stream("a").finish())
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with Recording.open(path) as recording:
        assert recording.run().last == 2


READER_WITHOUT_RIGHTS = """
    import os, sys
    import urllib.parse  # pathlib imports it late, when this process may have no right to read it
    from stepscope_tracing import Recording, RecordingError, open_recorder

    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    print("ready", flush=True)
    for line in sys.stdin:
        verb, _, path = line.rstrip("\\n").partition(" ")
        try:
            if verb == "record":
                open_recorder(path)
                print("recorded", flush=True)
                continue
            with Recording.open(path) as recording:
                run = recording.run()
                print(run.last, run.info.status, len(run.events()), flush=True)
        except RecordingError as error:
            print(error, flush=True)
"""


def test_a_folder_that_cannot_be_written_can_be_read_from(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    closed, left = folder / "closed.stepscope", folder / "left.stepscope"
    events = long_stream(300)
    record(closed, events)
    sink = open_recorder(left).begin(events[0])  # type: ignore[arg-type]
    for event in events[:200]:
        sink.append(event)
    sink.flush(barrier=True)
    torn = folder / "torn.stepscope"  # a killed writer's files, without the index beside them
    torn.write_bytes(left.read_bytes())
    torn.with_name(torn.name + "-wal").write_bytes(left.with_name(left.name + "-wal").read_bytes())
    secret = folder / "secret.stepscope"
    record(secret, events)
    secret.chmod(0)
    for one in (tmp_path, *tmp_path.parents[:2]):
        one.chmod(one.stat().st_mode | 0o055)
    folder.chmod(0o555)
    try:
        with child(READER_WITHOUT_RIGHTS) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
            assert tell(reader, f"open {closed}") == f"{len(events)} completed {len(events)}"
            assert tell(reader, f"open {torn}") in ("200 interrupted 200", "200 running 200")
            assert tell(reader, f"open {left}") == "200 running 200"
            assert "permission denied" in tell(reader, f"open {secret}")
            assert "cannot record to" in tell(reader, f"record {folder / 'new.stepscope'}")
            assert "cannot record to" in tell(reader, f"record {closed}")
    finally:
        folder.chmod(0o755)
        sink.close()
