"""Locks and barriers: strips over a stretch, who waits for whom, deadlocks, and who was last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from stepscope.events import AnyEvent, LockReleased
from stepscope_tracing import Run
from stepscope_tracing.model import LockState, Waiter
from stepscope_tui.drawing import contention
from stepscope_tui.drawing.glyphs import ASCII, UNICODE
from stepscope_tui.drawing.holding import FOREVER, Holding, Stretch, holding
from stepscope_tui.drawing.strips import Scale, strip, window
from stepscope_tui.drawing.waits import chain, cycles, waits_of
from support.random_streams import streams
from support.streams import Stream, live


def lock(held: list[tuple[int, int, str]], waited: list[tuple[int, int, str]] | None = None) -> Holding:
    return Holding([Stretch(*one) for one in held], [Stretch(*one) for one in waited or []])


def rows(one: Holding, first: int = 1, last: int = 20, cursor: int = 0, scale: Scale | None = None) -> tuple[str, str]:
    made = strip(one, first, last, cursor, UNICODE, scale or Scale())
    return "".join(s.text for s in made.held), "".join(s.text for s in made.waited)


def test_a_strip_shows_holders_and_waiters() -> None:
    held, waited = rows(lock([(3, 10, "ann"), (10, 14, "bob")], [(6, 10, "bob")]))
    assert held == " ·═ann███════· · · ·"
    assert waited == "     ░░░░           "


def test_a_strip_counts_holds_waits_and_the_longest_queue() -> None:
    held = [(1, 9, "a"), (9, 12, "b"), (30, 31, "d")]
    made = strip(lock(held, [(2, 9, "b"), (4, 6, "c")]), 1, 20, 0, UNICODE, Scale())
    assert (made.holds, made.waits, made.queue) == (2, 2, 2)
    assert "".join(s.text for s in made.waited) == " ░░22░░░            "


def test_a_hold_that_was_never_released_goes_on() -> None:
    assert rows(lock([(15, FOREVER, "ann")]))[0] == " · · · · · · ·═ann══"


def test_a_cell_may_be_several_events_or_an_event_several_cells() -> None:
    hold = lock([(3, 5, "ann")])
    assert rows(hold, last=8, scale=Scale(per=2))[0] == " ═ ·"
    assert rows(hold, last=8, scale=Scale(step=2))[0] == " · ·════ · · · ·"


def test_what_is_outside_the_stretch_is_left_out() -> None:
    made = strip(lock([(30, 40, "ann")]), 1, 20, 5, UNICODE, Scale())
    assert (made.holds, made.waits) == (0, 0)


def test_the_stretch_is_the_superstep_if_that_fits_and_pages_otherwise() -> None:
    assert window(15, 900, 40, 1, (10, 19)) == (10, 19, Scale(1, 4))
    assert window(15, 900, 40, 1, (10, 40)) == (10, 40, Scale(1, 1))
    first, last, scale = window(500, 900, 40, 1, (1, 900))
    assert last - first == 39
    assert first < 500 < last
    assert scale == Scale(1, 1)


@given(st.integers(1, 5_000), st.integers(5, 200), st.integers(1, 64))
def test_the_cursor_is_in_the_stretch(seq: int, width: int, per: int) -> None:
    first, last, _ = window(seq, 5_000, width, per, None)
    assert first <= seq <= last
    assert last - first < width * per


@given(streams(executors=4), st.integers(1, 60), st.integers(1, 80))
def test_a_strip_holds_what_the_locks_say_at_each_event(events: list[AnyEvent], first: int, cells: int) -> None:
    run = Run.of_events(events)
    last = min(run.last, first + cells)
    if first > last:
        return
    window_events = run.events(first, last - first + 1)
    scopes = sorted({event.scope for event in events})
    before = {(scope, key): one for scope in scopes for key, one in run.locks_at(first - 1, scope).items()}
    found = holding(window_events, before)
    for scope in scopes:
        for seq in range(first, last + 1):
            for key, one in run.locks_at(seq, scope).items():
                drawn = found[scope, key]
                event = run.event(seq)
                if isinstance(event, LockReleased) and event.next:
                    continue  # handed over, and nobody has woken up yet
                here = [s.executor for s in drawn.held if s.first <= seq < s.end]
                assert here == ([one.holder_executor] if one.holder else [])
                waiting = sorted(s.executor for s in drawn.waited if s.first <= seq < s.end)
                assert waiting == sorted(waiter.executor for waiter in one.queue)
    for drawn in found.values():
        made = strip(drawn, first, last, 0, ASCII, Scale())
        texts = ["".join(s.text for s in row) for row in (made.held, made.waited)]
        assert {len(text) for text in texts} == {last - first + 1}
        for seq in range(first, last + 1):
            assert (texts[0][seq - first] != " ") == any(s.first <= seq < s.end for s in drawn.held)
            assert (texts[1][seq - first] != " ") == any(s.first <= seq < s.end for s in drawn.waited)


def state(holder: int, name: str, *queue: tuple[int, str, str, int]) -> LockState:
    return LockState(holder, name, [Waiter(*one) for one in queue])


LOCKS = {
    "x": state(1, "ann", (2, "bob", "hold", 12), (3, "cat", "get", 14)),
    "y": state(2, "bob", (1, "ann", "hold", 15)),
    "z": state(4, "dan"),
}


def test_who_waits_for_whom() -> None:
    assert [(one.executor, one.key, one.holder_executor, one.place) for one in waits_of(LOCKS)] == [
        ("bob", "x", "ann", 1), ("cat", "x", "ann", 2), ("ann", "y", "bob", 1),
    ]  # fmt: skip
    by_inv = {one.inv: one for one in waits_of(LOCKS)}
    assert [one.executor for one in chain(3, by_inv)] == ["cat", "ann", "bob"]


def test_a_cycle_is_found_once_and_those_who_only_wait_for_it_are_not_in_it() -> None:
    assert [[one.executor for one in cycle] for cycle in cycles(LOCKS)] == [["ann", "bob"]]
    assert cycles({"x": LOCKS["x"]}) == []


def test_the_graph_in_words() -> None:
    texts = [
        text.plain for text in contention.graph_texts(LOCKS, 5_000, {12: 1_000, 14: 3_000, 15: 5_000}, UNICODE.looks)
    ]
    assert texts == [
        "DEADLOCK  ann wants y of bob, bob wants x of ann",
        "▣ ann holds x",
        "  ◔ bob waits to hold, for 4 us, since 12",
        "  ◔ cat waits to get, for 2 us, since 14, place 2",
        "▣ bob holds y",
        "  ◔ ann waits to hold, for 0 ns, since 15",
        "■ dan holds z",
    ]


def barrier() -> Run:
    stream = Stream("a", "b", "c", keys=[live("k", 0)])
    (a,) = stream.begin()
    stream.start(a)
    stream.send(a, 1, "b")
    stream.send(a, 1, "c")
    stream.end(a)
    stream.commit()
    b, c = stream.begin()
    stream.start(b)
    stream.start(c)
    stream.end(c)
    for _ in range(5):
        stream.get(b, "k")
    stream.end(b)
    stream.commit()
    return Run.of_events(stream.finish())


def test_barrier_blame() -> None:
    run = barrier()
    span = run.supersteps()[1]
    texts = [text.plain for text in contention.blame_texts(span, run.arrivals(2), 60, UNICODE)]
    assert texts[0].startswith(" c ━")
    assert texts[0].endswith(" idle 7.1 us")
    assert texts[1] == " b " + "━" * 37 + " last"
    assert {cell_len(text.split(" idle")[0].split(" last")[0]) for text in texts} == {40}
    line = contention.blame_line(span, run.arrivals(2), UNICODE.looks, here=False).plain
    assert line == "k2    last b  1 other idled 7.1 us"
    assert (
        contention.blame_line(run.supersteps()[0], run.arrivals(1), UNICODE.looks, here=True).plain
        == "k1    last a  alone"
    )


def test_without_locks_there_is_a_sentence() -> None:
    assert contention.no_locks(False).plain == "No executor held or waited for a lock in this run."
