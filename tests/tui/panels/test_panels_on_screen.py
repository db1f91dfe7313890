"""The three panels in an application: they ask for moves, show what they are told, and fit any size."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from textual.app import App, ComposeResult
from textual.events import MouseScrollDown, MouseScrollUp
from textual.widget import Widget

from stepscope.events import AnyEvent
from stepscope_tracing import Run
from stepscope_tui.describe import executor_of
from stepscope_tui.looks import Looks
from stepscope_tui.messages import Goto, SelectKey
from stepscope_tui.panel import Moves, Panel, Zooms
from stepscope_tui.panels.contention import ContentionPanel
from stepscope_tui.panels.diagram import Diagram
from stepscope_tui.panels.state import StatePanel
from stepscope_tui.widgets.rows import Motion
from support.random_streams import random_stream
from support.streams import Stream, live, reducer, snapshot

PANELS: list[Callable[[], Widget]] = [Diagram, StatePanel, ContentionPanel]


class Host(App[None]):
    """A panel, a cursor, and what the panel asked for."""

    def __init__(self, panel: Widget, run: Run, ascii_only: bool = False) -> None:
        super().__init__()
        self.looks = Looks(ascii_only)
        self.panel = panel
        self.run_shown = run
        self.asked: list[object] = []
        self.seq = 1

    def compose(self) -> ComposeResult:
        yield self.panel

    def on_mount(self) -> None:
        self.goto(1)

    def goto(self, seq: int) -> None:
        self.seq = seq
        assert isinstance(self.panel, Panel)
        self.panel.show(self.run_shown, seq)

    def on_goto(self, message: Goto) -> None:
        self.asked.append(("goto", message.seq))
        self.goto(message.seq)

    def on_select_key(self, message: SelectKey) -> None:
        self.asked.append(("key", message.scope, message.key))


def screen(panel: Widget) -> list[str]:
    return [panel.render_line(y).text for y in range(panel.size.height)]


def events() -> list[AnyEvent]:
    """Two writers of a live key in the second superstep, one of whom waits; a reducer, a map, and a deletion."""
    stream = Stream(
        "ann", "bob", "cat", keys=[live("ledger", 0), reducer("hits", 0), snapshot("plan", {"a": 1, "b": [1]})]
    )
    (a,) = stream.begin()
    stream.start(a)
    stream.set(a, "plan", {"a": 2, "b": [1] * 30})
    stream.send(a, 1, "bob")
    stream.send(a, 1, "cat")
    stream.end(a)
    stream.commit()
    b, c = stream.begin()
    stream.start(b)
    stream.start(c)
    stream.hold(b, "ledger")
    stream.hold(c, "ledger")
    stream.set(b, "ledger", 1)
    stream.release(b, "ledger")
    stream.set(c, "ledger", 2)
    stream.add(c, "hits", 5)
    stream.release(c, "ledger")
    stream.end(b)
    stream.end(c)
    stream.commit()
    return stream.finish()


def run_of(recorded: list[AnyEvent]) -> Run:
    run = Run.of_events(recorded)
    run.build_index()
    return run


def seq_of(run: Run, kind: str, executor: str) -> int:
    found = run.next(0, kinds=(kind,), executor=executor)
    assert found is not None
    return found


@pytest.mark.parametrize("motion", ["left", "right", "up", "down", "page-up", "page-down", "top", "bottom"])
async def test_the_diagram_asks_to_be_moved(motion: Motion) -> None:
    run = run_of(events())
    app = Host(Diagram(), run)
    async with app.run_test(size=(80, 14)) as pilot:
        start = seq_of(run, "lock-acquired", "bob")
        app.goto(start)
        assert isinstance(app.panel, Moves)
        assert app.panel.motion(motion)
        await pilot.pause()
        spans = run.supersteps()
        expected = {
            "left": start - 1, "right": start + 1, "page-up": spans[1].first, "page-down": None,
            "top": 1, "bottom": run.last,
        }  # fmt: skip
        if motion in ("up", "down"):
            assert len(app.asked) == 1
            assert executor_of(run.event(app.seq)) == {"up": "ann", "down": "cat"}[motion]
        else:
            assert app.asked == ([("goto", expected[motion])] if expected[motion] else [])


async def test_a_click_in_the_diagram_goes_there_and_the_wheel_steps() -> None:
    run = run_of(events())
    app = Host(Diagram(), run)
    async with app.run_test(size=(80, 14)) as pilot:
        start = seq_of(run, "state-written", "ann")
        app.goto(start)
        row = next(y for y, line in enumerate(screen(app.panel)) if line.startswith("▸ann"))
        x = screen(app.panel)[row].index("●")
        app.goto(1)
        await pilot.click(app.panel, offset=(x, row))
        assert app.asked == [("goto", start)]
        app.panel.post_message(MouseScrollDown(app.panel, x, row, 0, 1, 0, False, False, False))
        await pilot.pause()
        assert app.asked[-1] == ("goto", start + 1)
        app.panel.post_message(MouseScrollUp(app.panel, x, row, 0, -1, 0, False, False, False))
        await pilot.pause()
        assert app.asked[-1] == ("goto", start)


async def test_zooming_out_and_fitting() -> None:
    run = run_of(random_stream(random.Random(5), supersteps=30, executors=4))
    app = Host(Diagram(), run)
    async with app.run_test(size=(80, 12)) as pilot:
        assert isinstance(app.panel, Diagram)
        assert isinstance(app.panel, Zooms)
        close = screen(app.panel)
        app.panel.zoom(-1)
        await pilot.pause()
        assert screen(app.panel) != close
        app.panel.zoom(1)
        await pilot.pause()
        assert screen(app.panel) == close
        app.panel.zoom(0)
        await pilot.pause()
        level = app.panel.drawing.level if app.panel.drawing else -1
        app.goto(run.last)
        assert app.panel.drawing is not None
        assert app.panel.drawing.level == level


async def test_moving_in_the_state_selects_keys_and_enter_unfolds() -> None:
    run = run_of(events())
    app = Host(StatePanel(), run)
    async with app.run_test(size=(60, 12)) as pilot:
        app.goto(seq_of(run, "barrier-arrived", "bob"))
        panel = app.panel
        assert isinstance(panel, StatePanel)
        row = next(y for y, line in enumerate(screen(panel)) if "plan" in line)
        panel.move_cursor(row - 1)
        panel.motion("down")
        await pilot.pause()
        assert app.asked[-1] == ("key", 0, "plan")
        before = screen(panel)
        panel.motion("open")
        await pilot.pause()
        after = screen(panel)
        assert any("list of 30" in line for line in after)
        panel.motion("open")
        await pilot.pause()
        assert screen(panel) == before


async def test_the_state_before_and_after_a_step() -> None:
    run = run_of(events())
    app = Host(StatePanel(), run)
    async with app.run_test(size=(60, 12)):
        written = run.events(kinds=("state-written",), executor="bob")[0].seq
        app.goto(written)
        assert any("~" in line and "0 → 1" in line for line in screen(app.panel))
        app.goto(written + 1)
        assert not any("→ 1" in line for line in screen(app.panel))
        pending = run.events(kinds=("state-written",), executor="ann")[0].seq
        app.goto(pending)
        assert any("ann →" in line and "until barrier 1" in line for line in screen(app.panel))
        committed = run.next(pending, kinds=("committed",))
        assert committed is not None
        app.goto(committed)
        assert not any("until barrier" in line for line in screen(app.panel))
        assert any(line.split()[:3] == ["~", "a", "1"] for line in screen(app.panel))
        started = run.supersteps()[1].first
        app.goto(started)
        assert any(line.split()[:3] == ["~", "a", "1"] for line in screen(app.panel)), "the step over the barrier"


async def test_contention_shows_the_lock_the_waiter_and_the_barrier() -> None:
    run = run_of(events())
    app = Host(ContentionPanel(), run)
    async with app.run_test(size=(90, 14)) as pilot:
        waiting = seq_of(run, "lock-waiting", "cat")
        app.goto(waiting)
        text = "\n".join(screen(app.panel))
        assert "bob holds ledger" in text
        assert "cat waits to hold" in text
        assert "ledger" in text
        assert "Barrier 2" in text
        panel = app.panel
        assert isinstance(panel, ContentionPanel)
        panel.move_cursor(next(y for y, line in enumerate(screen(panel)) if line.lstrip("▶ ").startswith("k1")))
        panel.motion("open")
        await pilot.pause()
        assert app.asked == [("goto", run.supersteps()[0].first)]


async def test_without_locks_contention_says_so() -> None:
    stream = Stream("a")
    (a,) = stream.begin()
    stream.start(a)
    stream.end(a)
    stream.commit()
    app = Host(ContentionPanel(), run_of(stream.finish()))
    async with app.run_test(size=(80, 8)):
        assert "No executor held or waited for a lock in this run." in screen(app.panel)[0]


@pytest.mark.parametrize("make", PANELS)
@pytest.mark.parametrize("size", [(1, 1), (10, 2), (28, 9), (50, 9), (80, 24), (160, 45)])
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_panels_fit_any_size(make: Callable[[], Widget], size: tuple[int, int], ascii_only: bool) -> None:
    recorded = random_stream(random.Random(7), supersteps=5, executors=6)
    app = Host(make(), run_of(recorded), ascii_only)
    async with app.run_test(size=size):
        for seq in range(1, len(recorded), 11):
            app.goto(seq)
            for y in range(app.panel.size.height):
                strip = app.panel.render_line(y)
                assert strip.cell_length == app.panel.size.width
                assert not ascii_only or strip.text.isascii(), strip.text


@pytest.mark.parametrize("make", PANELS)
async def test_going_back_shows_what_going_forward_showed(make: Callable[[], Widget]) -> None:
    recorded = random_stream(random.Random(11), supersteps=4, executors=4)
    app = Host(make(), run_of(recorded))
    async with app.run_test(size=(70, 40)):
        seqs = range(1, len(recorded), 5)
        forward = {}
        for seq in seqs:
            app.goto(seq)
            forward[seq] = screen(app.panel)
        for seq in reversed(seqs):
            app.goto(seq)
            assert screen(app.panel) == forward[seq]


@pytest.mark.parametrize("make", PANELS)
async def test_panels_work_before_the_index_is_ready(make: Callable[[], Widget]) -> None:
    recorded = random_stream(random.Random(3), supersteps=6, executors=4)
    run = Run.of_events(recorded)
    app = Host(make(), run)
    async with app.run_test(size=(80, 20)):
        for seq in range(1, run.last, 9):
            app.goto(seq)
        assert not run.index_ready
        early = screen(app.panel)
        run.build_index()
        app.goto(app.seq)
        assert len(screen(app.panel)) == len(early)
