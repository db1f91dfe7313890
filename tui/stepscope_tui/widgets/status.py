"""The status line: which run this is, and where in it the cursor stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from stepscope_tui.describe import duration
from stepscope_tui.looks import looks_of
from stepscope_tui.safe import plain

from .oneline import OneLine

if TYPE_CHECKING:
    from stepscope_tui.session import Session


_WORDS_FROM = 76
"""Columns from which "superstep" is written out."""


class StatusLine(OneLine):
    """Workflow and its outcome, superstep, seq, time, LIVE or REPLAY, mode; the least needed goes first when narrow."""

    def __init__(self, session: Session, *, id: str | None = None) -> None:
        """`session`: whose cursor it shows."""
        super().__init__(id=id)
        self.session = session
        self.live = False
        self.notes: list[str] = []
        """What stands before the time, and, if there is room, at the end."""

    def content(self, width: int) -> Text:
        """The line; see the class."""
        run, looks = self.session.run, looks_of(self)
        info, seq = run.info, self.session.seq
        event = run.event(seq)
        span = run.superstep_at(seq)
        superstep = span.superstep if span is not None else event.superstep if event.scope == 0 else 0
        status = info.status
        name = plain(info.workflow, looks.ascii, max(8, width // 4))
        mark, style = ("◀", "bold") if not looks.ascii else ("<", "bold")
        out = Text(no_wrap=True, end="")
        out.append(f" {name} ", "bold reverse")
        if status in ("failed", "cancelled"):
            out.append(f" {looks.glyph(status)} {status}", looks.style(status))
        elif status == "completed":
            out.append(f" {looks.glyph('ok')} completed", looks.style("ok"))
        else:
            out.append(f" {status}", looks.style("waiting"))
        word = "superstep " if width >= _WORDS_FROM else "k"
        out.append(f"  {word}{superstep}/{len(run.supersteps())}", "bold")
        out.append(f"  seq {seq}/{run.last}", "bold")
        out.append(
            "  ● LIVE" if self.live and not looks.ascii else "  * LIVE" if self.live else f"  {mark} REPLAY", style
        )
        rest = [*self.notes[:1], duration(event.t)]
        rest.append(info.mode if info.seed is None else f"{info.mode} seed {info.seed}")
        if info.engine != "stepscope":
            rest.append(info.engine)
        rest += self.notes[1:]
        for text in rest:
            if out.cell_len + 2 + len(text) <= width:
                out.append(f"  {plain(text, looks.ascii)}", "#8fa8c8")
        return out
