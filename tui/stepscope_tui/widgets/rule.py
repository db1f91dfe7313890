"""A vertical rule between two panels."""

from __future__ import annotations

from rich.text import Text
from textual.strip import Strip

from stepscope_tui.looks import looks_of

from .painted import Painted


class Rule(Painted, inherit_bindings=False):
    """One column wide."""

    DEFAULT_CSS = """
    Rule { width: 1; height: 1fr; }
    """

    def make_lines(self, width: int, height: int) -> list[Strip]:
        """The same on each line."""
        looks = looks_of(self)
        return [Strip(self.cells(Text(looks.glyph("rule"), looks.style("rule")), width), width)] * height
