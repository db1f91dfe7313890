"""The event log: every event in the order of `seq`, or every message with where it was sent, delivered and applied."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events

from stepscope.errors import WorkflowError
from stepscope.events import Resumed
from stepscope_tui.describe import brief, line
from stepscope_tui.looks import Looks, looks_of
from stepscope_tui.messages import Goto
from stepscope_tui.safe import plain
from stepscope_tui.widgets.lines import LineView
from stepscope_tui.widgets.rows import Motion, Rows

if TYPE_CHECKING:
    from stepscope_tracing import Run
    from stepscope_tracing.model import Message

_LANE = 14
_TIMES_FROM = 100
"""Width from which the log has a column of times."""


def _lane_width(run: Run) -> int:
    return max(5, min(_LANE, max((len(lane.executor) for lane in run.lanes()), default=5)))


class EventRows:
    """The events of a run, or of those `seqs` that a filter left, as rows."""

    def __init__(self, run: Run, looks: Looks, *, time: bool, seqs: Sequence[int] | None = None) -> None:
        """`time`: with a column of times."""
        self.run = run
        self.looks = looks
        self.time = time
        self.seqs = range(1, run.last + 1) if seqs is None else seqs
        self.digits = len(str(run.last))
        self.lane = _lane_width(run)

    @property
    def count(self) -> int:
        """How many events."""
        return len(self.seqs)

    def row(self, index: int) -> Text:
        """One event; a damaged recording's says so."""
        try:
            event = self.run.event(self.seqs[index])
        except WorkflowError as error:
            return Text(f"{self.seqs[index]:>{self.digits}} {plain(str(error), self.looks.ascii)}", "bold #ff7b72")
        return line(event, self.looks, digits=self.digits, lane=self.lane, time=self.time)

    def seq(self, index: int) -> int:
        """The event's `seq`."""
        return self.seqs[index]

    def index(self, seq: int) -> int:
        """Row of the last event shown that is not after `seq`."""
        return max(0, bisect_right(self.seqs, seq) - 1)


class MessageRows:
    """The messages of a run in the order sent, with the events at which each was delivered and applied.

    Applied is the commit of the superstep in which the message was handled: where others can see what came of it.
    """

    def __init__(self, run: Run, looks: Looks) -> None:
        """All messages of `run`, the input included."""
        self.run = run
        self.looks = looks
        last = run.previous(run.last + 1, kinds=("sent",))
        self._before, self._first = _before(run)
        newest = getattr(run.event(last), "message", 0) if last is not None else 0
        self.count = len(self._before) + max(0, newest - self._first + 1)
        self.digits = len(str(run.last))
        self.lane = _lane_width(run)

    def row(self, index: int) -> Text:
        """One message."""
        message, looks, number = self._message(index), self.looks, self._number(index)
        if message is None:
            return Text(f"m{number:<{self.digits}} is not in this recording", "#7d8590")
        source = plain(message.source, looks.ascii, self.lane) if message.source else "input"
        targets = [arc.executor for arc in message.deliveries]
        target = plain(targets[0], looks.ascii, self.lane) if targets else "-"
        more = f" +{len(targets) - 1}" if len(targets) > 1 else ""
        delivered = message.deliveries[0].seq if message.deliveries else 0
        out = Text(no_wrap=True, end="")
        out.append(f"m{number:<{self.digits}} ", "#7d8590")
        out.append(f"{source:>{self.lane}} {looks.glyph('arrow')} {target + more:<{self.lane + 3}}", "bold")
        out.append(f"sent {self._at(message.sent)} ", looks.style("sent"))
        if message.dropped:
            out.append(
                f"{looks.glyph('dropped')} dropped: {plain(message.dropped, looks.ascii)}", looks.style("dropped")
            )
        else:
            out.append(f"delivered {self._at(delivered)} ", looks.style("delivered"))
            out.append(f"applied {self._at(self._applied(delivered))}", "#8ddb8c")
        out.append(f"  {brief(message.payload, looks)}")
        return out

    def _at(self, seq: int) -> str:
        return f"{seq or '-':<{self.digits}}"

    def _applied(self, delivered: int) -> int:
        if not delivered:
            return 0
        span = self.run.superstep_at(delivered)
        return span.committed if span is not None else 0

    def seq(self, index: int) -> int:
        """Where the message was sent; the input's delivery; where a run was resumed, for what waited there."""
        message = self._message(index)
        if message is None:
            return 1
        if self._first > 1 and not message.sent:
            return _RESUMED
        return message.sent or (message.deliveries[0].seq if message.deliveries else 1)

    def index(self, seq: int) -> int:
        """The last message that was sent at or before `seq`."""
        return max(0, bisect_left(range(self.count), seq + 1, key=self._sent) - 1)

    def _sent(self, index: int) -> int:
        message = self._message(index) if index else None
        if message is not None and self._first > 1 and not message.sent:
            return _RESUMED
        return 0 if message is None else message.sent

    def _number(self, index: int) -> int:
        before = self._before
        return before[index] if index < len(before) else self._first + index - len(before)

    def _message(self, index: int) -> Message | None:
        """None for a number that another engine left out, and for what a damaged recording cannot tell."""
        try:
            return self.run.message(self._number(index))
        except (IndexError, WorkflowError):
            return None


_RESUMED = 2
"""`seq` of the event that says where a resumed run goes on."""


def _before(run: Run) -> tuple[list[int], int]:
    """Messages that were there before the first was sent, and the number of that one; the input, in most runs."""
    resumed = run.event(_RESUMED) if run.last >= _RESUMED else None
    if not isinstance(resumed, Resumed):
        return [0], 1
    return sorted({message for one in resumed.waiting for message in one.messages}), resumed.messages + 1


class EventsPanel(LineView):
    """The log. Its cursor is the run's cursor: moving in it steps through what it shows."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        """Empty until shown a run."""
        super().__init__(id=id, classes=classes)
        self.by_message = False
        self.seqs: Sequence[int] | None = None
        self.shown: EventRows | MessageRows | None = None
        self._run: Run | None = None
        self._seq = 1
        self._made_for: tuple[object, ...] = ()

    def show(self, run: Run, seq: int) -> None:
        """Put the cursor on `seq`."""
        self._run, self._seq = run, seq
        rows = self._rows_for(run)
        if rows is self.rows:
            self.move_cursor(rows.index(seq))
        else:
            self.set_rows(rows, cursor=rows.index(seq))

    def prepare(self, run: Run, seq: int) -> Iterator[None]:
        """Make the rows around `seq`."""
        if run is self._run and self.shown is not None and self.shown is self.rows:
            yield from self.prepare_row(self.shown.index(seq))

    def _rows_for(self, run: Run) -> EventRows | MessageRows:
        time = self.size.width >= _TIMES_FROM
        made_for = (run, run.last, self.by_message, time, self.seqs)
        if self.shown is None or self._made_for != made_for:
            looks = looks_of(self)
            self.shown = (
                MessageRows(run, looks) if self.by_message else EventRows(run, looks, time=time, seqs=self.seqs)
            )
            self._made_for = made_for
        return self.shown

    def toggle_order(self) -> str:
        """As recorded, or by message; says which it is now."""
        self.by_message = not self.by_message
        self._again()
        return "Messages in the order sent." if self.by_message else "Events as recorded."

    def only(self, seqs: Sequence[int] | None) -> None:
        """Show only these events; None: all."""
        self.seqs = seqs
        self._again()

    def _again(self) -> None:
        if self._run is not None:
            self.show(self._run, self._seq)

    def motion(self, motion: Motion) -> bool:
        """Move through the log, and the run with it."""
        if motion in ("left", "right", "open"):
            return False
        return super().motion(motion)

    def on_resize(self, event: events.Resize) -> None:
        """The column of times comes and goes with the width."""
        self._again()

    def on_line_view_moved(self, message: LineView.Moved) -> None:
        """The log's cursor is the run's."""
        message.stop()
        if self.shown is not None and self.shown.count:
            self.post_message(Goto(self.shown.seq(message.row)))

    def on_line_view_chosen(self, message: LineView.Chosen) -> None:
        """A second click on a row does what the first did."""
        self.on_line_view_moved(message)


_: type[Rows] = EventRows
