"""Where the person is in a run, and what each step does to that: the one cursor, without any widget.

Every step returns a sentence: "" when the cursor moved, otherwise why it could not. Each is the inverse of its
counterpart wherever both can move, so walking back shows what walking forward showed.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import causes

if TYPE_CHECKING:
    from stepscope.findings import Finding
    from stepscope_tracing import Run

_SUPERSTEP = re.compile(r"k\s*(\d+)", re.ASCII)
_NUMBER = re.compile(r"(?:seq=|#)?\s*(\d+)", re.ASCII)
_PERCENT = re.compile(r"(\d{1,3})\s*%", re.ASCII)


class Session:
    """The cursor `seq` in `run`, what is selected, and what was searched for.

    `key` is the selected state key with its scope, `lane` the executor whose events ``,`` and ``.`` walk.
    """

    def __init__(self, run: Run, seq: int | None = None) -> None:
        """Start at `seq` (clamped to the run), or at the first event."""
        self.needle = ""
        self.open(run, seq)

    def open(self, run: Run, seq: int | None = None) -> None:
        """Go to another run; what was searched for stays, all else belongs to a run."""
        self.run = run
        self.seq = 1
        self.key: tuple[int, str] | None = None
        self.lane: str | None = None
        self.bookmarks: list[int] = []
        self.set_findings(run.findings())
        self.goto(1 if seq is None else seq)

    # the cursor

    def goto(self, seq: int) -> str:
        """Move to `seq`, clamped to the run. The lane becomes that of the event there, if it has one."""
        clamped = max(1, min(seq, self.run.last))
        moved = clamped != self.seq
        executor = getattr(
            self.run.event(clamped), "executor", None
        )  # raises for what cannot be read: nobody goes there
        self.seq = clamped
        if executor is not None:
            self.lane = executor
        return "" if moved else f"Already at {clamped}."

    def _to(self, seq: int | None, otherwise: str) -> str:
        return otherwise if seq is None or seq == self.seq else self.goto(seq)

    def step(self, name: str) -> str:
        """Do the step called `name`, one of `STEPS`."""
        return STEPS[name](self)

    def leads_to(self, name: str) -> int:
        """Where the step called `name` would lead; here, if nowhere."""
        before = self.seq, self.lane, self.key
        try:
            self.step(name)
            return self.seq
        finally:
            self.seq, self.lane, self.key = before

    def goto_text(self, text: str) -> str:
        """What a person typed after ``:``: ``120``, ``#120``, ``seq=120``, ``k3`` (superstep 3) or ``50%``."""
        text = text.strip()
        if found := _SUPERSTEP.fullmatch(text):
            number = int(found[1])
            for span in self.run.supersteps():
                if span.superstep == number:
                    return self._to(span.first, f"Already at superstep {number}'s start.")
            return f"There is no superstep {number}; the run has {len(self.run.supersteps())}."
        if found := _NUMBER.fullmatch(text):
            seq = int(found[1])
            if not 1 <= seq <= self.run.last:
                return f"There is no event {seq}; the run has 1 to {self.run.last}."
            return self.goto(seq)
        if (found := _PERCENT.fullmatch(text)) and int(found[1]) <= 100:
            return self.goto(max(1, self.run.last * int(found[1]) // 100))
        return "Type an event's number (120), a superstep (k3) or a place in the run (50%)."

    def next_event(self) -> str:
        """The next event."""
        return self._to(min(self.seq + 1, self.run.last), "This is the last event.")

    def previous_event(self) -> str:
        """The previous event."""
        return self._to(max(self.seq - 1, 1), "This is the first event.")

    def first(self) -> str:
        """The first event."""
        return self._to(1, "This is the first event.")

    def last(self) -> str:
        """The last event."""
        return self._to(self.run.last, "This is the last event.")

    def _superstep_starts(self, at: int) -> tuple[int | None, int | None]:
        """Starts of the supersteps before and after `at`, itself left out."""
        spans = self.run.supersteps()
        before = bisect_left(spans, at, key=lambda span: span.first)
        after = bisect_right(spans, at, key=lambda span: span.first)
        return (
            spans[before - 1].first if before else None,
            spans[after].first if after < len(spans) else None,
        )

    def next_superstep(self) -> str:
        """Start of the next superstep; after the last one, the end of the run."""
        following = self._superstep_starts(self.seq)[1]
        return self._to(self.run.last if following is None else following, "This is the last superstep.")

    def previous_superstep(self) -> str:
        """Start of this superstep; from there, of the one before; before the first, the run's start."""
        before = self._superstep_starts(self.seq)[0]
        return self._to(1 if before is None else before, "This is the start of the run.")

    # handlers and lanes

    def _invocation(self) -> int:
        return getattr(self.run.event(self.seq), "inv", 0)

    def finish_handler(self) -> str:
        """The end of the handler the cursor is in."""
        inv = self._invocation()
        if not inv:
            return "There is no handler here to finish; step into one first."
        ended = self.run.invocation(inv).ended
        return self._to(ended or None, "This handler has ended here." if ended else "This handler never ended.")

    def handler_start(self) -> str:
        """The start of the handler the cursor is in."""
        inv = self._invocation()
        if not inv:
            return "There is no handler here; step into one first."
        started = self.run.invocation(inv).started
        return self._to(started or None, "This is the handler's start." if started else "This handler never started.")

    def lane_next(self) -> str:
        """The next event of the lane."""
        if self.lane is None:
            return "No lane is selected; step to an event of an executor first."
        return self._to(self.run.next(self.seq, executor=self.lane), f"{self.lane} does nothing after this.")

    def lane_previous(self) -> str:
        """The previous event of the lane."""
        if self.lane is None:
            return "No lane is selected; step to an event of an executor first."
        return self._to(self.run.previous(self.seq, executor=self.lane), f"{self.lane} did nothing before this.")

    # findings, writes, bookmarks, causes

    def set_findings(self, findings: list[Finding]) -> None:
        """The findings that ``e`` and ``E`` walk, those of analysis included; kept in the order of their first event."""
        self.findings: list[Finding] = sorted(findings, key=lambda finding: finding.seqs[:1] or [0])
        self._finding_seqs = sorted({finding.seqs[0] for finding in findings if finding.seqs})

    def next_finding(self) -> str:
        """First event of the next finding."""
        return self._next_of(self._finding_seqs, "There is no finding after this.")

    def previous_finding(self) -> str:
        """First event of the previous finding."""
        return self._previous_of(self._finding_seqs, "There is no finding before this.")

    def _next_of(self, seqs: list[int], otherwise: str) -> str:
        at = bisect_right(seqs, self.seq)
        return self._to(seqs[at] if at < len(seqs) else None, otherwise)

    def _previous_of(self, seqs: list[int], otherwise: str) -> str:
        at = bisect_left(seqs, self.seq)
        return self._to(seqs[at - 1] if at else None, otherwise)

    def select_key(self, key: str, scope: int = 0) -> None:
        """Select a state key."""
        self.key = scope, key

    def _selected_key(self) -> tuple[int, str] | None:
        """The selected key; without one, that of the event here, or the only one there is, which is then selected."""
        if self.key is None:
            event = self.run.event(self.seq)
            keys = [key] if (key := getattr(event, "key", None)) is not None else self.run.keys()
            if len(keys) == 1:
                self.key = event.scope if key is not None else 0, keys[0]
        return self.key

    def next_write(self) -> str:
        """The next write of the selected key."""
        if (selected := self._selected_key()) is None:
            return "No key is selected; select one in the state."
        scope, key = selected
        writes = self.run.writes(key, after=self.seq, n=1, scope=scope)
        return self._to(writes[0].seq if writes else None, f"{key} is not written after this.")

    def previous_write(self) -> str:
        """The previous write of the selected key."""
        if (selected := self._selected_key()) is None:
            return "No key is selected; select one in the state."
        scope, key = selected
        writes = self.run.writes(key, before=self.seq, n=1, scope=scope)
        return self._to(writes[-1].seq if writes else None, f"{key} was not written before this.")

    def toggle_bookmark(self) -> str:
        """Set a bookmark here, or remove the one that is here."""
        if self.seq in self.bookmarks:
            self.bookmarks.remove(self.seq)
            return f"Bookmark at {self.seq} removed."
        self.bookmarks.insert(bisect_left(self.bookmarks, self.seq), self.seq)
        return f"Bookmark set at {self.seq}; {len(self.bookmarks)} in all."

    def next_bookmark(self) -> str:
        """The next bookmark, going round."""
        if not self.bookmarks:
            return "There are no bookmarks yet."
        at = bisect_right(self.bookmarks, self.seq) % len(self.bookmarks)
        return self._to(self.bookmarks[at], "This is the only bookmark.")

    def cause(self) -> str:
        """What had to happen just before this."""
        return self._to(causes.cause(self.run, self.seq), "Nothing in the run caused this.")

    def effect(self) -> str:
        """What this led to."""
        return self._to(causes.effect(self.run, self.seq), "This led to nothing that was recorded.")

    # search

    def next_match(self) -> str:
        """The next event that contains what was searched for, going round."""
        return self._match(backwards=False)

    def previous_match(self) -> str:
        """The previous event that contains it, going round."""
        return self._match(backwards=True)

    def _match(self, *, backwards: bool) -> str:
        if not self.needle:
            return "Nothing was searched for yet."
        found = self.find(backwards=backwards)
        if found is None:
            return f"“{self.needle}” is not in this run."
        return self._to(found, f"“{self.needle}” is only here.")

    def copy(self) -> Session:
        """Cursor and search, for a thread that looks for the next match while the person goes on."""
        other = Session(self.run, self.seq)
        other.needle = self.needle
        return other

    def find(self, *, backwards: bool = False, stop: Callable[[], bool] | None = None) -> int | None:
        """Where the next match is, going round the end of the run once; `stop` is asked now and then."""
        run = self.run
        start = self.seq + (-1 if backwards else 1)
        found = run.search(self.needle, start, backwards=backwards, stop=stop).hit if 1 <= start <= run.last else None
        if found is None and not (stop is not None and stop()):
            found = run.search(self.needle, run.last if backwards else 1, backwards=backwards, stop=stop).hit
        return found


STEPS: dict[str, Callable[[Session], str]] = {
    step.__name__: step
    for step in (
        Session.next_event, Session.previous_event, Session.next_superstep, Session.previous_superstep,
        Session.finish_handler, Session.handler_start, Session.lane_next, Session.lane_previous,
        Session.first, Session.last, Session.next_match, Session.previous_match,
        Session.next_finding, Session.previous_finding, Session.next_write, Session.previous_write,
        Session.next_bookmark, Session.cause, Session.effect,
    )
}  # fmt: skip
"""Steps by name, as the action registry calls them."""

JUMPS = (
    "next_finding", "previous_finding", "next_superstep", "previous_superstep", "effect", "cause", "finish_handler",
    "handler_start", "lane_next", "lane_previous", "next_write", "previous_write", "next_bookmark", "first", "last",
)  # fmt: skip
"""Steps that may lead far, the likeliest first; where they lead is found without a search."""
