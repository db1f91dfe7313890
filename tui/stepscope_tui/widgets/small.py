"""What stands on a terminal that is too small."""

from __future__ import annotations

from rich.text import Text

from .oneline import OneLine


class TooSmall(OneLine):
    """One sentence."""

    def content(self, width: int) -> Text:
        """Short first: the end may be cut."""
        size = self.app.size
        return Text(f"Too small: {size.width}x{size.height}; 60x16 is needed (q quits).")
