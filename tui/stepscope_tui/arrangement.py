"""Which panels are on the screen at a given size, and where their titles stand. No widgets here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .widgets.titles import Title

ABOVE = ("diagram", "state")
BELOW = ("events", "contention", "findings", "source", "inspector")
PANELS: dict[str, str] = {**{name: str(n) for n, name in enumerate(BELOW, 1)}, "diagram": "6", "state": "7"}
"""Panel to the key that leads there in every keymap."""

SMALLEST = (60, 16)
"""Columns and rows below which nothing useful fits."""
_WIDE = (140, 30)
_NOTES_FROM = 70
_STATE_COLUMNS = 30
_STATE_SHARE = 0.36


@dataclass
class Arrangement:
    """The arrangement as data.

    Narrow: diagram and state above, one panel below. Wide: below, the events stay and another panel is beside them.
    """

    width: int = 80
    height: int = 24
    active: str = "events"
    beside: str = "inspector"
    maximised: str | None = None

    @property
    def small(self) -> bool:
        """Too small for anything."""
        return self.width < SMALLEST[0] or self.height < SMALLEST[1]

    @property
    def wide(self) -> bool:
        """Room for a second panel below."""
        return self.width >= _WIDE[0] and self.height >= _WIDE[1]

    def visible(self) -> tuple[str, ...]:
        """The panels on the screen, in reading order."""
        if self.small:
            return ()
        if self.maximised is not None:
            return (self.maximised,)
        return (*ABOVE, *self._below())

    def _below(self) -> tuple[str, ...]:
        return ("events", self.beside) if self.wide else (self.active,)

    def reveal(self, panel: str) -> None:
        """Make sure that `panel` is on the screen; a maximised panel gives its place to it."""
        if panel in BELOW:
            self.active = panel
            if panel != "events":
                self.beside = panel
        if self.maximised is not None:
            self.maximised = panel

    def toggle_maximised(self, panel: str) -> None:
        """Give `panel` the whole screen, or all panels theirs again."""
        self.maximised = panel if self.maximised is None else None

    def state_width(self) -> int:
        """Columns of the state beside the diagram."""
        return int(self.width * _STATE_SHARE) if self.wide else _STATE_COLUMNS

    def titles(self, focused: str | None, notes: Mapping[str, str]) -> tuple[tuple[Title, ...], tuple[Title, ...]]:
        """The titles above and below; `notes` stand behind names."""
        visible = self.visible()

        def title(panel: str, column: int) -> Title:
            state = "focused" if panel == focused else "shown" if panel in visible else "hidden"
            return Title(panel, PANELS[panel], column, state, notes.get(panel, "") if self.width >= _NOTES_FROM else "")  # type: ignore[arg-type]

        if self.maximised is not None:
            return (), tuple(title(panel, 0) for panel in (*BELOW, *ABOVE))
        above = (title("diagram", 0), title("state", self.width - self.state_width()))
        middle = self.width // 2 if self.wide else 0
        return above, tuple(title(panel, 0 if panel == "events" else middle) for panel in BELOW)
