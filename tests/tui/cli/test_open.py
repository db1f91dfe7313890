"""`stepscope open`, and `stepscope` alone, on a terminal."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stepscope_tracing import Recording
from support.command import COMMAND, refused, stepscope
from support.pty_driver import Terminal


def last(path: Path) -> int:
    with Recording.open(path) as recording:
        return recording.run().last


def test_it_opens_at_the_start_and_leaves_with_q(demo: Path) -> None:
    with Terminal([*COMMAND, "open", str(demo)], columns=100, rows=30) as terminal:
        terminal.wait_for("lost-update", f"1/{last(demo)}", timeout=30)
        terminal.send("q")
        assert terminal.wait_exit(20) == 0


def test_it_opens_at_an_event_of_a_named_run(demo: Path) -> None:
    with Recording.open(demo) as recording:
        run_id = recording.run().info.run_id
    source = f"{demo}#run={run_id[:6]}&seq=20"
    with Terminal([*COMMAND, "open", "--ascii", "--keymap", "vscode", source], columns=100, rows=30) as terminal:
        terminal.wait_for(f"20/{last(demo)}", timeout=30)
        assert terminal.text.isascii()
        terminal.send("q")
        assert terminal.wait_exit(20) == 0


def said_and_left(*args: str, columns: int = 100, rows: int = 30) -> str:
    with Terminal([*COMMAND, *args], columns=columns, rows=rows) as terminal:
        assert terminal.wait_exit(20) == 2
        said = terminal.raw.replace(b"\r\n", b"\n").decode()
    assert "Traceback" not in said
    assert "\x1b[?1049h" not in said, "the screen was not touched"
    assert len(said.strip().splitlines()) == 1
    return said


def test_a_terminal_too_small_is_one_sentence(demo: Path) -> None:
    said = said_and_left("open", str(demo), columns=59, rows=16)
    assert "too small (59x16)" in said
    assert "60x16" in said
    assert "too small" in said_and_left("open", str(demo), columns=60, rows=15)


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["open", "nope.stepscope"], "'nope.stepscope'"),
        (["open", "{demo}#run=zzz"], "'zzz'"),
        (["open", "--keymap", "emacs", "{demo}"], "emacs"),
    ],
)
def test_what_bad_input_gets_on_a_terminal(args: list[str], part: str, demo: Path) -> None:
    assert part in said_and_left(*(arg.format(demo=demo) for arg in args))


def test_opening_without_a_terminal_is_refused(demo: Path, tmp_path: Path) -> None:
    assert "needs a terminal" in refused(stepscope("open", str(demo), cwd=tmp_path))


def test_alone_it_lists_the_recordings_and_opens_the_chosen_one(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(demo, tmp_path / "mine.stepscope")
    with Terminal(COMMAND, columns=100, rows=30) as terminal:
        terminal.wait_for("mine.stepscope", "lost-update", timeout=30)
        terminal.send("enter")
        terminal.wait_for(f"1/{last(demo)}", timeout=30, gone=["Enter open"])
        terminal.send("q")
        assert terminal.wait_exit(20) == 0
    with Terminal(COMMAND, columns=100, rows=30) as terminal:
        terminal.wait_for("mine.stepscope", timeout=30)
        terminal.send("q")
        assert terminal.wait_exit(20) == 0
