"""The source: the file of the handler at the cursor, as it was when recorded, at the line it had reached."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual.message import Message

from stepscope.events import GraphInfo, RunStarted
from stepscope_tui.looks import Looks, looks_of
from stepscope_tui.safe import plain
from stepscope_tui.widgets.lines import LineView
from stepscope_tui.widgets.rows import ListRows

if TYPE_CHECKING:
    from stepscope_tracing import Run

_MARK = "on #3d3a1d"


class SourceRows:
    """The lines of one file, numbered; `line` (from 1; 0 for none) is marked."""

    def __init__(self, file: str, text: str, looks: Looks) -> None:
        """`text`: the file's whole text, from the recording."""
        self.file = file
        self.lines = text.expandtabs(4).splitlines() or [""]
        self.line = 0
        self.looks = looks
        self.digits = len(str(len(self.lines)))
        self.coloured: list[Text] = []

    @property
    def count(self) -> int:
        """Lines of the file."""
        return len(self.lines)

    def row(self, index: int) -> Text:
        """One line, with its number."""
        out = Text(no_wrap=True, end="")
        at = index + 1 == self.line
        mark = self.looks.glyph("arrow")[-1] if at else " "
        out.append(f"{index + 1:>{self.digits}}{mark} ", "bold #f2cc60" if at else "#7d8590")
        if index < len(self.coloured):
            out.append_text(self.coloured[index])
        else:
            out.append(plain(self.lines[index], self.looks.ascii))
        if at:
            out.stylize(_MARK)
        return out


def coloured(lines: list[str], ascii_only: bool) -> list[Text]:
    """The lines of a Python file with its syntax in colours. Takes a while: for a thread."""
    from rich.syntax import Syntax

    text = "\n".join(plain(line, ascii_only) for line in lines)
    whole = Syntax("", "python", theme="monokai", background_color="default").highlight(text)
    spans = [span._replace(style=_on_nothing(span.style)) for span in whole.spans]
    whole = Text(whole.plain, spans=spans, no_wrap=True, end="")
    return list(whole.split("\n", allow_blank=True))[: len(lines)]


def _on_nothing(style: str | Style) -> Style:
    """The style without its background: the panel has its own."""
    one = Style.parse(style) if isinstance(style, str) else style
    return Style(color=one.color, bold=one.bold, italic=one.italic)


def _graph(run: Run, scope: int) -> GraphInfo:
    """The graph of the run, or of the sub-workflow that invocation `scope` hosts."""
    if scope:
        for event in run.events(kinds=("run-started",), scope=scope, n=1):
            if isinstance(event, RunStarted):
                return event.graph
    return run.graph


class SourcePanel(LineView):
    """Shows stored text only: no file of this machine is read, and nothing is run."""

    class Coloured(Message):
        """A file's syntax has been coloured."""

        def __init__(self, rows: SourceRows, texts: list[Text]) -> None:
            """`texts`: a line each."""
            super().__init__()
            self.rows = rows
            self.texts = texts

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        """Empty until shown a run."""
        super().__init__(id=id, classes=classes)
        self.place = ("", 0)
        self._run: Run | None = None

    def show(self, run: Run, seq: int) -> None:
        """Show the handler's file at the line the event at `seq` came from."""
        if not run.index_ready:
            self.set_rows(ListRows([Text("Reading the run…")]), cursor=0)
            return
        place = self.where(run, seq)
        if run is self._run and place == self.place:
            return
        self._run, self.place = run, place
        file, line = place
        if not file:
            self.set_rows(ListRows([Text("No handler is at work here: step to an event of an executor.")]), cursor=0)
            return
        rows = self.rows
        if not isinstance(rows, SourceRows) or rows.file != file:
            text = run.source(file)
            if text is None:
                looks = looks_of(self)
                where = f"{plain(file, looks.ascii)}, line {line}" if line else plain(file, looks.ascii)
                self.set_rows(ListRows([Text(f"The recording does not hold the source of {where}.")]), cursor=0)
                return
            rows = SourceRows(file, text, looks_of(self))
            rows.line = line
            self.set_rows(rows, cursor=0)
            self.run_worker(self._colour(rows), group="colour", exclusive=True)
        else:
            old, rows.line = rows.line, line
            self.invalidate(old - 1, old - 1)
            self.invalidate(line - 1, line - 1)
        self.move_cursor(max(0, line - 1), centre=True)

    async def _colour(self, rows: SourceRows) -> None:
        texts = await asyncio.to_thread(coloured, rows.lines, rows.looks.ascii)
        self.post_message(self.Coloured(rows, texts))

    def on_source_panel_coloured(self, message: Coloured) -> None:
        """Show the colours, if the file is still shown."""
        message.rows.coloured = message.texts
        if message.rows is self.rows:
            self.invalidate()

    @staticmethod
    def where(run: Run, seq: int) -> tuple[str, int]:
        """File and line (0: unknown) of the event at `seq`; ("", 0) for events that no handler made."""
        event = run.event(seq)
        inv = getattr(event, "inv", 0)
        if not inv:
            return "", 0
        one = run.invocation(inv)
        for executor in _graph(run, one.scope).executors:
            for handler in executor.handlers:
                if executor.id == one.executor and (handler.name == one.handler or not one.handler):
                    return handler.file, getattr(event, "line", 0) or handler.line
        return "", 0
