"""Following a recording that is still being written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from textual.pilot import Pilot

from stepscope.events import RunStarted
from stepscope_tracing import open_recorder
from stepscope_tui.app import DebuggerApp
from support.random_streams import long_stream
from support.screen import footer_of, lines_of


async def until_last_is(pilot: Pilot[None], app: DebuggerApp, seq: int) -> None:
    while app.session.seq != seq:
        await pilot.pause(0.02)
    await pilot.pause()


async def test_it_follows_to_the_end_and_says_live(tmp_path: Path) -> None:
    events = long_stream(600)
    started = events[0]
    assert isinstance(started, RunStarted)
    path = tmp_path / "run.stepscope"
    sink = open_recorder(path).begin(started)
    for event in events[:100]:
        sink.append(event)
    sink.flush(barrier=False)
    known = sink.durable
    assert 0 < known <= 100
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        assert "REPLAY" in lines_of(app.query_one("#status"))[0]
        await pilot.press("F")
        await until_last_is(pilot, app, known)
        assert "LIVE" in lines_of(app.query_one("#status"))[0]
        assert "running" in lines_of(app.query_one("#status"))[0]
        for event in events[100:500]:
            sink.append(event)
        sink.flush(barrier=False)
        await until_last_is(pilot, app, sink.durable)
        assert any(line.startswith(f"▶{sink.durable}") for line in lines_of(app.panels["events"]))
        for event in events[500:]:
            sink.append(event)
        sink.close()
        await until_last_is(pilot, app, len(events))
        while "REPLAY" not in lines_of(app.query_one("#status"))[0]:
            await pilot.pause(0.02)
        assert footer_of(app) == "The run is over."
        assert "completed" in lines_of(app.query_one("#status"))[0]
    app.recording.close()


async def test_following_can_be_stopped_and_stepping_stops_it(tmp_path: Path) -> None:
    events = long_stream(300)
    started = events[0]
    assert isinstance(started, RunStarted)
    path = tmp_path / "run.stepscope"
    sink = open_recorder(path).begin(started)
    for event in events[:100]:
        sink.append(event)
    sink.flush(barrier=False)
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("F", "F")
        await pilot.pause()
        assert footer_of(app) == "No longer following."
        await pilot.press("F", "S")
        await pilot.pause()
        here = app.session.seq
        assert "REPLAY" in lines_of(app.query_one("#status"))[0]
        for event in events[100:]:
            sink.append(event)
        sink.close()
        await pilot.pause(0.5)
        assert app.session.seq == here
    app.recording.close()


def killed_while_recording(path: Path) -> None:
    """A process that records, and is killed."""
    code = (
        "import os, sys; from pathlib import Path; from support.recorded import record;"
        "from support.random_streams import long_stream;"
        "record(Path(sys.argv[1]), long_stream(300)[:200], complete=False); os.kill(os.getpid(), 9)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False, env=env).returncode == -9


async def test_a_run_whose_writer_was_killed_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "run.stepscope"
    killed_while_recording(path)
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        assert "interrupted" in lines_of(app.status)[0]
        await pilot.press("F")
        await pilot.pause()
        assert footer_of(app) == "This run is over: there is nothing to follow."
    app.recording.close()
