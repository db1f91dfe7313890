"""A widget of one line whose text is made when it is drawn."""

from __future__ import annotations

from rich.text import Text
from textual.strip import Strip

from .painted import Painted


class OneLine(Painted, inherit_bindings=False):
    """One line; subclasses say `content`, and call `repaint` when it may have changed."""

    DEFAULT_CSS = """
    OneLine { height: 1; width: 1fr; }
    """

    def content(self, width: int) -> Text:
        """The line, of safe text; what is longer than `width` is cut."""
        raise NotImplementedError

    def make_lines(self, width: int, height: int) -> list[Strip]:
        """The line as a strip, and nothing below it."""
        return [Strip(self.cells(self.content(width), width), width), *[Strip.blank(width, self.base)] * (height - 1)]
