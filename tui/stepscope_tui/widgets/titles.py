"""A row of panel titles: what each panel is, which key leads there, and which has the focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.text import Text
from textual import events
from textual.message import Message

from stepscope_tui.looks import looks_of

from .oneline import OneLine


@dataclass(frozen=True)
class Title:
    """One title, at `column`. `state` is "focused", "shown" or "hidden"; `note` stands behind the name."""

    panel: str
    key: str
    column: int
    state: Literal["focused", "shown", "hidden"]
    note: str = ""


class Titles(OneLine):
    """Titles on a rule; a click on one asks for its panel."""

    class Picked(Message):
        """The person clicked the title of `panel`."""

        def __init__(self, panel: str) -> None:
            """`panel`: its name."""
            super().__init__()
            self.panel = panel

    def __init__(self, *, id: str | None = None) -> None:
        """Empty until given titles."""
        super().__init__(id=id)
        self._titles: tuple[Title, ...] = ()

    def put(self, titles: tuple[Title, ...]) -> None:
        """Show these, ordered by column."""
        if titles != self._titles:
            self._titles = titles
            self.repaint()

    def content(self, width: int) -> Text:
        """The row."""
        looks = looks_of(self)
        rule = "-" if looks.ascii else "─"
        out = Text(no_wrap=True, end="")
        for title in self._titles:
            out.append(rule * max(0, title.column - out.cell_len), looks.style("rule"))
            out.append_text(self._label(title))
        out.append(rule * max(0, width - out.cell_len), looks.style("rule"))
        return out

    def _label(self, title: Title) -> Text:
        looks = looks_of(self)
        style = {"focused": "bold reverse #8fc1ff", "shown": "bold underline", "hidden": "#8fa8c8"}[title.state]
        out = Text(no_wrap=True, end="")
        mark = looks.glyph("cursor") if title.state == "focused" else " "
        out.append(f"{mark}{title.key} {title.panel}{f' {title.note}' if title.note else ''} ", style)
        return out

    def on_click(self, event: events.Click) -> None:
        """Ask for the panel whose title was clicked."""
        at = 0
        for title in self._titles:
            at = max(at, title.column)
            end = at + self._label(title).cell_len
            if at <= event.x < end:
                self.post_message(self.Picked(title.panel))
                return
            at = end
