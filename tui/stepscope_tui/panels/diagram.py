"""The space-time diagram: executors as lanes, supersteps as columns, messages as wires over the barriers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from stepscope_tui.drawing.diagram import DiagramDrawing, Shading
from stepscope_tui.drawing.glyphs import glyphs_of
from stepscope_tui.drawing.rows import Row
from stepscope_tui.looks import looks_of
from stepscope_tui.messages import Goto
from stepscope_tui.widgets.lines import Motion

if TYPE_CHECKING:
    from stepscope_tracing import Run

_NARROWEST, _LOWEST = 12, 2
_PAUSE_S = 0.01


class Diagram(Widget, can_focus=True, inherit_bindings=False):
    """Shows the run around the cursor. Right and left step through the events, up and down through the lanes.

    `shading` tells how each event stands to the cursor; without it, what comes later in `seq` is dimmed.
    """

    ALLOW_SELECT = False

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
        self._preparing = False
        self._counting = False

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
        self.refresh()
        if not self._preparing:
            self._preparing = self.call_after_refresh(self._prepare)

    def _prepare(self) -> None:
        counted, self._preparing = self._counting, False
        if self._drawing is None or self._run is None or not self.is_attached:
            return
        self._counting = not self._drawing.prepare(self._seq)
        if self._counting:
            self._preparing = True
            self.set_timer(_PAUSE_S, self._prepare)
        elif counted:  # what could not be said before can be now
            self.show(self._run, self._seq)

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

    def render_line(self, y: int) -> Strip:
        """One row."""
        if y < len(self._rows):
            return Strip(self._rows[y], self.size.width)
        return Strip([Segment(" " * self.size.width, Style.null())], self.size.width)

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
