"""A widget of one line whose text is made when it is drawn."""

from __future__ import annotations

from rich.segment import Segment
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

from stepscope_tui.looks import looks_of


class OneLine(Widget, inherit_bindings=False):
    """One line; subclasses say `content`, and call `redraw` when it may have changed."""

    ALLOW_SELECT = False

    DEFAULT_CSS = """
    OneLine { height: 1; width: 1fr; }
    """

    def __init__(self, *, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        """As any widget."""
        super().__init__(name=name, id=id, classes=classes)
        self._last: Text | None = None

    def content(self, width: int) -> Text:
        """The line, of safe text; what is longer than `width` is cut."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Repaint, unless the text is what it was."""
        if self._last is None or self._last != self._made():
            self.refresh()

    def _made(self) -> Text:
        return self.content(self.size.width)

    def render_line(self, y: int) -> Strip:
        """The line as a strip."""
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        self._last = made = self._made()
        text = made.copy()
        if text.cell_len > width:
            text.truncate(width, overflow="crop" if looks_of(self).ascii else "ellipsis")
        segments = Segment.apply_style(text.render(self.app.console, end=""), self.rich_style)
        return Strip(Segment.simplify(segments)).adjust_cell_length(width, self.rich_style)
