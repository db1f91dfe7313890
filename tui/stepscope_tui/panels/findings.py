"""The findings: what the runtime reported and what analysis found, with what to do about each."""

from __future__ import annotations

import textwrap
from bisect import bisect_right
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events

from stepscope_tui.looks import Looks, looks_of
from stepscope_tui.messages import Goto
from stepscope_tui.safe import plain
from stepscope_tui.widgets.lines import LineView
from stepscope_tui.widgets.rows import ListRows, Motion

if TYPE_CHECKING:
    from stepscope.findings import Finding
    from stepscope_tracing import Run


class FindingRows:
    """A head line for each finding, then what happened and the remedy, wrapped to `width`."""

    def __init__(self, findings: list[Finding], looks: Looks, width: int) -> None:
        """`width`: cells a row may take."""
        self.looks = looks
        self.texts: list[Text] = []
        self.starts: list[int] = []
        for finding in findings:
            self.starts.append(len(self.texts))
            self._add(finding, max(20, width))

    def _add(self, finding: Finding, width: int) -> None:
        looks = self.looks
        head = Text(no_wrap=True, end="")
        head.append(f"{looks.glyph('finding')} {plain(finding.kind, looks.ascii)} ", looks.style("finding"))
        seqs = ", ".join(map(str, finding.seqs))
        head.append(
            f"{finding.confidence}{f' at {seqs}' if seqs else ''}  k{finding.superstep}  {finding.clause}", "#8fa8c8"
        )
        head.append("  " + ", ".join(plain(name, looks.ascii) for name in (*finding.executors, *finding.keys)))
        self.texts.append(head)
        self._wrap("  ", finding.message, width, "")
        self._wrap(f"  {looks.glyph('arrow')} ", finding.remedy, width, "#8ddb8c")

    def _wrap(self, indent: str, text: str, width: int, style: str) -> None:
        for line in textwrap.wrap(
            plain(text, self.looks.ascii), width, initial_indent=indent, subsequent_indent=" " * len(indent)
        ):
            self.texts.append(Text(line, style, no_wrap=True, end=""))

    @property
    def count(self) -> int:
        """Lines in all."""
        return len(self.texts)

    def row(self, index: int) -> Text:
        """One line."""
        return self.texts[index]

    def finding(self, index: int) -> int:
        """Which finding the row belongs to."""
        return bisect_right(self.starts, index) - 1


class FindingsPanel(LineView):
    """Up and down go from finding to finding; Enter goes through the events that show it."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        """Empty until given findings."""
        super().__init__(id=id, classes=classes)
        self.findings: list[Finding] = []
        self.complete = False
        self._made_for: tuple[object, ...] = ()
        self._seq = 0
        self._asked = 0
        self._begins: list[int] = []

    def put(self, findings: list[Finding], *, complete: bool) -> None:
        """The findings to show; `complete` once analysis has been through the whole run."""
        self.findings = sorted(findings, key=lambda finding: finding.seqs[:1] or [0])
        self.complete = complete
        self._begins = [finding.seqs[0] if finding.seqs else 0 for finding in self.findings]
        self._made_for = ()
        if self.is_mounted:
            self._make()

    def show(self, run: Run, seq: int) -> None:
        """Select the last finding that begins at or before `seq`, unless this panel itself asked to go there."""
        self._seq = seq
        self._make()
        rows = self.rows
        if isinstance(rows, FindingRows) and seq != self._asked:
            before = bisect_right(self._begins, seq)
            self.move_cursor(rows.starts[max(0, before - 1)])
        self._asked = 0

    def _make(self) -> None:
        made_for = (len(self.findings), self.complete, self.size.width)
        if made_for == self._made_for:
            return
        self._made_for = made_for
        if self.findings:
            self.set_rows(FindingRows(self.findings, looks_of(self), self.size.width - 2))
        else:
            text = "Nothing was found in this run." if self.complete else "Nothing reported so far; analysing…"
            self.set_rows(ListRows([Text(text)]), cursor=0)

    def on_resize(self, event: events.Resize) -> None:
        """Texts wrap to the width."""
        self._make()

    def motion(self, motion: Motion) -> bool:
        """From finding to finding."""
        rows = self.rows
        if isinstance(rows, FindingRows) and motion in ("up", "down"):
            index = rows.finding(self.cursor)
            if motion == "down":
                index = min(index + 1, len(rows.starts) - 1)
            elif self.cursor == rows.starts[index]:
                index = max(index - 1, 0)
            if self.move_cursor(rows.starts[index]):
                self.post_message(self.Moved(self, self.cursor))
            return True
        return super().motion(motion)

    def on_line_view_chosen(self, message: LineView.Chosen) -> None:
        """Go to the first event that shows it; from one of them, to the next."""
        message.stop()
        rows = self.rows
        if isinstance(rows, FindingRows):
            seqs = self.findings[rows.finding(message.row)].seqs
            if seqs:
                following = seqs.index(self._seq) + 1 if self._seq in seqs else 0
                self._asked = seqs[following % len(seqs)]
                self.post_message(Goto(self._asked))
