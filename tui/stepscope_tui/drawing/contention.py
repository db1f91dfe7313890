"""Locks and barriers as lines: who holds and waits now, strips over the visible stretch, who was last at a barrier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text

from stepscope_tui.describe import duration
from stepscope_tui.looks import Looks

from .glyphs import Glyphs
from .palette import style
from .rows import Row
from .state import shorten
from .strips import Strip
from .waits import Wait, cycles, waits_of

if TYPE_CHECKING:
    from stepscope_tracing.model import Arrival, LockState, SuperstepSpan

DEADLOCK = "DEADLOCK"
"""What the line of a deadlock begins with."""

_NAME = 16


def text_from(row: Row) -> Text:
    """A drawn row as text."""
    out = Text(no_wrap=True, end="")
    for text, one, _ in row:
        out.append(text, one)
    return out


def heading(title: str, detail: str, looks: Looks) -> Text:
    """The line over a section."""
    out = Text(no_wrap=True, end="")
    out.append(f"{title}", style("header"))
    out.append(f"  {detail}" if detail else "", style("quiet"))
    return out


def no_locks(used: bool) -> Text:
    """What is said instead of strips. `used`: the run has locks, though none here."""
    sentence = (
        "No lock is held or wanted in this stretch." if used else "No executor held or waited for a lock in this run."
    )
    return Text(sentence, style("quiet"), no_wrap=True, end="")


def nobody() -> Text:
    """What is said of a barrier at which nobody arrived."""
    return Text(" Nobody has arrived at it.", style("quiet"), no_wrap=True, end="")


def not_yet() -> Text:
    """What is said while a large recording is still being read."""
    return Text("Reading the recording; locks and barriers come in a moment.", style("quiet"), no_wrap=True, end="")


def strip_texts(key: str, made: Strip, label: int, glyphs: Glyphs) -> list[Text]:
    """A strip's lines: the key, its holders, the numbers behind; and the queue below it if anybody waited."""
    looks = glyphs.looks
    upper = Text(no_wrap=True, end="")
    name = shorten(key, label - 1, looks)
    upper.append(name + " " * (label - cell_len(name)), style("name"))
    upper.append_text(text_from(made.held))
    upper.append(f" {made.holds}{looks.glyph('held')}", style("held"))
    if not made.waits:
        return [upper]
    upper.append(f" {made.waits}{looks.glyph('waiting')}", style("waiting"))
    lower = Text(" " * (label - 8) + "waiting " if label >= 8 else " " * label, style("quiet"), no_wrap=True, end="")
    lower.append_text(text_from(made.waited))
    if made.queue > 1:
        lower.append(f" up to {made.queue}", style("quiet"))
    return [upper, lower]


def graph_texts(locks: Mapping[str, LockState], now: int, times: Mapping[int, int], looks: Looks) -> list[Text]:
    """The wait-for graph at the cursor. `now`: the time there; `times`: that of each `since` event, both in ns."""
    out = [_cycle_text(cycle, looks) for cycle in cycles(locks)]
    for key, lock in sorted(locks.items()):
        if not lock.holder and not lock.queue:
            continue
        line = Text(no_wrap=True, end="")
        line.append(f"{looks.glyph('contended' if lock.queue else 'held')} ", style("wanted" if lock.queue else "held"))
        line.append(shorten(lock.holder_executor or "nobody", _NAME, looks), style("name.lit"))
        line.append(" holds ", style("quiet"))
        line.append(shorten(key, 2 * _NAME, looks), style("name"))
        out.append(line)
        for wait in waits_of({key: lock}):
            out.append(_wait_text(wait, now - times.get(wait.since, now), looks))
    return out


def _wait_text(wait: Wait, since: int, looks: Looks) -> Text:
    line = Text("  ", no_wrap=True, end="")
    line.append(f"{looks.glyph('waiting')} ", style("waiting"))
    line.append(shorten(wait.executor, _NAME, looks), style("name.lit"))
    line.append(f" waits to {wait.op}", style("quiet"))
    line.append(f", for {duration(since)}", style("waiting"))
    line.append(f", since {wait.since}" + (f", place {wait.place}" if wait.place > 1 else ""), style("quiet"))
    return line


def _cycle_text(cycle: Sequence[Wait], looks: Looks) -> Text:
    line = Text(f"{DEADLOCK} ", style("alarm"), no_wrap=True, end="")
    for i, wait in enumerate(cycle):
        line.append(", " if i else " ", style("alarm"))
        line.append(shorten(wait.executor, _NAME, looks), style("name.lit"))
        line.append(" wants ", style("alarm"))
        line.append(shorten(wait.key, _NAME, looks), style("name"))
        line.append(" of ", style("alarm"))
        line.append(shorten(wait.holder_executor, _NAME, looks), style("name.lit"))
    return line


def blame_texts(span: SuperstepSpan, arrivals: Sequence[Arrival], width: int, glyphs: Glyphs) -> list[Text]:
    """Barrier blame of one superstep: a bar for each executor, from its start to its arrival, then how long it idled."""
    looks = glyphs.looks
    out = []
    longest = max((arrival.t for arrival in arrivals), default=span.t0) - span.t0
    names = min(_NAME, max((cell_len(shorten(a.executor, _NAME, looks)) for a in arrivals), default=4))
    room = max(4, min(40, width - names - 22))
    for arrival in sorted(arrivals, key=lambda one: (one.t, one.seq)):
        line = Text(no_wrap=True, end="")
        name = shorten(arrival.executor, names, looks)
        line.append(" " + name + " " * (names - cell_len(name) + 1), style("name"))
        busy = room if longest <= 0 else max(1, (arrival.t - span.t0) * room // longest)
        last = arrival.idle_ns == 0 and arrival is max(arrivals, key=lambda one: one.seq)
        line.append(glyphs.running * busy, style("wanted" if last else "running"))
        line.append(glyphs.idle * (room - busy), style("idle"))
        line.append(" last" if last else f" idle {duration(arrival.idle_ns)}", style("wanted" if last else "quiet"))
        out.append(line)
    return out


def blame_line(span: SuperstepSpan, arrivals: Sequence[Arrival], looks: Looks, *, here: bool) -> Text:
    """Barrier blame of one superstep in one line: who was last, how long all others idled together."""
    line = Text(no_wrap=True, end="")
    line.append(f"k{span.superstep:<5}", style("cursor" if here else "header"))
    if not arrivals:
        line.append("nobody arrived", style("quiet"))
        return line
    last = max(arrivals, key=lambda one: one.seq)
    line.append("last ", style("quiet"))
    line.append(shorten(last.executor, _NAME, looks), style("name.lit"))
    idle = sum(arrival.idle_ns for arrival in arrivals)
    others = len(arrivals) - 1
    if others:
        who = "1 other" if others == 1 else f"{others} others"
        line.append(f"  {who} idled {duration(idle)}", style("idle" if idle else "quiet"))
    else:
        line.append("  alone", style("quiet"))
    if span.outcome != "completed":
        line.append(f"  {span.outcome}", style("alarm" if span.outcome == "failed" else "quiet"))
    return line


def axis(first: int, last: int, width: int, label: int) -> Text:
    """Which events the strips show."""
    left, right = f"{first}", f"{last}"
    gap = max(1, width - len(left) - len(right))
    return text_from([Segment(" " * label + left + " " * gap + right, style("quiet"))])
