"""Who holds what and who waits for it, around the cursor; and who was last at each barrier."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text
from textual.cache import LRUCache

from stepscope.events import LockAcquired, LockWaiting
from stepscope_tui.drawing import contention as drawn
from stepscope_tui.drawing.glyphs import Glyphs, glyphs_of
from stepscope_tui.drawing.holding import Holding, Lock, holding
from stepscope_tui.drawing.strips import strip, window
from stepscope_tui.looks import Looks, looks_of
from stepscope_tui.messages import Goto
from stepscope_tui.widgets.lines import LineView

if TYPE_CHECKING:
    from stepscope_tracing import Run

_NUMBERS = 14
"""Cells behind a strip for the numbers of holds and waits."""
_LOCKING = (LockWaiting.kind, LockAcquired.kind)
_MOST_PER_CELL = 64
_KEPT_BLAME = 1024


class Entry(NamedTuple):
    """A line: how it is made when seen, and the event it leads to, 0 for none."""

    make: Callable[[], Text]
    seq: int = 0


class Barriers:
    """A line for each superstep of a run; those of closed ones are made once."""

    def __init__(self, run: Run, looks: Looks) -> None:
        """Of a run as far as it is recorded now."""
        self.run = run
        self.looks = looks
        self.spans = run.supersteps()
        self._made: LRUCache[tuple[int, bool], Text] = LRUCache(_KEPT_BLAME)

    def line(self, index: int, here: int) -> Text:
        """The line of one superstep; `here` is the index of the cursor's."""
        key = (index, index == here)
        made = self._made.get(key)
        if made is None:
            span = self.spans[index]
            arrivals = self.run.arrivals(span.superstep)
            made = drawn.blame_line(span, arrivals, self.looks, here=index == here)
            if span.outcome != "open":
                self._made[key] = made
        return made


class ContentionRows:
    """Lines that are made when they are seen: `entries`, then one for each barrier of the run."""

    def __init__(self, entries: list[Entry], barriers: Barriers | None = None, here: int = -1) -> None:
        """`here`: index of the cursor's superstep."""
        self.entries = entries
        self._barriers = barriers
        self._here = here

    @property
    def count(self) -> int:
        """How many lines."""
        return len(self.entries) + (len(self._barriers.spans) if self._barriers is not None else 0)

    def row(self, index: int) -> Text:
        """One line."""
        if index < len(self.entries) or self._barriers is None:
            return self.entries[index].make()
        return self._barriers.line(index - len(self.entries), self._here)

    def seq(self, index: int) -> int:
        """The event that a line leads to, 0 for none."""
        if index < len(self.entries):
            return self.entries[index].seq
        return self._barriers.spans[index - len(self.entries)].first if self._barriers is not None else 0


class ContentionPanel(LineView):
    """Enter goes to where what the line tells of happened. Zooming changes how many events a strip shows."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        """Empty until shown a run."""
        super().__init__(id=id, classes=classes)
        self._run: Run | None = None
        self._seq = 1
        self._per = 1
        self._locks: dict[Lock, Holding] = {}
        self._locks_of: tuple[object, ...] = ()
        self._barriers: Barriers | None = None
        self._barriers_of: tuple[object, ...] = ()

    def show(self, run: Run, seq: int) -> None:
        """Show the run as of `seq`."""
        self._run, self._seq = run, seq
        if not run.index_ready:
            self.set_rows(ContentionRows([_fixed(drawn.not_yet())]))
            return
        glyphs = glyphs_of(looks_of(self))
        if self._barriers is None or self._barriers_of != (run, run.last, glyphs):
            self._barriers, self._barriers_of = Barriers(run, glyphs.looks), (run, run.last, glyphs)
        here = bisect_right(self._barriers.spans, seq, key=lambda span: span.first) - 1
        entries = [*self._lock_entries(run, seq, glyphs), *self._barrier_entries(run, seq, glyphs)]
        self.set_rows(ContentionRows(entries, self._barriers, here))

    def zoom(self, by: int) -> None:
        """1 in, -1 out, 0 back to an event a cell."""
        self._per = 1 if by == 0 else max(1, min(_MOST_PER_CELL, self._per // 2 if by > 0 else self._per * 2))
        if self._run is not None:
            self.show(self._run, self._seq)

    def on_line_view_chosen(self, message: LineView.Chosen) -> None:
        """Go there."""
        message.stop()
        rows = self.rows
        if isinstance(rows, ContentionRows) and message.row < rows.count and rows.seq(message.row):
            self.post_message(Goto(rows.seq(message.row)))

    def on_line_view_moved(self, message: LineView.Moved) -> None:
        """Nothing else follows this cursor."""
        message.stop()

    def on_resize(self) -> None:  # type: ignore[override]
        """Strips are made for a width."""
        if self._run is not None:
            self.show(self._run, self._seq)

    # locks

    def _lock_entries(self, run: Run, seq: int, glyphs: Glyphs) -> Iterator[Entry]:
        looks = glyphs.looks
        if run.next(0, kinds=_LOCKING) is None:
            yield _fixed(drawn.no_locks(False))
            return
        width = max(20, self.size.width - 2)
        label = max(9, min(18, width // 5))
        cells = max(4, width - label - _NUMBERS)
        span = run.superstep_at(seq)
        around = (span.first, span.last) if span is not None else None
        first, last, scale = window(seq, run.last, cells, self._per, around)
        locks = self._locks_between(run, first, last)
        graph = self._graph(run, seq, glyphs)
        yield from (_fixed(text) for text in graph if text.plain.startswith(drawn.DEADLOCK))
        if not locks:
            yield _fixed(drawn.no_locks(True))
            return
        per, step = scale
        each = f"{per} events a cell" if per > 1 else f"{step} cells an event" if step > 1 else "an event a cell"
        yield _fixed(drawn.heading("Locks", f"events {first} to {last}, {each}", looks))
        for (scope, key), lock in sorted(locks.items()):
            made = strip(lock, first, last, seq, glyphs, scale)
            name = f"#{scope}:{key}" if scope else key
            for text in drawn.strip_texts(name, made, label, glyphs):
                yield Entry(lambda text=text: text, max(first, _began(lock)))  # type: ignore[misc]
        now = [text for text in graph if not text.plain.startswith(drawn.DEADLOCK)]
        yield _fixed(drawn.heading("Now", "who holds, and who waits for it" if now else "all locks are free", looks))
        yield from map(_fixed, now)

    def _locks_between(self, run: Run, first: int, last: int) -> dict[Lock, Holding]:
        of = (run, first, last)
        if self._locks_of != of:
            events = run.events(first, last - first + 1)
            scopes = sorted({0, *(event.scope for event in events)})
            before = {(scope, key): state for scope in scopes for key, state in run.locks_at(first - 1, scope).items()}
            self._locks, self._locks_of = holding(events, before), of
        return self._locks

    def _graph(self, run: Run, seq: int, glyphs: Glyphs) -> list[Text]:
        locks = run.locks_at(seq)
        since = {one.since_seq for lock in locks.values() for one in lock.queue}
        times = {at: run.event(at).t for at in sorted(since)}
        return drawn.graph_texts(locks, run.event(seq).t, times, glyphs.looks)

    # barriers

    def _barrier_entries(self, run: Run, seq: int, glyphs: Glyphs) -> Iterator[Entry]:
        looks = glyphs.looks
        if not run.supersteps():
            return
        here = run.superstep_at(seq)
        if here is not None:
            arrivals = run.arrivals(here.superstep, here.scope)
            inside = f" of sub-workflow #{here.scope}" if here.scope else ""
            yield _fixed(
                drawn.heading(f"Barrier {here.superstep}{inside}", "who arrived when, and idled how long", looks)
            )
            by_time = sorted(arrivals, key=lambda one: (one.t, one.seq))
            if not by_time:
                yield _fixed(drawn.nobody())
            for text, arrival in zip(drawn.blame_texts(here, arrivals, self.size.width, glyphs), by_time, strict=True):
                yield Entry(lambda text=text: text, arrival.seq)  # type: ignore[misc]
        yield _fixed(drawn.heading("All barriers", "who was last", looks))


def _began(lock: Holding) -> int:
    return min(one.first for one in (*lock.held, *lock.waited))


def _fixed(text: Text) -> Entry:
    return Entry(lambda: text)
