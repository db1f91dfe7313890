"""The scrubber: the whole run in one row, with a tick for what is worth going to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events

from stepscope_tui.looks import Meaning, looks_of
from stepscope_tui.messages import Goto

from .oneline import OneLine

if TYPE_CHECKING:
    from stepscope_tui.session import Session


@dataclass
class _Tick:
    errors: int = 0
    findings: int = 0
    bookmarks: int = 0


class Scrubber(OneLine):
    """Each cell stands for an equal share of the run's events; a click goes there.

    One thing in a cell has its own glyph, several are a digit (``+`` from ten); the cursor is a dot, or such a tick
    reversed. The totals stand at the right.
    """

    def __init__(self, session: Session, *, id: str | None = None) -> None:
        """`session`: whose cursor it shows."""
        super().__init__(id=id)
        self.session = session
        self._errors: list[int] = []
        self._ticks: dict[int, _Tick] = {}
        self._made_for: tuple[object, ...] = ()

    def set_errors(self, seqs: list[int]) -> None:
        """Where something went wrong."""
        self._errors = seqs
        self._made_for = ()
        self.repaint()

    def cell(self, seq: int, cells: int) -> int:
        """Cell of `seq`: an exact division, so that both ends are reached."""
        return (seq - 1) * (cells - 1) // max(1, self.session.run.last - 1)

    def seq(self, cell: int, cells: int) -> int:
        """First `seq` of a cell."""
        return 1 + -(-cell * max(0, self.session.run.last - 1) // max(1, cells - 1))

    def content(self, width: int) -> Text:
        """The row; see the class."""
        looks, session = looks_of(self), self.session
        totals = self._totals()
        cells = max(1, width - totals.cell_len)
        self._place_ticks(cells)
        here = self.cell(session.seq, cells)
        done, left = ("=", "-") if looks.ascii else ("━", "─")
        out = Text(no_wrap=True, end="")
        marks = sorted({here, *self._ticks})
        at = 0
        for mark in marks:
            out.append(
                (done if mark <= here else left) * (mark - at), "#5c8fc0" if mark <= here else looks.style("rule")
            )
            if mark == here and mark in self._ticks:
                glyph, style = self._tick(self._ticks[mark])
                out.append(glyph, f"{style} reverse")
            elif mark == here:
                out.append("O" if looks.ascii else "●", "bold #ffffff")
            else:
                out.append(*self._tick(self._ticks[mark]))
            at = mark + 1
        out.append(left * (cells - at), looks.style("rule"))
        out.append_text(totals)
        return out

    def _tick(self, tick: _Tick) -> tuple[str, str]:
        looks = looks_of(self)
        count = tick.errors + tick.findings + tick.bookmarks
        meaning: Meaning = "failed" if tick.errors else "finding" if tick.findings else "match"
        if count == 1:
            glyph = ("m" if looks.ascii else "◆") if meaning == "match" else looks.glyph(meaning)
        else:
            glyph = str(count) if count < 10 else "+"
        return glyph, "bold #6cb6ff" if meaning == "match" else looks.style(meaning)

    def _totals(self) -> Text:
        looks, session = looks_of(self), self.session
        out = Text(no_wrap=True, end="")
        if session.findings:
            out.append(f" {looks.glyph('finding')}{len(session.findings)}", looks.style("finding"))
        if self._errors:
            out.append(f" {looks.glyph('failed')}{len(self._errors)}", looks.style("failed"))
        if session.bookmarks:
            out.append(f" {'m' if looks.ascii else '◆'}{len(session.bookmarks)}", "bold #6cb6ff")
        return out

    def _place_ticks(self, cells: int) -> None:
        session = self.session
        made_for = (
            cells,
            session.run.info.run_id,
            session.run.last,
            tuple(session.bookmarks),
            id(session.findings),
            len(session.findings),
        )
        if made_for == self._made_for:
            return
        self._made_for = made_for
        self._ticks = {}
        for seq in self._errors:
            self._ticks.setdefault(self.cell(seq, cells), _Tick()).errors += 1
        for finding in session.findings:
            if finding.seqs:
                self._ticks.setdefault(self.cell(finding.seqs[0], cells), _Tick()).findings += 1
        for seq in session.bookmarks:
            self._ticks.setdefault(self.cell(seq, cells), _Tick()).bookmarks += 1

    def on_click(self, event: events.Click) -> None:
        """Go there."""
        cells = max(1, self.size.width - self._totals().cell_len)
        self.post_message(Goto(self.seq(min(event.x, cells - 1), cells)))
