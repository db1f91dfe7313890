"""The space-time diagram: executors as lanes, supersteps as columns, messages as wires over the barriers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import events
from textual.strip import Strip

from stepscope_tui.drawing.diagram import DiagramDrawing, Shading
from stepscope_tui.drawing.glyphs import glyphs_of
from stepscope_tui.drawing.rows import Row
from stepscope_tui.looks import looks_of
from stepscope_tui.messages import Goto
from stepscope_tui.widgets.painted import Painted
from stepscope_tui.widgets.rows import Motion

if TYPE_CHECKING:
    from stepscope_tracing import Run

_NARROWEST, _LOWEST = 12, 2


class Diagram(Painted, can_focus=True, inherit_bindings=False):
    """Shows the run around the cursor. Right and left step through the events, up and down through the lanes.

    `shading` tells how each event stands to the cursor; without it, what comes later in `seq` is dimmed.
    """

    DEFAULT_CSS = """
    Diagram { height: 1fr; width: 1fr; }
    """

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        """Empty until shown a run."""
        super().__init__(name=name, id=id, classes=classes)
        self.shading: Shading | None = None
        self._run: Run | None = None
        self._seq = 1
        self._level: int | None = None
        self._drawing: DiagramDrawing | None = None
        self._made_for: tuple[object, ...] = ()
        self._rows: list[Row] = []

    @property
    def drawing(self) -> DiagramDrawing | None:
        """The drawing behind the panel; None before there is a run and room for it."""
        return self._drawing

    def show(self, run: Run, seq: int) -> None:
        """Show the run as of `seq`."""
        self._run, self._seq = run, seq
        width, height = self.size
        if width < _NARROWEST or height < _LOWEST:
            self._drawing, self._rows = None, []
            return
        looks = looks_of(self)
        made_for = (run, run.last, width, height, looks)
        if self._drawing is None or made_for != self._made_for:
            self._drawing = DiagramDrawing(run, width, height, glyphs_of(looks), self._level)
            self._made_for = made_for
        self._drawing.shading = self.shading
        self._rows = self._drawing.rows(seq)
        self.repaint()

    def prepare(self, run: Run, seq: int) -> Iterator[None]:
        """Draw around `seq`; at the moment shown, count what could not be counted yet, and show it."""
        drawing = self._drawing
        if drawing is None or run is not self._run:
            return
        yield from drawing.prepare(seq)
        if seq == self._seq and not drawing.count(seq):
            yield
            while not drawing.count(seq):
                yield
            self.show(run, seq)

    def motion(self, motion: Motion) -> bool:
        """Right and left: events; up and down: lanes; a page: a superstep; top and bottom: the run's ends."""
        run, seq = self._run, self._seq
        if run is None or self._drawing is None:
            return False
        target: int | None
        if motion in ("left", "right"):
            target = seq + (1 if motion == "right" else -1)
        elif motion in ("up", "down"):
            target = self._drawing.seq_in_next_lane(seq, 1 if motion == "down" else -1)
        elif motion in ("page-up", "page-down"):
            target = self._drawing.seq_in_next_superstep(seq, 1 if motion == "page-down" else -1)
        elif motion in ("top", "bottom"):
            target = run.last if motion == "bottom" else 1
        else:
            return False
        if target is not None and 1 <= target <= run.last and target != seq:
            self.post_message(Goto(target))
        return True

    def zoom(self, by: int) -> None:
        """1 in, -1 out, 0 fit all of the run into the width."""
        if self._drawing is None or self._run is None:
            return
        if by:
            self._drawing.set_level(self._drawing.level - by)
        else:
            self._drawing.fit()
        self._level = self._drawing.level
        self.show(self._run, self._seq)

    def make_lines(self, width: int, height: int) -> list[Strip]:
        """The rows of the drawing over the theme's colours."""
        base = self.base
        rows = self._rows or [[Segment(" " * width)]] * height
        return [Strip(Segment.apply_style(row, base), width) for row in rows[:height]]

    def on_resize(self) -> None:
        """Draw anew for the room there is."""
        if self._run is not None:
            self.show(self._run, self._seq)

    def on_click(self, event: events.Click) -> None:
        """Go to the event under the mouse."""
        event.stop()
        if self._drawing is not None:
            self.post_message(Goto(self._drawing.seq_at(self._seq, event.x, event.y)))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """On through the events."""
        event.stop()
        self.motion("right")

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Back through the events."""
        event.stop()
        self.motion("left")
