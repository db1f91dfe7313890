"""A vertical rule between two panels."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip

from stepscope_tui.looks import looks_of

from .painted import Painted


class Rule(Painted, inherit_bindings=False):
    """One column wide."""

    DEFAULT_CSS = """
    Rule { width: 1; height: 1fr; }
    """

    def make_line(self, y: int) -> Strip:
        """The same on each line."""
        looks = looks_of(self)
        style = self.base + self.app.console.get_style(looks.style("rule"))
        return Strip([Segment(looks.glyph("rule"), style)], 1)
