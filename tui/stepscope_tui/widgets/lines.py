"""A list of any length of which only the visible rows are ever made: the base of the log, the trees and the tables.

Rows come from a provider and are drawn through Textual's line API. Moving the cursor repaints two lines; scrolling
repaints from a cache of rows. The view scrolls itself and draws its own scroll bar in its last column, because a
native scroll view takes part in layout: each change of the number of rows would lay out the whole screen again.
Call `set_rows` or `invalidate` when rows have changed; what is the same afterwards is not painted again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.message import Message
from textual.strip import Strip

from stepscope_tui.looks import looks_of

from .painted import Painted
from .rows import ListRows, Motion, Rows

_WHEEL_ROWS = 3
_CACHED_ROWS = 2048
_CACHED_LINES = 512


class LineView(Painted, can_focus=True, inherit_bindings=False):
    """A virtual list with a cursor row.

    Subclasses override `motion`, or handle `Moved` (the person moved the cursor) and `Chosen` (Enter, or a click on
    the cursor's row).
    """

    DEFAULT_CSS = """
    LineView { height: 1fr; width: 1fr; }
    """

    class Moved(Message):
        """The person moved the cursor to `row`."""

        def __init__(self, view: LineView, row: int) -> None:
            """`view`: which list."""
            super().__init__()
            self.view = view
            self.row = row

        @property
        def control(self) -> LineView:
            """The list it happened in."""
            return self.view

    class Chosen(Moved):
        """The person opened `row`."""

    def __init__(
        self,
        rows: Rows | None = None,
        *,
        cursor: bool = True,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """`cursor`: whether there is a cursor row (with its mark in the first column), or only scrolling."""
        super().__init__(name=name, id=id, classes=classes)
        self._rows: Rows = rows if rows is not None else ListRows([])
        self._has_cursor = cursor
        self._cursor = 0
        self._top = 0
        self._set = 0
        self._drawn_cells: LRUCache[Hashable, list[Segment]] = LRUCache(_CACHED_ROWS)
        self._drawn_lines: LRUCache[Hashable, Strip] = LRUCache(_CACHED_LINES)
        self._made_with: tuple[int, Style] | None = None
        self._dragging = False
        self._sized = False

    # what is shown

    @property
    def rows(self) -> Rows:
        """The provider."""
        return self._rows

    @property
    def cursor(self) -> int:
        """Row of the cursor; 0 when there are no rows."""
        return self._cursor

    @property
    def top(self) -> int:
        """First visible row."""
        return self._top

    @property
    def page(self) -> int:
        """How many rows are visible."""
        return max(1, self.size.height)

    def set_rows(self, rows: Rows, *, cursor: int | None = None) -> None:
        """Show other rows. The cursor goes to `cursor`, or stays where it was as far as there are rows."""
        self._rows = rows
        self._set += 1
        self._cursor = self._clamped(self._cursor if cursor is None else cursor)
        self._top = self._top_for(self._cursor)
        self.repaint()

    def invalidate(self, first: int = 0, last: int | None = None) -> None:
        """Rows `first` to `last` (inclusive; None: to the end) have changed, or their number has."""
        if last is None or last - first > _CACHED_LINES:
            self._forget()
        else:
            for key in map(self.key, range(first, last + 1)):
                self._drawn_cells.discard(key)
                for inside in (None, False, True):
                    self._drawn_lines.discard((key, inside))
        before, self._cursor = self._cursor, self._clamped(self._cursor)
        self._top = self._top_for(self._cursor) if before != self._cursor else self._clamped_top(self._top)
        self.repaint()

    def move_cursor(self, row: int, *, centre: bool = False) -> bool:
        """Put the cursor on `row` (clamped) and scroll it into view; says whether it moved. Posts nothing."""
        before = self._cursor, self._top
        self._cursor = self._clamped(row)
        self._top = self._top_for(self._cursor, centre=centre)
        if before != (self._cursor, self._top):
            self.repaint()
        return before[0] != self._cursor

    def scroll_rows(self, by: int) -> None:
        """Scroll by so many rows without moving the cursor."""
        top = self._clamped_top(self._top + by)
        if top != self._top:
            self._top = top
            self.repaint()

    def motion(self, motion: Motion) -> bool:
        """What a movement key does here; False if it means nothing to this list."""
        if not self._has_cursor:
            steps = {"up": -1, "down": 1, "page-up": 1 - self.page, "page-down": self.page - 1}
            count = self._rows.count
            steps |= {"top": -count, "bottom": count}
            if motion not in steps:
                return False
            self.scroll_rows(steps[motion])
            return True
        targets = {
            "up": self._cursor - 1,
            "down": self._cursor + 1,
            "page-up": self._cursor - max(1, self.page - 1),
            "page-down": self._cursor + max(1, self.page - 1),
            "top": 0,
            "bottom": self._rows.count - 1,
        }
        if motion == "open":
            if self._rows.count:
                self.post_message(self.Chosen(self, self._cursor))
            return True
        if motion not in targets:
            return False
        if self.move_cursor(targets[motion]):
            self.post_message(self.Moved(self, self._cursor))
        return True

    # drawing

    def key(self, index: int) -> Hashable:
        """What all that a row shows depends on: what was made for an equal key is shown again.

        Unless a subclass knows better, rows that are set are new.
        """
        return self._set, index

    def make_lines(self, width: int, height: int) -> list[Strip]:
        """Mark, row and scroll bar on each line; lines without the cursor are kept."""
        base, top, count = self.base, self._top, self._rows.count
        thumb = self._thumb(height)
        room = width - self._has_cursor - bool(thumb[1])
        if (room, base) != self._made_with:
            self._forget()
            self._made_with = room, base
        out: list[Strip] = []
        for y, index in enumerate(range(top, top + height)):
            if index >= count:
                out.append(Strip.blank(width, base))
                continue
            inside = thumb[0] <= y < thumb[0] + thumb[1] if thumb[1] else None
            if self._has_cursor and index == self._cursor:
                out.append(Strip(self._line(index, room, inside), width))
                continue
            key = self.key(index), inside
            line = self._drawn_lines.get(key)
            if line is None:
                line = self._drawn_lines[key] = Strip(self._line(index, room, inside), width)
            out.append(line)
        return out

    def prepare_row(self, row: int) -> Iterator[None]:
        """Make ahead of time the rows that would be in view with the cursor on `row`, a few before each item."""
        made_with = self._made_with
        top = self._top_for(self._clamped(row))
        for index in range(top, min(top + self.page, self._rows.count)):
            if made_with is None or made_with is not self._made_with:
                return
            key = self.key(index)
            if self._drawn_cells.get(key) is None:
                self._drawn_cells[key] = self.cells(self._rows.row(index), made_with[0])
                if index % 4 == 0:
                    yield

    def _line(self, index: int, room: int, inside: bool | None) -> list[Segment]:
        """The row as it stands on a line; `inside`: whether the bar's thumb is there, None for no bar."""
        base, key = self.base, self.key(index)
        cells = self._drawn_cells.get(key)
        if cells is None:
            cells = self._drawn_cells[key] = self.cells(self._rows.row(index), room)
        out: list[Segment] = []
        if self._has_cursor and index == self._cursor:
            over = self._cursor_style()
            out.append(Segment(looks_of(self).glyph("cursor"), base + over + Style(bold=self.has_focus)))
            out.extend(Segment.apply_style(cells, post_style=over))
        else:
            if self._has_cursor:
                out.append(Segment(" ", base))
            out.extend(cells)
        if inside is not None:
            out.append(self._bar_segment(inside, base))
        return out

    def _forget(self) -> None:
        self._drawn_cells.clear()
        self._drawn_lines.clear()

    def _cursor_style(self) -> Style:
        return Style.parse("on #1f4b7a" if self.has_focus else "on #2b3440")

    def _thumb(self, height: int) -> tuple[int, int]:
        """First line and height of the scroll bar's thumb on `height` lines; height 0 when all rows fit."""
        count = self._rows.count
        if count <= height:
            return 0, 0
        size = max(1, height * height // count)
        span = count - height
        return (height - size) * min(self._top, span) // span, size

    def _bar_segment(self, inside: bool, base: Style) -> Segment:
        looks = looks_of(self)
        glyph = ("#" if looks.ascii else "█") if inside else ("|" if looks.ascii else "│")
        return Segment(glyph, base + Style.parse("#5a6675" if inside else looks.style("rule")))

    # where things are

    def _clamped(self, row: int) -> int:
        return max(0, min(row, self._rows.count - 1))

    def _clamped_top(self, top: int) -> int:
        return max(0, min(top, self._rows.count - self.page))

    def _top_for(self, row: int, *, centre: bool = False) -> int:
        """Where to scroll for `row` to be visible.

        At an edge the view moves on by most of a page: what comes next is then in sight, and the following steps
        repaint two lines each instead of all.
        """
        top, page = self._top, self.page
        if not self._has_cursor or top <= row < top + page:
            return self._clamped_top(top)
        if row < top - page or row >= top + 2 * page or centre:
            return self._clamped_top(row - page // 2)
        return self._clamped_top(row - (page // 4 if row >= top + page else page - 1 - page // 4))

    # Textual's events

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor in view at the new size; with lines around it when there was no size before."""
        if not self._sized and self._cursor >= self.page:
            self._top = self._clamped_top(self._cursor - self.page // 2)
        self._sized = True
        self._top = self._top_for(self._cursor)

    def on_focus(self) -> None:
        """The cursor's mark shows the focus."""
        self.repaint()

    def on_blur(self) -> None:
        """The cursor's mark shows the focus."""
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll."""
        event.stop()
        self.scroll_rows(_WHEEL_ROWS)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll."""
        event.stop()
        self.scroll_rows(-_WHEEL_ROWS)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Drag the scroll bar."""
        if self._thumb(self.page)[1] and event.x == self.size.width - 1:
            event.stop()
            self._dragging = True
            self.capture_mouse()
            self._drag_to(event.y)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the scroll bar."""
        if self._dragging:
            event.stop()
            self._drag_to(event.y)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let the scroll bar go."""
        if self._dragging:
            event.stop()
            self._dragging = False
            self.release_mouse()

    def _drag_to(self, y: int) -> None:
        span = max(1, self.page - 1)
        self.scroll_rows((self._rows.count - self.page) * max(0, min(y, span)) // span - self._top)

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; one on the cursor's row opens it."""
        row = self._top + event.y
        if (
            row >= self._rows.count
            or not self._has_cursor
            or (self._thumb(self.page)[1] and event.x == self.size.width - 1)
        ):
            return
        event.stop()
        if self.move_cursor(row):
            self.post_message(self.Moved(self, row))
        else:
            self.post_message(self.Chosen(self, row))
