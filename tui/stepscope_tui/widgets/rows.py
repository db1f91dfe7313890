"""What a virtual list shows, and what the movement keys may ask of it."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from rich.text import Text

Motion: TypeAlias = Literal["up", "down", "left", "right", "page-up", "page-down", "top", "bottom", "open", "close"]
"""What the movement keys ask of the focused panel."""


class Rows(Protocol):
    """What a `LineView` shows. Both must be cheap; `row` is called for visible rows only."""

    @property
    def count(self) -> int:
        """How many rows there are now."""
        ...

    def row(self, index: int) -> Text:
        """One line for the row `index`, 0 <= index < count; without newlines, made of safe text."""
        ...


class ListRows:
    """Rows that are already there."""

    def __init__(self, texts: list[Text]) -> None:
        """`texts`: one for each row."""
        self.texts = texts

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.texts)

    def row(self, index: int) -> Text:
        """The row itself."""
        return self.texts[index]
