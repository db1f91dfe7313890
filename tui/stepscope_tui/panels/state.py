"""The state as of the cursor: a tree of the keys, what this step did to them, and what is pending."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from stepscope.events import StateWritten, SuperstepStarted
from stepscope_tui.drawing.state import (
    OpenPaths,
    ScopeState,
    StateLine,
    key_width,
    pending_writes,
    state_lines,
    text_of,
)
from stepscope_tui.looks import Looks, looks_of
from stepscope_tui.messages import SelectKey
from stepscope_tui.safe import plain
from stepscope_tui.widgets.lines import LineView
from stepscope_tui.widgets.rows import Motion

if TYPE_CHECKING:
    from stepscope_tracing import Run
    from stepscope_tracing.model import StateChange


_WRITES = (StateWritten.kind,)


class PendingIndex:
    """The writes of the superstep that is looked at, read on as the cursor moves on."""

    def __init__(self) -> None:
        """Nothing read yet."""
        self._of: tuple[object, ...] = ()
        self._read_to = 0
        self._writes: list[StateWritten] = []

    def at(self, run: Run, scope: int, seq: int) -> list[StateWritten]:
        """The writes from the start of the superstep of `scope` around `seq` up to `seq`; none after its commit."""
        spans = run.supersteps(scope)
        index = bisect_right(spans, seq, key=lambda span: span.first) - 1
        if index < 0:
            return []
        span = spans[index]
        over = span.committed or (span.last if span.outcome != "open" else 0)
        if over and seq >= over:
            return []
        of = (run, scope, span.first)
        if of != self._of:
            self._of, self._read_to, self._writes = of, span.first - 1, []
        if seq > self._read_to:
            at = run.next(self._read_to, kinds=_WRITES)
            while at is not None and at <= seq:
                event = run.event(at)
                if isinstance(event, StateWritten) and event.scope == scope:
                    self._writes.append(event)
                at = run.next(at, kinds=_WRITES)
            self._read_to = seq
        return self._writes[: bisect_right(self._writes, seq, key=lambda event: event.seq)]


class StateRows:
    """Lines of the state, turned into text when they are seen."""

    def __init__(self, lines: list[StateLine], width: int, opened: OpenPaths, looks: Looks, seq: int) -> None:
        """`seq`: the cursor; `opened`: what is unfolded."""
        self.lines = lines
        self.selected: tuple[int, str] | None = None
        self._width = width
        self._keys = key_width(lines, width, looks)
        self._opened = opened
        self._looks = looks
        self._seq = seq

    @property
    def count(self) -> int:
        """How many lines."""
        return len(self.lines)

    def row(self, index: int) -> Text:
        """One line."""
        line, width, keys, looks, opened, selected, now = self.key(index)
        return text_of(line, width, keys, looks, opened=opened, selected=selected, now=now)

    def key(self, index: int) -> tuple[StateLine, int, int, Looks, bool, bool, bool]:
        """All that the text of a line depends on."""
        line = self.lines[index]
        paths = self._opened.get((line.scope, line.key))
        opened = paths is not None and (line.kind == "key" or line.path in paths)
        selected, now = self.selected == (line.scope, line.key), line.seq == self._seq
        return line, self._width, self._keys, self._looks, opened, selected, now


class StatePanel(LineView):
    """Moving in it selects a key; Enter, right and left unfold and fold its value."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        """Empty until shown a run."""
        super().__init__(id=id, classes=classes)
        self._run: Run | None = None
        self._seq = 1
        self._opened: OpenPaths = {}
        self._selected: tuple[int, str] | None = None
        self._pending: dict[int, PendingIndex] = {}

    def show(self, run: Run, seq: int) -> None:
        """Show the state as of the event `seq`, pending writes included."""
        if run is not self._run:
            self._opened, self._selected, self._pending = {}, None, {}
        self._run, self._seq = run, seq
        lines = state_lines([self._scope(run, seq, scope) for scope in _scopes(run, seq)], self._opened)
        rows = StateRows(lines, max(8, self.size.width - 1), self._opened, looks_of(self), seq)
        if len(lines) > self.page:  # the scroll bar takes a column
            rows = StateRows(lines, max(8, self.size.width - 2), self._opened, looks_of(self), seq)
        rows.selected = self._selected
        self.set_rows(rows, cursor=self._row_of(lines))
        self._show_change(lines)

    def prepare(self, run: Run, seq: int) -> Iterator[None]:
        """Read the state at `seq`."""
        for scope in _scopes(run, seq):
            run.state_at(seq, scope=scope)
            yield

    def _scope(self, run: Run, seq: int, scope: int) -> ScopeState:
        cells = run.state_at(seq, scope=scope)
        changes = _changes(run, seq, scope)
        writes = self._pending.setdefault(scope, PendingIndex()).at(run, scope, seq)
        spans = run.supersteps(scope)
        index = bisect_right(spans, seq, key=lambda span: span.first) - 1
        host = plain(run.invocation(scope).executor, looks_of(self).ascii) if scope and run.index_ready else ""
        title = f"in {host or 'a sub-workflow'} #{scope}" if scope else ""
        return ScopeState(
            scope=scope,
            title=title,
            superstep=spans[index].superstep if index >= 0 else 0,
            keys=run.keys(scope),
            cells=cells,
            changes={change.key: change for change in changes},
            pending=pending_writes(writes, seq),
        )

    def key(self, index: int) -> Hashable:
        """Most lines say the same at the next step."""
        rows = self.rows
        return rows.key(index) if isinstance(rows, StateRows) else super().key(index)

    def _row_of(self, lines: list[StateLine]) -> int | None:
        """Where the selected line is now; None to leave the cursor where it is."""
        old = self.rows
        if not isinstance(old, StateRows) or not old.lines:
            return None
        was = old.lines[min(self.cursor, len(old.lines) - 1)]
        for match in ((was.scope, was.key, was.kind, was.path, was.left), (was.scope, was.key, "key")):
            for i, line in enumerate(lines):
                if (line.scope, line.key, line.kind, line.path, line.left)[: len(match)] == match:
                    return i
        return None

    def _show_change(self, lines: list[StateLine]) -> None:
        """Scroll what this step changed into view."""
        changed = [i for i, line in enumerate(lines) if line.seq == self._seq or (line.mark and line.kind != "pending")]
        if changed and not any(self.top <= i < self.top + self.page for i in changed):
            self.scroll_rows(changed[0] - self.top - self.page // 2)

    def motion(self, motion: Motion) -> bool:
        """Up and down: keys; Enter: unfold or fold; right: unfold; left: fold."""
        if motion in ("open", "left", "right"):
            self._fold(self.cursor, None if motion == "open" else motion == "right")
            return True
        return super().motion(motion)

    def on_line_view_moved(self, message: LineView.Moved) -> None:
        """A key is selected."""
        message.stop()
        self._select(message.row)

    def on_line_view_chosen(self, message: LineView.Chosen) -> None:
        """A click on the selected line."""
        message.stop()
        self._fold(message.row, None)

    def _select(self, row: int) -> None:
        rows = self.rows
        if not isinstance(rows, StateRows) or row >= rows.count or not rows.lines[row].key:
            return
        line = rows.lines[row]
        if self._selected != (line.scope, line.key):
            self._selected = rows.selected = line.scope, line.key
            self.repaint()
        self.post_message(SelectKey(line.key, line.scope))

    def _fold(self, row: int, unfold: bool | None) -> None:
        rows = self.rows
        if not isinstance(rows, StateRows) or row >= rows.count or self._run is None:
            return
        self._select(row)
        line = rows.lines[row]
        at = (line.scope, line.key)
        paths = self._opened.get(at)
        is_open = paths is not None and (line.kind == "key" or line.path in paths)
        if line.path is None or unfold is is_open:
            return
        if line.kind == "key" and is_open:
            del self._opened[at]
        elif line.kind == "key":
            self._opened[at] = set()
        elif paths is not None:
            (paths.discard if is_open else paths.add)(line.path)
        self.show(self._run, self._seq)

    def on_resize(self) -> None:  # type: ignore[override]
        """Lines are made for a width."""
        if self._run is not None:
            self.show(self._run, self._seq)


def _scopes(run: Run, seq: int) -> list[int]:
    """The scope of the event and those around it, innermost first."""
    scope = run.event(seq).scope
    out = [scope]
    if scope and not run.index_ready:
        return [scope, 0]
    while scope:
        scope = run.invocation(scope).scope
        out.append(scope)
    return out


def _changes(run: Run, seq: int, scope: int) -> list[StateChange]:
    """What the step to `seq` did; the step over a barrier did what the barrier committed."""
    event = run.event(seq)
    if event.scope != scope:
        return []
    if isinstance(event, SuperstepStarted):
        spans = run.supersteps(scope)
        before = bisect_left(spans, seq, key=lambda span: span.first) - 1
        return run.changes_at(spans[before].committed) if before >= 0 and spans[before].committed else []
    return run.changes_at(seq)
