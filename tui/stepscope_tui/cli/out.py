"""What commands print for people: aligned, one glyph and colour for each meaning, and nothing a recording could act with.

Colour goes to terminals only, and not with ``NO_COLOR``; glyphs become ASCII where the output cannot carry them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeAlias, cast

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ..looks import Looks, Meaning
from ..safe import plain

Part: TypeAlias = str | tuple[str, str]
"""Text, or text and a Rich style."""


class Out:
    """Standard output, or standard error."""

    def __init__(self, *, stderr: bool = False) -> None:
        """Look at what the stream can show."""
        stream = sys.stderr if stderr else sys.stdout
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        self.looks = Looks(ascii=not encoding.startswith("utf"))
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def line(self, *parts: Part) -> None:
        """Print one line. Every part is made harmless."""
        self._console.print(self._text(parts), soft_wrap=True)

    def block(self, text: str, indent: int = 0) -> None:
        """Print the lines of a longer text, a traceback say, each made harmless."""
        for line in text.rstrip("\n").split("\n"):
            self.line(" " * indent + line)

    def table(self, rows: Sequence[Sequence[Part]], *, indent: int = 0, right: Sequence[int] = ()) -> None:
        """Print rows with their columns aligned, those numbered in `right` to the right."""
        texts = [[self._text((part,)) for part in row] for row in rows]
        widths: list[int] = []
        for row in texts:
            for column, cell in enumerate(row):
                if column == len(widths):
                    widths.append(0)
                widths[column] = max(widths[column], cell_len(cell.plain))
        for row in texts:
            line = Text(" " * indent)
            for column, cell in enumerate(row):
                space = Text(" " * (widths[column] - cell_len(cell.plain)))
                line += space + cell if column in right else cell + space
                line += Text("  ")
            line.rstrip()
            self._console.print(line, soft_wrap=True)

    def mark(self, meaning: Meaning) -> tuple[str, str]:
        """The glyph of a meaning in its colour."""
        return self.looks.glyph(meaning), self.looks.style(meaning)

    def status(self, status: str) -> tuple[str, str]:
        """The glyph of how a run ended."""
        if status in ("completed", "failed", "cancelled"):
            return self.mark(cast(Meaning, status))
        return self.mark("abandoned" if status == "interrupted" else "pending")

    def _text(self, parts: Sequence[Part]) -> Text:
        text = Text()
        for part in parts:
            said, style = part if isinstance(part, tuple) else (part, "")
            text.append(plain(said, self.looks.ascii), style)
        return text


def count(n: int, one: str, many: str = "") -> str:
    """``1 finding``, ``2 findings``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
