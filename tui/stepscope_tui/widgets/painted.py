"""A widget that knows what it has painted, and repaints only the cells that have changed.

A debugger's key changes a little of many panels. Textual repaints a refreshed widget whole, and works out borders,
padding and theme for each of its lines; a `Painted` widget has neither border nor padding, makes its own strips and
compares them with the last ones, so that a key costs what it changes. Colours are given as hexadecimal numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Self

from rich.console import Console
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


@lru_cache(maxsize=1024)
def _over(base: Style, style: str | Style) -> Style:
    return base + (Style.parse(style) if isinstance(style, str) else style)


def _pieces(text: Text, base: Style, console: Console) -> Iterator[tuple[str, Style]]:
    """A text's characters with their styles. Most texts have one style after the other, which Rich does not expect."""
    spans = text.spans
    if any(after.start < before.end for before, after in pairwise(spans)):
        for segment in text.render(console, end=""):
            yield segment.text, base + (segment.style or Style.null())
        return
    plain, at = text.plain, 0
    own = _over(base, text.style) if text.style else base
    for first, end, style in spans:
        if first > at:
            yield plain[at:first], own
        yield plain[first:end], _over(own, style)
        at = end
    yield plain[at:], own


def segments_of(text: Text, width: int, base: Style, console: Console) -> list[Segment]:
    """One line of text over `base`, filled to `width` cells if it is shorter; neighbours of equal style are merged."""
    out: list[Segment] = []
    pieces = [*_pieces(text, base, console), (" " * (width - text.cell_len), base)]
    run, last = "", base
    for piece, style in pieces:
        if not piece:
            continue
        if style == last:
            run += piece
            continue
        if run:
            out.append(Segment(run, last))
        run, last = piece, style
    if run:
        out.append(Segment(run, last))
    return out


class Painted(Widget, inherit_bindings=False):
    """Subclasses say `make_lines`, and call `repaint` when something may have changed."""

    ALLOW_SELECT = False

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        """As any widget."""
        super().__init__(name=name, id=id, classes=classes)
        self._painted: list[Strip] = []
        self._painted_for: tuple[int, int] | None = None
        self._base: Style | None = None

    def make_lines(self, width: int, height: int) -> list[Strip]:
        """The `height` lines of the widget, each `width` cells wide; a line that is the same may be the same strip."""
        raise NotImplementedError

    @property
    def base(self) -> Style:
        """The style under everything, from the theme; hexadecimal colours."""
        if self._base is None:
            self._base = self.rich_style
        return self._base

    def cells(self, text: Text, width: int) -> list[Segment]:
        """One line of text in exactly `width` cells, cut or filled."""
        width = max(0, width)
        if text.cell_len > width:
            text = text.copy()
            text.truncate(width, overflow="crop" if looks_of(self).ascii else "ellipsis")
        return segments_of(text, width, self.base, self.app.console)

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
        lines = self.make_lines(width, height)
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
