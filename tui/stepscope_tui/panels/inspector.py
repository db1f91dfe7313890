"""The inspector: everything the event at the cursor carries, its message's journey, and its handler's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from stepscope import events as ev
from stepscope.values import Value
from stepscope_tui.describe import duration, meaning_of, size
from stepscope_tui.looks import Looks, looks_of
from stepscope_tui.safe import plain
from stepscope_tui.unfold import unfold
from stepscope_tui.widgets.lines import LineView
from stepscope_tui.widgets.rows import ListRows, Motion

if TYPE_CHECKING:
    from stepscope_tracing import Run

_LABEL = "#8fa8c8"
_LARGE = 100_000
"""Bytes from which a value is unfolded only when asked for: it would make stepping slow."""
_HEAD = ("seq", "t", "scope", "superstep")
_GO = "enter: unfold"


class InspectorPanel(LineView):
    """Read-only; ``Enter`` unfolds values that are too large to unfold at each step."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        """Empty until shown a run."""
        super().__init__(id=id, classes=classes)
        self._run: Run | None = None
        self._seq = 0
        self._shown: tuple[Run, int, bool] | None = None
        self._whole = False
        self._looks = Looks()

    def show(self, run: Run, seq: int) -> None:
        """Inspect the event at `seq`."""
        shown = run, seq, run.index_ready
        if shown != self._shown:
            self._whole = False
            self._shown = shown
            self._run, self._seq = run, seq
            self._fill(cursor=0)

    def prepare(self, run: Run, seq: int) -> Iterator[None]:
        """Read what the event at `seq` belongs together with."""
        for _ in self._lines(run, run.event(seq)):
            yield

    def show_value(self, title: str, tree: object) -> None:
        """Inspect a value instead, until the cursor moves."""
        self._looks = looks_of(self)
        self._shown = None
        texts = [Text(plain(title, self._looks.ascii), "bold")]
        texts += [self._text(node.depth, node.label, node.text) for node in unfold(tree)]
        self.set_rows(ListRows(texts), cursor=0)

    def motion(self, motion: Motion) -> bool:
        """Enter unfolds large values."""
        if motion == "open":
            self._whole = True
            self._fill(cursor=self.cursor)
            return True
        return super().motion(motion)

    def _fill(self, cursor: int) -> None:
        if self._run is not None:
            self._looks = looks_of(self)
            self.set_rows(ListRows(list(self._lines(self._run, self._run.event(self._seq)))), cursor=cursor)

    def _lines(self, run: Run, event: ev.AnyEvent) -> Iterator[Text]:
        looks, meaning = self._looks, meaning_of(event)
        head = Text(no_wrap=True, end="")
        head.append(f"{looks.glyph(meaning)} {event.kind} ", looks.style(meaning))
        scope = f"  in sub-workflow #{event.scope}" if event.scope else ""
        head.append(f"seq {event.seq}  superstep {event.superstep}  at {duration(event.t)}{scope}", "#7d8590")
        yield head
        for name in event.__struct_fields__:
            if name not in _HEAD:
                yield from self._field(1, name, getattr(event, name))
        if not run.index_ready:
            yield Text("…", "#7d8590")
            return
        inv = getattr(event, "inv", 0)
        if inv:
            yield from self._invocation(run, inv)
        for number in self._messages(event):
            yield from self._message(run, number)

    def _text(self, depth: int, label: str, text: str) -> Text:
        out = Text("  " * depth, no_wrap=True, end="")
        if label:
            out.append(f"{plain(label, self._looks.ascii)}: ", _LABEL)
        out.append(plain(text, self._looks.ascii))
        return out

    def _field(self, depth: int, name: str, value: object) -> Iterator[Text]:
        if isinstance(value, Value):
            if len(value.data) > _LARGE and not self._whole:
                yield self._text(depth, name, f"<{size(len(value.data))}> ({_GO})")
                return
            for node in unfold(value.tree(), name, depth):
                yield self._text(*node)
        elif isinstance(value, ev.ErrorInfo):
            yield self._text(depth, name, f"{value.type.rsplit(':', 1)[-1]}: {value.message}")
            for row in value.traceback.splitlines():
                yield self._text(depth + 1, "", row)
        elif isinstance(value, ev.GraphInfo):
            yield from self._graph(depth, value)
        elif isinstance(value, list) and value and not isinstance(value[0], (str, int)):
            yield self._text(depth, name, f"{len(value)}")
            for item in value:
                yield from self._item(depth + 1, item)
        elif isinstance(value, (list, tuple)):
            yield self._text(depth, name, ", ".join(map(str, value)) or "none")
        elif isinstance(value, dict):
            for node in unfold(value, name, depth):
                yield self._text(*node)
        else:
            yield self._text(depth, name, "none" if value is None else str(value))

    def _item(self, depth: int, item: object) -> Iterator[Text]:
        if isinstance(item, ev.Change):
            yield self._text(depth, item.key, f"by {', '.join(item.writers)} ({item.access})")
            for name, value in (("before", item.old), ("after", item.new)):
                yield from self._field(depth + 1, name, "absent" if value is None else value)
        else:
            yield from self._field(depth, "", item)

    def _graph(self, depth: int, graph: ev.GraphInfo) -> Iterator[Text]:
        arrow = self._looks.glyph("arrow")
        yield self._text(depth, "executors", f"{len(graph.executors)}")
        for executor in graph.executors:
            places = ", ".join(f"{h.name}({h.message_type.rsplit(':', 1)[-1]})" for h in executor.handlers)
            yield self._text(depth + 1, executor.id, f"{executor.kind} {places}")
        yield self._text(depth, "edges", f"{len(graph.edges)}")
        for edge in graph.edges:
            yield self._text(depth + 1, edge.kind, f"{', '.join(edge.sources)} {arrow} {', '.join(edge.targets)}")
        yield self._text(depth, "keys", f"{len(graph.keys)}")
        for key in graph.keys:
            yield from self._field(depth + 1, f"{key.name} ({key.access})", key.initial)

    def _invocation(self, run: Run, inv: int) -> Iterator[Text]:
        one = run.invocation(inv)
        took = f", took {duration(one.t_ended - one.t_started)}" if one.ended and one.started else ""
        yield self._text(
            0, f"invocation #{inv}", f"{one.executor} {one.handler or ''}, {one.outcome or 'not ended'}{took}"
        )
        yield self._text(1, "delivered", f"{one.delivered}  started {one.started or '-'}  ended {one.ended or '-'}")

    @staticmethod
    def _messages(event: ev.AnyEvent) -> list[int]:
        match event:
            case ev.Sent() | ev.Routed() | ev.Dropped():
                return [event.message]
            case ev.Delivered():
                return [message for message in event.messages if message]
        return []

    def _message(self, run: Run, number: int) -> Iterator[Text]:
        message, arrow = run.message(number), self._looks.glyph("arrow")
        yield self._text(0, f"message m{number}", f"from {message.source}, sent at {message.sent}")
        for route in message.routed:
            because = f" ({route.reason})" if route.reason else ""
            yield self._text(
                1, "routed", f"{route.seq}  {route.edge} {arrow} {route.target}: {route.decision}{because}"
            )
        for arc in message.deliveries:
            yield self._text(1, "delivered", f"{arc.seq}  {arc.executor} #{arc.inv}")
        if message.dropped:
            yield self._text(1, "dropped", message.dropped)
        if not isinstance(run.event(self._seq), (ev.Sent, ev.Delivered)):
            yield from self._field(1, "payload", message.payload)
