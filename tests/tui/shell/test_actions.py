"""Every action of the registry, by its key, in the running debugger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from stepscope.events import AnyEvent
from stepscope.findings import Finding
from stepscope_tui.actions import ACTIONS
from stepscope_tui.app import DebuggerApp
from stepscope_tui.help import HelpScreen
from stepscope_tui.keymap import KEYMAPS, load
from stepscope_tui.panels.events import EventsPanel
from support.random_streams import long_stream
from support.recorded import record
from support.screen import footer_of, lines_of, panels_of
from support.streams import Stream, live, snapshot


def a_run() -> list[AnyEvent]:
    """Two supersteps, three executors, a contended lock and a finding; the handlers' source is this file."""
    stream = Stream(
        "a", "b", "c", keys=[live("ledger", 0), snapshot("note", {"x": [1, 2, {"y": "deep"}]})], file=__file__
    )
    (inv,) = stream.begin()
    stream.start(inv)
    for target in ("b", "c"):
        stream.send(inv, f"to {target}", target)
    stream.set(inv, "note", "written")
    stream.end(inv)
    stream.commit()
    b, c = stream.begin()
    stream.start(b)
    stream.start(c)
    stream.hold(b, "ledger")
    stream.hold(c, "ledger")
    stream.set(b, "ledger", 1)
    stream.release(b, "ledger")
    stream.set(c, "ledger", 2)
    stream.found("lost-update", "an update was lost", executors=["b", "c"], keys=["ledger"])
    stream.output(c, "done")
    stream.end(b)
    stream.end(c)
    stream.commit()
    return stream.finish()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return record(tmp_path / "run.stepscope", a_run())


def first(app: DebuggerApp, kind: str, number: int = 0) -> int:
    """`seq` of the n-th event of a kind."""
    return app.session.run.events(kinds=(kind,))[number].seq


class Case(NamedTuple):
    """From the event `start`, after the keys `before`, the action's key makes `then` true."""

    start: Callable[[DebuggerApp], int]
    then: Callable[[DebuggerApp], bool]
    before: Sequence[str] = ()


def on(kind: str, number: int = 0) -> Callable[[DebuggerApp], int]:
    return lambda app: first(app, kind, number)


def moved(kind: str, number: int = 0) -> Callable[[DebuggerApp], bool]:
    """The cursor is on that event, and the log and the status line show it."""

    def then(app: DebuggerApp) -> bool:
        seq = first(app, kind, number)
        shown = panels_of(app)
        marked = [line for line in shown["events"] if line.startswith("▶")]
        return (
            app.session.seq == seq
            and f"seq {seq}/{app.session.run.last}" in shown["status"][0]
            and marked[0].split()[1 if marked[0][1] == " " else 0].lstrip("▶") == str(seq)
        )

    return then


def at_start(app: DebuggerApp) -> int:
    return 1


def focused(panel: str) -> Callable[[DebuggerApp], bool]:
    return lambda app: app.focused is app.panels[panel] and panel in app.arrangement.visible()


def cursor(panel: str, row: int) -> Callable[[DebuggerApp], bool]:
    return lambda app: getattr(app.panels[panel], "cursor", None) == row


def says(text: str) -> Callable[[DebuggerApp], bool]:
    return lambda app: text in footer_of(app)


def asks(kind: str) -> Callable[[DebuggerApp], bool]:
    return lambda app: getattr(app.focused, "kind", None) == kind


def select_ledger(app: DebuggerApp) -> int:
    app.session.select_key("ledger")
    return first(app, "state-written", 1)


def zoom_level(app: DebuggerApp) -> int | None:
    drawing = getattr(app.panels["diagram"], "drawing", None)
    return None if drawing is None else drawing.level


CASES: dict[str, Case] = {
    "next-event": Case(on("sent"), moved("sent", 1)),
    "previous-event": Case(on("sent", 1), moved("sent")),
    "next-superstep": Case(on("sent"), moved("superstep-started", 1)),
    "previous-superstep": Case(on("lock-waiting"), moved("superstep-started", 1)),
    "finish-handler": Case(on("sent"), moved("handler-ended")),
    "handler-start": Case(on("sent", 1), moved("handler-started")),
    "lane-next": Case(on("sent", 1), moved("state-written")),
    "lane-previous": Case(on("state-written"), moved("sent", 1)),
    "first": Case(on("sent"), moved("run-started")),
    "last": Case(on("sent"), moved("run-ended")),
    "play": Case(at_start, says("Playing")),
    "goto": Case(at_start, asks("goto")),
    "search": Case(at_start, asks("search")),
    "next-match": Case(at_start, says("Nothing was searched for yet.")),
    "previous-match": Case(at_start, says("Nothing was searched for yet.")),
    "filter": Case(at_start, asks("filter")),
    "next-finding": Case(at_start, moved("finding")),
    "previous-finding": Case(lambda app: app.session.run.last, moved("finding")),
    "bookmark": Case(on("sent"), lambda app: app.session.bookmarks == [first(app, "sent")]),
    "next-bookmark": Case(on("sent"), says("This is the only bookmark."), ["m"]),
    "next-write": Case(select_ledger, moved("state-written", 2)),
    "previous-write": Case(lambda app: select_ledger(app) and app.session.run.last, moved("state-written", 2)),
    "cause": Case(on("delivered", 1), moved("sent")),
    "effect": Case(on("sent"), moved("delivered", 1)),
    "up": Case(on("sent", 1), moved("sent")),
    "down": Case(on("sent"), moved("sent", 1)),
    "left": Case(on("sent", 1), moved("sent")),
    "right": Case(on("sent"), moved("sent", 1)),
    "page-up": Case(lambda app: app.session.run.last, lambda app: 1 < app.session.seq < app.session.run.last - 5),
    "page-down": Case(at_start, lambda app: 5 < app.session.seq < app.session.run.last),
    "top": Case(on("sent"), moved("run-started")),
    "bottom": Case(on("sent"), moved("run-ended")),
    "open": Case(at_start, lambda app: app.session.seq == first(app, "finding"), ["3"]),
    "close": Case(
        at_start, lambda app: app.arrangement.maximised is None and "state" in app.arrangement.visible(), ["z"]
    ),
    "panel-events": Case(at_start, focused("events"), ["3"]),
    "panel-contention": Case(at_start, focused("contention")),
    "panel-findings": Case(at_start, lambda app: "lost-update" in "".join(lines_of(app.panels["findings"])[:1])),
    "panel-source": Case(on("sent"), lambda app: any("▶" in x for x in lines_of(app.panels["source"]))),
    "panel-inspector": Case(on("sent"), lambda app: "sent" in "".join(lines_of(app.panels["inspector"])[:1])),
    "panel-diagram": Case(at_start, focused("diagram")),
    "panel-state": Case(at_start, focused("state")),
    "order": Case(on("sent", 1), lambda app: "sent" in lines_of(app.panels["events"])[1] and says("Messages")(app)),
    "maximise": Case(at_start, lambda app: app.arrangement.visible() == ("events",)),
    "zoom-in": Case(at_start, lambda app: zoom_level(app) is not None),
    "zoom-out": Case(at_start, lambda app: zoom_level(app) is not None),
    "fit": Case(at_start, lambda app: zoom_level(app) is not None),
    "follow": Case(at_start, says("This run is over")),
    "copy-link": Case(on("sent"), lambda app: f"#seq={first(app, 'sent')}" in app.clipboard and says("Copied")(app)),
    "help": Case(at_start, lambda app: isinstance(app.screen, HelpScreen)),
    "palette": Case(at_start, lambda app: type(app.screen).__name__ == "CommandPalette"),
    "quit": Case(at_start, lambda app: not app.is_running or app._exit),
}


TRUE_BEFORE = {"zoom-in", "zoom-out", "fit"}
"""Actions whose effect has a test of its own."""


def test_no_action_is_forgotten() -> None:
    assert set(CASES) == set(ACTIONS)


async def press(pilot: Pilot[None], app: DebuggerApp, *keys: str) -> None:
    """Press keys as a keymap file names them."""
    for key in keys:
        await pilot.press(key)
    await pilot.pause()


async def test_every_action_does_what_it_says(path: Path) -> None:
    """One debugger for all: each case begins at its event, with the panels as they are at first."""
    app = DebuggerApp(str(path), analyse=False)
    failed = []
    async with app.run_test(size=(100, 30)) as pilot:
        app.session.run.build_index()
        for name, case in CASES.items():
            while len(app.screen_stack) > 1:
                await app.pop_screen()
            if app.playing:
                app.do_play()
            app.query_one(EventsPanel).focus()
            app.session.bookmarks, app.session.key = [], None
            app.query_one(EventsPanel).by_message = False
            app.arrangement.maximised = None
            app.do_panel("events")
            app.session.goto(case.start(app))
            app.show()
            app.say("")
            await press(pilot, app, *case.before)
            if name not in TRUE_BEFORE and case.then(app):
                failed.append(f"{name}: true before its key")
            await press(pilot, app, load()[name][0])
            if not case.then(app):
                failed.append(f"{name}: at {app.session.seq}")
    app.recording.close()
    assert not failed, failed


async def test_zoom_changes_the_level_and_back(path: Path) -> None:
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        app.session.run.build_index()
        app.show()
        before = zoom_level(app)
        await press(pilot, app, "-")
        out = zoom_level(app)
        await press(pilot, app, "+")
        assert out != before
        assert zoom_level(app) == before


@pytest.mark.parametrize("keymap", KEYMAPS)
async def test_each_keymap_steps_with_its_own_keys(path: Path, keymap: str) -> None:
    app = DebuggerApp(str(path), seq=10, keymap=keymap, analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        for key in load(keymap)["next-event"]:
            before = app.session.seq
            await press(pilot, app, key)
            assert app.session.seq == before + 1, key
        for key in load(keymap)["previous-event"]:
            before = app.session.seq
            await press(pilot, app, key)
            assert app.session.seq == before - 1, key
        await press(pilot, app, load(keymap)["help"][0])
        shown = lines_of(app.screen.query("LineView").first())
        assert any("next event" in line and load(keymap)["next-event"][0].lower() in line.lower() for line in shown)
    app.recording.close()


async def test_searching(path: Path) -> None:
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, app, "/", *"to c", "enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.session.seq == first(app, "sent", 1)
        assert app.focused is app.panels["events"]
        await press(pilot, app, ">")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.session.seq == first(app, "delivered", 2)
        await press(pilot, app, "<")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.session.seq == first(app, "sent", 1)
        await press(pilot, app, "/", *"nowhere", "enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert footer_of(app) == "“nowhere” is not in this run."
    app.recording.close()


async def test_going_to_a_place(path: Path) -> None:
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, app, ":", "k", "2", "enter")
        assert app.session.seq == first(app, "superstep-started", 1)
        await press(pilot, app, ":", "9", "9", "9", "enter")
        assert footer_of(app).startswith("There is no event 999; the run has 1 to")
        await press(pilot, app, ":", "1", "escape")
        assert app.focused is app.panels["events"]
        assert not app.query("Prompt")
    app.recording.close()


async def test_the_focus_comes_back_from_a_prompt_however_it_is_left(path: Path) -> None:
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, app, "7", "/", "escape")
        assert focused("state")(app)
        await press(pilot, app, "/", "ctrl+p")
        await press(pilot, app, "escape", "escape")
        assert focused("state")(app)
        await press(pilot, app, "/", "tab")
        assert app.focused in app.panels.values()
        assert not app.query("Prompt")
    app.recording.close()


async def test_enter_inspects_the_event_and_escape_goes_back_to_the_log(path: Path) -> None:
    app = DebuggerApp(str(path), seq=5, analyse=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.workers.wait_for_complete()
        await press(pilot, app, "enter")
        assert focused("inspector")(app)
        assert "seq 5" in lines_of(app.panels["inspector"])[0]
        await press(pilot, app, "escape")
        assert focused("events")(app)
        await press(pilot, app, "7", "escape")
        assert focused("events")(app)
    app.recording.close()


async def test_filtering_and_showing_all_again(path: Path) -> None:
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, app, "\\", *"locks b", "enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
        run = app.session.run
        expected = run.events(kinds=("lock-waiting", "lock-acquired", "lock-released"), executor="b")
        assert len([line for line in lines_of(app.panels["events"]) if line]) == len(expected)
        assert footer_of(app) == f"{len(expected)} of {run.last} events are shown; Esc shows all."
        await press(pilot, app, "down")
        assert app.session.seq in {event.seq for event in expected}
        await press(pilot, app, "escape")
        assert len([line for line in lines_of(app.panels["events"]) if line]) > len(expected)
        await press(pilot, app, "\\", *"frobnicate", "enter")
        assert "'frobnicate' is no executor here and no kind of event" in footer_of(app)
    app.recording.close()


async def test_playing_reaches_the_end_and_stops(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepscope_tui.stepping._PLAY_S", 0.001)
    app = DebuggerApp(str(path), seq=10**6, analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, app, "S", "S", "space")
        while app.playing:
            await pilot.pause(0.01)
        assert app.session.seq == app.session.run.last
        assert footer_of(app) == "This is the last event."
    app.recording.close()


async def test_analysis_adds_its_findings(path: Path) -> None:
    app = DebuggerApp(str(path))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await press(pilot, app, "3")
        assert app.session.findings
        assert lines_of(app.query_one("#titles-below"))[0].count(f"▲{len(app.session.findings)}") == 1
    app.recording.close()


async def test_the_palette_does_an_action(path: Path) -> None:
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await press(pilot, app, "ctrl+p")
        palette = app.screen
        await press(pilot, app, *"last event of")
        options = palette.query_one(OptionList)
        while not options.option_count or options.highlighted is None:
            await pilot.pause()
        await press(pilot, app, "enter")
        while app.screen is palette:
            await pilot.pause()
        await pilot.pause()
        assert app.session.seq == app.session.run.last
    app.recording.close()


async def test_titles_and_the_scrubber_can_be_clicked(path: Path) -> None:
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        title = lines_of(app.query_one("#titles-below"))[0]
        await pilot.click("#titles-below", offset=(title.index("findings"), 0))
        assert focused("findings")(app)
        await pilot.click("#scrubber", offset=(97, 0))
        await pilot.pause()
        assert app.session.seq > app.session.run.last * 0.9
        await pilot.click("#scrubber", offset=(0, 0))
        await pilot.pause()
        assert app.session.seq == 1
    app.recording.close()


async def test_another_run_of_the_recording_is_opened_from_the_palette(path: Path) -> None:
    record(path, long_stream(300, run_id="second"))
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(160, 45)) as pilot:
        await app.workers.wait_for_complete()
        assert "run 2/2" in lines_of(app.status)[0]
        await press(pilot, app, "n", "m", "y")
        assert "run=" not in app.clipboard
        await press(pilot, app, "ctrl+p")
        palette = app.screen
        await press(pilot, app, *"show run 1")
        options = palette.query_one(OptionList)
        while not options.option_count or options.highlighted is None:
            await pilot.pause()
        await press(pilot, app, "enter")
        while app.screen is palette:
            await pilot.pause()
        await app.workers.wait_for_complete()
        await press(pilot, app, "s", "y")
        shown = panels_of(app)
        assert "run 1/2" in shown["status"][0]
        assert f"seq 2/{len(a_run())}" in shown["status"][0]
        assert any("begins: 1 delivery to a" in line for line in shown["events"])
        assert app.session.bookmarks == []
        assert "#run=run-1&seq=2" in app.clipboard
    app.recording.close()


async def test_enter_walks_through_the_events_of_a_finding(path: Path) -> None:
    app = DebuggerApp(str(path), analyse=False)
    async with app.run_test(size=(100, 30)) as pilot:
        await app.workers.wait_for_complete()
        one = Finding(kind="lost-update", message="m", remedy="r", clause="STA-9", superstep=2, seqs=[4, 9, 12])
        two = Finding(kind="straggler", message="m", remedy="r", clause="PAR-1", superstep=2, seqs=[6])
        app.session.set_findings([two, one])
        app.findings_panel.put([two, one], complete=True)
        await press(pilot, app, "3")
        visited = []
        for _ in range(4):
            await press(pilot, app, "enter")
            visited.append(app.session.seq)
        assert visited == [4, 9, 12, 4]
        await press(pilot, app, "e")
        assert app.session.seq == 6
        assert "straggler" in next(line for line in lines_of(app.findings_panel) if line.startswith("▶"))
    app.recording.close()
