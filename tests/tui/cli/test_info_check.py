"""`stepscope info`, `stepscope check` and the list of recordings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stepscope.analysis import check_events
from stepscope.events import RunStarted
from stepscope.findings import Finding
from stepscope_tracing import Recording, open_recorder
from stepscope_tui.cli import main
from support.command import stepscope
from support.streams import Stream, live

Capture = pytest.CaptureFixture[str]


def record(path: Path, stream: Stream) -> None:
    """A hand-made run as a recording."""
    started = stream.events[0]
    assert isinstance(started, RunStarted)
    sink = open_recorder(path).begin(started)
    for event in stream.events:
        sink.append(event)
    sink.close()


def test_info_counts_what_the_recording_holds(demo: Path, capsys: Capture) -> None:
    assert main(["info", "--json", str(demo)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["schema", "runs"]
    (shown,) = document["runs"]
    assert list(shown) == [
        "run_id", "engine", "workflow", "status", "supersteps", "deliveries", "messages", "lock_acquisitions",
        "barriers", "checkpoints", "state_writes", "events", "digest", "complete",
    ]  # fmt: skip
    with Recording.open(demo) as recording:
        run = recording.run()
        assert shown["run_id"] == run.info.run_id
        assert shown["digest"] == run.digest()
        assert shown["events"] == run.last
    assert (shown["engine"], shown["workflow"], shown["status"]) == ("stepscope", "lost-update", "completed")
    assert (shown["supersteps"], shown["deliveries"], shown["barriers"], shown["state_writes"]) == (3, 5, 3, 3)
    assert (shown["lock_acquisitions"], shown["checkpoints"], shown["complete"]) == (0, 0, True)


def test_info_for_people_says_the_same(demo: Path, capsys: Capture) -> None:
    assert main(["info", str(demo)]) == 0
    out = capsys.readouterr().out
    with Recording.open(demo) as recording:
        run = recording.run()
        counts = run.counts()
        assert str(run.digest()) in out
    for name in ("supersteps", "deliveries", "barriers", "state_writes", "messages", "events", "lock_acquisitions"):
        assert re.search(rf"{name.replace('_', ' ')} +{getattr(counts, name)}\b", out), name


def test_check_shows_findings_as_the_analysis_gives_them(demo: Path, capsys: Capture) -> None:
    assert main(["check", "--json", str(demo)]) == 1
    document = json.loads(capsys.readouterr().out)
    with Recording.open(demo) as recording:
        found = check_events(recording.run().iter_events())
    assert len(found) == 2
    names = set(Finding.__struct_fields__)
    assert [set(one) for one in document["findings"]] == [names, names]
    assert document["findings"] == [{name: getattr(one, name) for name in names} for one in found]


def test_check_for_people_says_how_to_see_it(demo: Path, capsys: Capture) -> None:
    assert main(["check", str(demo)]) == 1
    out = capsys.readouterr().out
    with Recording.open(demo) as recording:
        for finding in check_events(recording.run().iter_events()):
            assert finding.message in out
            assert finding.remedy in out
            assert f"stepscope open '{demo}#seq={finding.seqs[-1]}'" in out
    assert "2 findings in 1 run" in out


def test_ignored_kinds_do_not_count(demo: Path, capsys: Capture) -> None:
    assert main(["check", "--ignore", "lost-update", str(demo)]) == 0
    assert "no findings" in capsys.readouterr().out
    assert main(["check", "--ignore", "lost-update", "--json", str(demo)]) == 0
    assert json.loads(capsys.readouterr().out) == {"findings": []}


def test_an_unknown_kind_is_refused_with_the_known_ones(demo: Path, capsys: Capture) -> None:
    assert main(["check", "--ignore", "lost", str(demo)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "'lost'" in said.err
    assert "lost-update" in said.err
    assert "straggler" in said.err


def two_runs(path: Path) -> None:
    for run_id in ("one", "two"):
        stream = Stream("a", keys=[live("k", 0)], run_id=run_id)
        stream.begin()
        record(path, stream)


def test_one_run_can_be_named(tmp_path: Path, capsys: Capture) -> None:
    two_runs(tmp_path / "two.stepscope")
    assert main(["info", "--json", f"{tmp_path}/two.stepscope"]) == 0
    assert [run["run_id"] for run in json.loads(capsys.readouterr().out)["runs"]] == ["one", "two"]
    assert main(["info", "--json", f"{tmp_path}/two.stepscope#run=one"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert (run["run_id"], run["complete"]) == ("one", False)
    assert main(["check", f"{tmp_path}/two.stepscope#run=three"]) == 2
    assert "three" in capsys.readouterr().err


def test_nothing_from_a_recording_reaches_the_terminal_raw(tmp_path: Path, capsys: Capture) -> None:
    bad = "\x1b]0;owned\x07\x1b[31m\u202e[bold]red[/bold]"
    stream = Stream(bad, workflow=bad, run_id=bad, engine=bad, mode=bad, keys=[live(bad, 0)])
    stream.begin()
    record(tmp_path / "bad.stepscope", stream)
    assert main(["info", f"{tmp_path}/bad.stepscope"]) == 0
    assert main(["check", f"{tmp_path}/bad.stepscope"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\u202e" not in out
    assert "[bold]red[/bold]" in out


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("hello")


def missing(path: Path) -> None:
    pass


def a_folder(path: Path) -> None:
    path.mkdir()


def cut_off(path: Path) -> None:
    two_runs(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])


def of_a_newer_schema(path: Path) -> None:
    import sqlite3

    two_runs(path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 999")
    database.close()


@pytest.mark.parametrize("command", ["info", "check"])
@pytest.mark.parametrize("make", [nothing, text, missing, a_folder, cut_off, of_a_newer_schema])
def test_what_is_no_recording_gets_one_sentence(
    command: str, make: Callable[[Path], None], tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "bad.stepscope"
    make(path)
    for args in ([command, str(path)], [command, "--json", str(path)]):
        assert main(args) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) == 1
        assert "bad.stepscope" in said.err


def test_colour_only_where_it_is_wanted(demo: Path, tmp_path: Path) -> None:
    args = ("check", str(demo))
    assert "\x1b" not in stepscope(*args, cwd=tmp_path).stdout
    forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    assert "\x1b[" in stepscope(*args, cwd=tmp_path, env=forced).stdout
    assert "\x1b[3" not in stepscope(*args, cwd=tmp_path, env={**forced, "NO_COLOR": "1"}).stdout


def test_glyphs_are_ascii_where_the_output_is(demo: Path, tmp_path: Path) -> None:
    env = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = stepscope("check", str(demo), cwd=tmp_path, env=env)
    assert done.returncode == 1, done.stderr
    assert done.stdout.isascii()
    assert "! lost-update" in done.stdout


def test_alone_it_lists_the_recordings_at_hand_newest_first(demo: Path, tmp_path: Path) -> None:
    assert "stepscope demo" in stepscope(cwd=tmp_path).stdout
    (tmp_path / "older.stepscope").write_bytes(demo.read_bytes())
    (tmp_path / "newer.stepscope").write_bytes(demo.read_bytes())
    (tmp_path / "broken.stepscope").write_text("x")
    (tmp_path / ".stepscope").mkdir()
    (tmp_path / ".stepscope" / "found.stepscope").write_bytes(demo.read_bytes())
    for age, name in enumerate(("newer", ".stepscope/found", "older", "broken")):
        os.utime(tmp_path / f"{name}.stepscope", (10**9 - age, 10**9 - age))
    done = stepscope(cwd=tmp_path)
    lines = done.stdout.splitlines()
    names = ["newer.stepscope", ".stepscope/found.stepscope", "older.stepscope", "broken.stepscope"]
    assert [line.split()[0] for line in lines] == names
    assert "1 run" in lines[0]
    assert "lost-update" in lines[0]
    assert "completed" in lines[0]
    assert "not a Stepscope recording" in lines[3]
    assert len({line.index("1 run") for line in lines[:3]}) == 1
