"""Who holds what and who waits for it, around the cursor; and who was last at each barrier."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from stepscope_tui.drawing import contention as drawn
from stepscope_tui.drawing.glyphs import Glyphs, glyphs_of
from stepscope_tui.drawing.strips import FOREVER, strip, window
from stepscope_tui.looks import looks_of
from stepscope_tui.messages import Goto
from stepscope_tui.widgets.lines import LineView

if TYPE_CHECKING:
    from stepscope_tracing import Run
    from stepscope_tracing.model import LockUse

_NUMBERS = 14
"""Cells behind a strip for the numbers of holds and waits."""
_MOST_PER_CELL = 4096


class LockIndex:
    """The uses of each lock by where they began, so that those of a stretch are found at once."""

    def __init__(self, uses: list[LockUse]) -> None:
        """All lock uses of a run."""
        self._uses: dict[tuple[int, str], list[LockUse]] = {}
        for use in sorted(uses, key=_began):
            self._uses.setdefault((use.scope, use.key), []).append(use)
        self._ended = {key: list(accumulate(map(_ended, of), max)) for key, of in self._uses.items()}

    def __bool__(self) -> bool:
        """Whether any lock was ever used."""
        return bool(self._uses)

    def within(self, first: int, last: int) -> dict[tuple[int, str], list[LockUse]]:
        """By scope and key, the uses that touch the stretch; keys without any are left out."""
        out = {}
        for key, uses in self._uses.items():
            low = bisect_right(self._ended[key], first)
            high = bisect_right(uses, last, key=_began)
            if low < high:
                out[key] = uses[low:high]
        return out


def _began(use: LockUse) -> int:
    return use.wait_seq or use.acquired_seq


def _ended(use: LockUse) -> int:
    return use.released_seq or use.given_up or FOREVER


class Entry(NamedTuple):
    """A line: how it is made when seen, and the event it leads to, 0 for none."""

    make: Callable[[], Text]
    seq: int = 0


class ContentionRows:
    """Lines that are made when they are seen."""

    def __init__(self, entries: list[Entry]) -> None:
        """In order."""
        self.entries = entries

    @property
    def count(self) -> int:
        """How many lines."""
        return len(self.entries)

    def row(self, index: int) -> Text:
        """One line."""
        return self.entries[index].make()


class ContentionPanel(LineView):
    """Enter goes to where what the line tells of happened. Zooming changes how many events a strip shows."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        """Empty until shown a run."""
        super().__init__(id=id, classes=classes)
        self._run: Run | None = None
        self._seq = 1
        self._per = 1
        self._locks = LockIndex([])
        self._locks_of: tuple[object, ...] = ()

    def show(self, run: Run, seq: int) -> None:
        """Show the run as of `seq`."""
        self._run, self._seq = run, seq
        if not run.index_ready:
            self.set_rows(ContentionRows([_fixed(drawn.not_yet())]))
            return
        if self._locks_of != (run, run.last):
            self._locks = LockIndex(run.locks())
            self._locks_of = (run, run.last)
        glyphs = glyphs_of(looks_of(self))
        entries = [*self._lock_entries(run, seq, glyphs), *self._barrier_entries(run, seq, glyphs)]
        self.set_rows(ContentionRows(entries))

    def zoom(self, by: int) -> None:
        """1 in, -1 out, 0 back to an event a cell."""
        self._per = 1 if by == 0 else max(1, min(_MOST_PER_CELL, self._per // 2 if by > 0 else self._per * 2))
        if self._run is not None:
            self.show(self._run, self._seq)

    def on_line_view_chosen(self, message: LineView.Chosen) -> None:
        """Go there."""
        message.stop()
        rows = self.rows
        if isinstance(rows, ContentionRows) and message.row < rows.count and rows.entries[message.row].seq:
            self.post_message(Goto(rows.entries[message.row].seq))

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
        if not self._locks:
            yield _fixed(drawn.no_locks(False))
            return
        width = max(20, self.size.width - 2)
        label = max(9, min(18, width // 5))
        cells = max(4, width - label - _NUMBERS)
        span = run.superstep_at(seq)
        around = (span.first, span.last) if span is not None else None
        first, last, scale = window(seq, run.last, cells, self._per, around)
        uses = self._locks.within(first, last)
        yield from self._graph_entries(run, seq, glyphs)
        if not uses:
            yield _fixed(drawn.no_locks(True))
            return
        per, step = scale
        each = f"{per} events a cell" if per > 1 else f"{step} cells an event" if step > 1 else "an event a cell"
        yield _fixed(drawn.heading("Locks", f"events {first} to {last}, {each}", looks))
        for (scope, key), of in sorted(uses.items()):
            made = strip(of, first, last, seq, glyphs, scale)
            name = f"#{scope}:{key}" if scope else key
            for text in drawn.strip_texts(name, made, label, glyphs):
                yield Entry(lambda text=text: text, _began(of[0]))  # type: ignore[misc]

    def _graph_entries(self, run: Run, seq: int, glyphs: Glyphs) -> Iterator[Entry]:
        locks = run.locks_at(seq)
        since = {one.since_seq for lock in locks.values() for one in lock.queue}
        times = {at: run.event(at).t for at in sorted(since)}
        for text in drawn.graph_texts(locks, run.event(seq).t, times, glyphs.looks):
            yield _fixed(text)

    # barriers

    def _barrier_entries(self, run: Run, seq: int, glyphs: Glyphs) -> Iterator[Entry]:
        looks = glyphs.looks
        spans = run.supersteps()
        if not spans:
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
        for span in spans:

            def blame(span=span) -> Text:  # type: ignore[no-untyped-def]
                is_here = here is not None and span.first == here.first
                return drawn.blame_line(span, run.arrivals(span.superstep, span.scope), looks, here=is_here)

            yield Entry(blame, span.first)


def _fixed(text: Text) -> Entry:
    return Entry(lambda: text)
