"""A widget that knows what it has painted, and repaints only the cells that have changed.

A debugger's key changes a little of many panels. Textual repaints a refreshed widget whole, and works out borders,
padding and theme for each of its lines; a `Painted` widget has neither border nor padding, makes its own strips and
compares them with the last ones, so that a key costs what it changes. Colours are given as hexadecimal numbers.
"""

from __future__ import annotations

from typing import Self

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.filter import ANSIToTruecolor
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from stepscope_tui.looks import looks_of


def changed_cells(old: Strip, new: Strip) -> tuple[int, int]:
    """First cell in which two strips of one width differ, and the one after the last; equal if they do not."""
    if old is new:
        return 0, 0
    before, after = list(old), list(new)
    common = min(len(before), len(after))
    head = 0
    while head < common and before[head] == after[head]:
        head += 1
    if head == len(before) == len(after):
        return 0, 0
    tail = 0
    while tail < common - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    first = sum(segment.cell_length for segment in after[:head])
    return first, max(first, new.cell_length - sum(segment.cell_length for segment in after[len(after) - tail :]))


class Painted(Widget, inherit_bindings=False):
    """Subclasses say `make_line`, and call `repaint` when something may have changed."""

    ALLOW_SELECT = False

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        """As any widget."""
        super().__init__(name=name, id=id, classes=classes)
        self._painted: list[Strip] = []
        self._painted_for: tuple[int, int] | None = None
        self._base: Style | None = None

    def make_line(self, y: int) -> Strip:
        """The line `y` of the widget, as wide as it is."""
        raise NotImplementedError

    @property
    def base(self) -> Style:
        """The style under everything, from the theme; hexadecimal colours."""
        if self._base is None:
            self._base = self.rich_style
        return self._base

    def strip_of(self, text: Text, width: int, base: Style) -> Strip:
        """One line of text over `base`, cut or filled to `width`; neighbours of equal style are merged."""
        if text.cell_len > width:
            text = text.copy()
            text.truncate(max(0, width), overflow="crop" if looks_of(self).ascii else "ellipsis")
        console = self.app.console
        if text.style:  # Rich leaves it out of a text without spans
            base_of_text = base + console.get_style(text.style)
        else:
            base_of_text = base
        segments = Segment.apply_style(text.render(console, end=""), base_of_text)
        return Strip(Segment.simplify(segments)).adjust_cell_length(max(0, width), base)

    def repaint(self) -> None:
        """Repaint the cells that are not what they were."""
        if self._painted_for is None or not self.is_attached:
            self.refresh()
            return
        before, width = self._painted, self._painted_for[0]
        self._paint()
        regions: list[Region] = []
        for y, strip in enumerate(self._painted):
            first, end = changed_cells(before[y], strip) if y < len(before) else (0, width)
            if first == end:
                continue
            last = regions[-1] if regions else None
            if last is not None and last.bottom == y and (last.x, last.right) == (first, end):
                regions[-1] = Region(first, last.y, end - first, last.height + 1)
            else:
                regions.append(Region(first, y, end - first, 1))
        if regions:
            super().refresh(*regions)

    def _paint(self) -> None:
        width, height = self.size
        filters = [one for one in self.get_line_filters() if not isinstance(one, ANSIToTruecolor)]
        lines = [self.make_line(y) for y in range(height)]
        for one in filters:
            background = self.background_colors[1]
            lines = [line.apply_filter(one, background) for line in lines]
        self._painted, self._painted_for = lines, (width, height)

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """As any widget's; without regions, everything is made anew, styles too."""
        if not regions and repaint:
            self._painted_for = self._base = None
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def notify_style_update(self) -> None:
        """The theme or a pseudo-class has changed the styles."""
        self._painted_for = self._base = None
        super().notify_style_update()

    def render_lines(self, crop: Region) -> list[Strip]:
        """What the screen asks for."""
        if self._painted_for != tuple(self.size):
            self._paint()
        x, right = crop.x, crop.right
        whole = x == 0 and self._painted_for is not None and right >= self._painted_for[0]
        lines = self._painted[crop.y : crop.bottom]
        return lines if whole else [line.crop(x, right) for line in lines]

    def render_line(self, y: int) -> Strip:
        """One line, as it is painted."""
        if self._painted_for != tuple(self.size):
            self._paint()
        return self._painted[y]
