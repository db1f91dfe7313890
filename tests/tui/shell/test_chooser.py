"""The list of recordings at hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stepscope_tui.chooser import Chooser, recordings_in
from stepscope_tui.widgets.lines import LineView
from support.pty_driver import Terminal
from support.random_streams import long_stream
from support.recorded import record
from support.screen import lines_of

CHOOSE = "import sys; from stepscope_tui.chooser import choose_recording; print('chosen', getattr(choose_recording(sys.argv[1]), 'name', None))"


def some(folder: Path) -> list[Path]:
    """Three files, the last the newest: a recording, what is none, and one being written."""
    paths = [folder / "done.stepscope", folder / "broken.stepscope", folder / ".stepscope" / "live.stepscope"]
    paths[2].parent.mkdir()
    record(paths[0], long_stream(200))
    paths[1].write_text("no recording")
    record(paths[2], long_stream(200)[:-1], complete=False)
    for age, path in enumerate(reversed(paths)):
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return paths


async def test_it_lists_workflow_status_counts_and_when(tmp_path: Path) -> None:
    paths = some(tmp_path)
    assert recordings_in(tmp_path) == list(reversed(paths))
    app = Chooser(recordings_in(tmp_path), str(tmp_path))
    async with app.run_test(size=(110, 12)) as pilot:
        await pilot.pause()
        live, broken, done = lines_of(app.query_one(LineView))[:3]
        assert "live.stepscope" in live
        assert "running" in live
        assert "is not a Stepscope recording" in broken
        assert all(text in done for text in ("done.stepscope", "hand", "✓ completed", "events", "2023-11-14"))
        await pilot.press("down", "down", "enter")
        await pilot.pause()
    assert app.return_value == paths[0]


async def test_leaving_chooses_none(tmp_path: Path) -> None:
    some(tmp_path)
    app = Chooser(recordings_in(tmp_path), str(tmp_path))
    async with app.run_test() as pilot:
        await pilot.press("q")
    assert app.return_value is None


def test_without_recordings_it_says_how_to_make_one(tmp_path: Path) -> None:
    with Terminal([sys.executable, "-c", CHOOSE, str(tmp_path)]) as terminal:
        terminal.wait_for("There is no recording here yet", "stepscope demo", "q quit")
        terminal.send("q")
        assert terminal.wait_exit() == 0
        assert "chosen None" in terminal.text


def test_in_a_terminal_the_chosen_one_is_the_result(tmp_path: Path) -> None:
    record(tmp_path / "only.stepscope", long_stream(100))
    with Terminal([sys.executable, "-c", CHOOSE, str(tmp_path)]) as terminal:
        terminal.wait_for("1 recording in", "only.stepscope")
        terminal.send("enter")
        assert terminal.wait_exit() == 0
        assert "chosen only.stepscope" in terminal.text
