"""The whole screen: the same both ways, harmless whatever a recording holds, and legible in every terminal."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stepscope.events import AnyEvent
from stepscope_tui.app import DebuggerApp
from support.pty_driver import Terminal
from support.random_streams import long_stream, streams
from support.recorded import record
from support.screen import lines_of, said_by
from support.streams import Stream, live

FULL = os.environ.get("STEPSCOPE_FULL") == "1"
PANELS = ("events", "contention", "findings", "source", "inspector")
ESCAPES = re.compile(rb"\x1b(\[[0-9;?<>=]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-B0]|[=>78]|P[^\x1b]*\x1b\\)")
"""What the debugger itself may write: CSI, OSC, charset selection, DCS queries."""


@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(streams(), st.sampled_from(PANELS), st.sampled_from([(80, 24), (160, 45)]))
async def test_backwards_shows_what_forwards_showed(events: list[AnyEvent], panel: str, size: tuple[int, int]) -> None:
    await both_ways(events, panel, size)


@pytest.mark.slow
@settings(max_examples=200 if FULL else 10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(streams(), st.sampled_from(PANELS), st.sampled_from([(80, 24), (160, 45), (60, 16)]))
async def test_backwards_shows_what_forwards_showed_in_many_runs(
    events: list[AnyEvent], panel: str, size: tuple[int, int]
) -> None:
    await both_ways(events, panel, size)


async def both_ways(events: list[AnyEvent], panel: str, size: tuple[int, int]) -> None:
    """Forward through the run, back again, and here and there: the same everywhere."""
    with tempfile.TemporaryDirectory() as folder:
        app = DebuggerApp(str(record(Path(folder, "run.stepscope"), events[:400])), analyse=False)
        async with app.run_test(size=size) as pilot:
            app.session.run.build_index()
            await app.workers.wait_for_complete()
            app.do_panel(panel)
            await pilot.pause()
            last = app.session.run.last
            shown = {}
            for seq in range(1, min(last, 60) + 1):
                app.session.goto(seq)
                app.show()
                shown[seq] = said_by(app)
            for seq in reversed(shown):
                app.session.goto(seq)
                app.show()
                assert said_by(app) == shown[seq], seq
            for seq in random.Random(last).sample(sorted(shown), min(10, len(shown))):
                app.session.goto(seq)
                app.show()
                assert said_by(app) == shown[seq], seq
        app.recording.close()


NASTY = "\x1b[31m\x1b]0;owned\x07\x9b2J[bold]b[/bold] \u202etxt.exe\u202c \u200b\u2066 \x00\x07\r\nnext e\u0301\u0300\u0301\u0302 日本語"


def hostile() -> list[AnyEvent]:
    """Every text of the recording tries to steer the terminal."""
    stream = Stream(
        f"a{NASTY}", f"b{NASTY}", keys=[live(f"key{NASTY}", {NASTY: [NASTY]})], workflow=NASTY, mode="concurrent",
        file="/nowhere/" + NASTY.replace("\0", ""), payload={NASTY: NASTY},
    )  # fmt: skip
    a, b = stream.executors
    key = f"key{NASTY}"
    (inv,) = stream.begin()
    stream.start(inv)
    stream.send(inv, NASTY, b)
    stream.send(inv, NASTY, a)
    stream.hold(inv, key)
    stream.set(inv, key, NASTY)
    stream.release(inv, key)
    stream.output(inv, NASTY)
    stream.effect(inv, NASTY, NASTY)
    stream.found(NASTY, NASTY, executors=[a, b], keys=[key])
    stream.end(inv)
    stream.commit()
    one, two = stream.begin()
    stream.start(one)
    stream.start(two)
    stream.hold(one, key)
    stream.get(two, key)
    stream.end(one, "failed", NASTY)
    stream.fail(NASTY)
    return stream.events


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def nasty(folder: Path) -> Path:
    return record(folder / "nasty.stepscope", hostile())


def command(path: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "stepscope_tui.app", str(path), *options]


@pytest.mark.parametrize("options", [(), ("--ascii",)])
def test_a_hostile_recording_draws_only_what_the_debugger_draws(nasty: Path, options: tuple[str, ...]) -> None:
    with Terminal(command(nasty, *options), columns=110, rows=34) as terminal:
        terminal.wait_for("seq 1/", "1 events")
        for keys in [
            "s" * 12,
            "7",
            "down",
            "enter",
            "1",
            "n",
            "2",
            "3",
            "4",
            "5",
            "s" * 12,
            "y",
            "v",
            "1",
            "v",
            "?",
            "escape",
            "q",
        ]:
            terminal.press(keys, timeout=0.3)
        assert terminal.wait_exit() == 0
    raw = bytes(terminal.raw)
    rest = ESCAPES.sub(b"", raw)
    assert b"\x1b" not in rest
    assert b"owned" not in b"".join(re.findall(rb"\x1b\][^\x07\x1b]*", raw))
    text = rest.decode()
    assert not set(text) & set("\u202e\u202c\u200b\u2066\x9b\x00\x07\x7f")
    assert "\\x1b[31m" in text
    if options:
        assert text.isascii(), sorted({char for char in text if not char.isascii()})


async def test_a_hostile_recordings_rows_keep_their_columns(nasty: Path) -> None:
    app = DebuggerApp(str(nasty), analyse=False)
    async with app.run_test(size=(110, 34)) as pilot:
        app.session.run.build_index()
        for panel in PANELS:
            app.do_panel(panel)
            await pilot.pause()
            for seq in range(1, app.session.run.last + 1):
                app.session.goto(seq)
                app.show()
                for name in app.arrangement.visible():
                    widget = app.panels[name]
                    for y in range(widget.size.height):
                        assert widget.render_line(y).cell_length == widget.size.width, (name, y, seq)
    app.recording.close()


@pytest.fixture(scope="module")
def plain_run(folder: Path) -> Path:
    stream = Stream("a", "b", keys=[live("ledger", 0)])
    (inv,) = stream.begin()
    stream.start(inv)
    stream.set(inv, "ledger", 1)
    stream.send(inv, "x", "b")
    stream.end(inv)
    stream.commit()
    (inv,) = stream.begin()
    stream.start(inv)
    stream.found("lost-update", "m", keys=["ledger"])
    stream.end(inv)
    stream.commit()
    return record(folder / "plain.stepscope", stream.finish())


def test_ascii_draws_ascii_only_and_in_no_color_there_is_none(plain_run: Path) -> None:
    with Terminal(command(plain_run, "--ascii"), columns=80, rows=24, env={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("seq 1/", "1 events", "help")
        for keys in ["s", "n", "7", "2", "3", "4", "5", "1", "?", "escape", "/", "escape"]:
            terminal.press(keys, timeout=0.3)
            assert terminal.text.isascii(), (keys, terminal.text)
        terminal.wait_for(">1 events", "help")
        terminal.send("ctrl+p")
        terminal.wait_for("a command")
        assert terminal.text.isascii(), terminal.text
        terminal.send("escape")
        terminal.wait_for(">1 events", "help", gone=["a command"])
        shown = terminal.text
        assert shown.isascii()
        assert any(line.startswith(">") and "k2" in line for line in terminal.lines), shown
        colours = {(cell.fg, cell.bg) for row in terminal.screen.buffer.values() for cell in row.values()}
        assert colours == {("default", "default")}
        terminal.send("q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize(("columns", "rows"), [(59, 24), (80, 15), (20, 3), (7, 1)])
def test_a_terminal_that_is_too_small_says_so_and_recovers(plain_run: Path, columns: int, rows: int) -> None:
    with Terminal(command(plain_run), columns=columns, rows=rows) as terminal:
        terminal.wait_for("Too small"[: columns - 1])
        terminal.resize(80, 24)
        terminal.wait_for("seq 1/", "1 events", "help", gone=["Too small"])
        terminal.send("s")
        terminal.wait_for("seq 2/")
        terminal.resize(columns, rows)
        terminal.wait_for("Too small"[: columns - 1])
        terminal.send("q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize(
    ("columns", "rows"), [(60, 16), (80, 24), (100, 30), (139, 40), (140, 30), (160, 45), (250, 80)]
)
async def test_everything_fits_at_every_size(plain_run: Path, columns: int, rows: int) -> None:
    app = DebuggerApp(str(plain_run), seq=9, analyse=False)
    async with app.run_test(size=(columns, rows)) as pilot:
        await app.workers.wait_for_complete()
        await pilot.pause()
        titles = "".join(lines_of(app.query_one("#titles-above")) + lines_of(app.query_one("#titles-below")))
        assert all(f" {panel}" in titles for panel in app.panels), titles
        for name in app.arrangement.visible():
            region = app.panels[name].region
            assert region.width >= 20, name
            assert region.height >= 4, name
        assert any(line.startswith("▶") for line in lines_of(app.panels["events"]))
        status = lines_of(app.query_one("#status"))[0]
        assert all(part in status for part in ("hand", "1/2", f"seq 9/{app.session.run.last}", "REPLAY"))
    app.recording.close()


async def test_what_arrives_while_the_help_is_open_harms_nothing(plain_run: Path) -> None:
    app = DebuggerApp(str(plain_run))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("?")
        await app.workers.wait_for_complete()
        await pilot.resize_terminal(160, 45)
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert "inspector" in app.arrangement.visible()
        assert app.session.findings
    app.recording.close()


async def test_a_damaged_recording_is_said_and_the_rest_can_be_seen(tmp_path: Path) -> None:
    path = record(tmp_path / "long.stepscope", long_stream(6_000))
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT rowid, events FROM blocks ORDER BY rowid").fetchall()
        middle, block = rows[len(rows) // 2]
        connection.execute("UPDATE blocks SET events = ? WHERE rowid = ?", (block[: len(block) // 2], middle))
    connection.close()
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await app.workers.wait_for_complete()
        await pilot.pause()
        for text in ("50%", "60%", "100%"):
            await pilot.press(":", *text, "enter")
            await pilot.pause()
        assert app.is_running
        await pilot.press("home", "s")
        await pilot.pause()
        assert app.session.seq == 2
        assert "agent0" in "".join(lines_of(app.panels["events"]))
    app.recording.close()
