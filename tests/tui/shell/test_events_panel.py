"""The rows of the event log: by event and by message."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stepscope.events import AnyEvent, Delivered, Dropped, Routed, Sent
from stepscope_tracing import Run
from stepscope_tui.looks import Looks
from stepscope_tui.panels.events import EventRows, MessageRows
from support.random_streams import streams
from support.streams import Stream


def chain() -> list[AnyEvent]:
    """a sends to b and to nobody."""
    stream = Stream("a", "b")
    (inv,) = stream.begin()
    stream.start(inv)
    stream.send(inv, "one", "b")
    stream.send(inv, "two", "nobody")
    stream.end(inv)
    stream.commit()
    (inv,) = stream.begin()
    stream.start(inv)
    stream.end(inv)
    stream.commit()
    return stream.finish()


def test_a_messages_row_says_where_it_was_sent_delivered_and_applied() -> None:
    run = Run.of_events(chain())
    rows = MessageRows(run, Looks())
    sent = run.events(kinds=("sent",))[0].seq
    delivered = run.events(kinds=("delivered",))[1].seq
    applied = run.events(kinds=("committed",))[1].seq
    words = rows.row(1).plain.split()
    assert words[:8] == ["m1", "a", "→", "b", "sent", str(sent), "delivered", str(delivered)]
    assert words[8:10] == ["applied", str(applied)]
    assert "input → a" in rows.row(0).plain
    assert "dropped" in rows.row(2).plain
    assert rows.count == 3


@settings(max_examples=40, deadline=None)
@given(streams())
def test_messages_are_found_by_when_they_were_sent(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    rows = MessageRows(run, Looks())
    for seq in range(1, run.last + 1):
        index = rows.index(seq)
        assert index == 0 or rows.seq(index) <= seq
        assert index + 1 >= rows.count or rows.seq(index + 1) > seq


@settings(max_examples=40, deadline=None)
@given(streams(), st.data())
def test_a_filtered_log_puts_the_cursor_on_the_last_event_shown_before(
    events: list[AnyEvent], data: st.DataObject
) -> None:
    run = Run.of_events(events)
    seqs = sorted(data.draw(st.sets(st.integers(1, run.last), min_size=1)))
    rows = EventRows(run, Looks(), time=False, seqs=seqs)
    assert rows.count == len(seqs)
    for seq in range(1, run.last + 1):
        shown = rows.seq(rows.index(seq))
        assert shown == max((s for s in seqs if s <= seq), default=seqs[0])


def test_numbers_that_another_engine_left_out_are_said() -> None:
    def doubled(event: AnyEvent) -> AnyEvent:
        if isinstance(event, (Sent, Routed, Dropped)):
            return replace(event, message=2 * event.message)
        if isinstance(event, Delivered):
            return replace(event, messages=[2 * message for message in event.messages])
        return event

    rows = MessageRows(Run.of_events(map(doubled, chain())), Looks())
    assert "is not in this recording" in rows.row(1).plain
    assert "a → b" in rows.row(2).plain
    assert "dropped" in rows.row(4).plain
    assert rows.count == 5
    assert rows.seq(1) == 1
