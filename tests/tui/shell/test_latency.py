"""A large recording is on the screen within a second, and a key is answered within a frame.

The bounds are those of an idle machine, times `SLACK` unless `STEPSCOPE_FULL` is set: tests share theirs.
"""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

import pytest

from support.pty_driver import Terminal
from support.random_streams import long_stream
from support.recorded import record

FULL = os.environ.get("STEPSCOPE_FULL") == "1"
SLACK = 1.0 if FULL else 4.0
EVENTS = 200_000 if FULL else 20_000


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("long") / "long.stepscope", long_stream(EVENTS))


def command(path: Path) -> list[str]:
    return [sys.executable, "-m", "stepscope_tui.app", str(path)]


@pytest.mark.slow
def test_the_first_screen_is_there_within_a_second(path: Path) -> None:
    times = []
    for _ in range(4):
        with Terminal(command(path), columns=160, rows=45) as terminal:
            times.append(terminal.wait_for("seq 1/", "1 events", "help"))
    assert min(times[1:]) < 1.0 * SLACK


@pytest.mark.slow
@pytest.mark.parametrize("key", ["s", "S", "n", "N", ".", ",", "down", "page-down"])
def test_a_key_is_answered_within_a_frame(path: Path, key: str) -> None:
    with Terminal(command(path), columns=80, rows=24) as terminal:
        terminal.wait_for("seq 1/", "1 events", "help")
        terminal.settle(quiet=2.0, timeout=60)
        terminal.press(":")
        terminal.send("50%")
        terminal.press("enter")
        answers = [terminal.press(key) for _ in range(60)]
        assert all(answer.bytes for answer in answers)
        assert statistics.quantiles([answer.first for answer in answers], n=20)[18] < 0.016 * SLACK
