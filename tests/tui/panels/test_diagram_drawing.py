"""The diagram for any moment: what is past and what is to come, where the cursor is, zoom, and the same both ways."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style

from stepscope import WorkflowBuilder
from stepscope.events import AnyEvent, Delivered, Routed
from stepscope_tracing import Run
from stepscope_tui.drawing.buffers import Buffers
from stepscope_tui.drawing.diagram import DiagramDrawing, as_text
from stepscope_tui.drawing.glyphs import ASCII, UNICODE
from stepscope_tui.drawing.palette import Shade, style
from stepscope_tui.drawing.rows import Row
from stepscope_tui.drawing.slots import executor_of
from support.random_streams import long_stream, random_stream, streams
from support.streams import Stream, live
from support.workflows import Node, give, relay, sending, watch


def chain(*executors: str, supersteps: int) -> Run:
    """A message that goes round: one handler a superstep."""
    stream = Stream(*executors)
    for k in range(supersteps):
        (inv,) = stream.begin()
        stream.start(inv)
        stream.send(inv, k, executors[(k + 1) % len(executors)])
        stream.end(inv)
        stream.commit()
    run = Run.of_events(stream.finish())
    run.build_index()
    return run


def cells(row: Row) -> list[tuple[str, Style]]:
    return [(char, segment.style or Style.null()) for segment in row for char in segment.text]


def inverted(rows: list[Row]) -> list[tuple[int, str]]:
    return [(y, char) for y, row in enumerate(rows) for char, one in cells(row) if one.reverse]


def pointed_at(rows: list[Row]) -> bool:
    """Whether the header shows the cursor's column, by its mark or on a number there."""
    return "▼" in as_text(rows)[0] or 0 in {row for row, _ in inverted(rows)}


def test_the_cursor_is_in_its_lane_and_column() -> None:
    drawing = DiagramDrawing(chain("ann", "bob", supersteps=2), 40, 5)
    rows = drawing.rows(5)
    assert as_text(rows) == [
        " step ◉1 ▼   ┃2      ┃◉                 ",
        "▸ann  ┃▶┣┯┫┤┈┃ ·   · ┃                  ",
        "      ┃  ╰───╂╮      ┃                  ",
        " bob  ┃·   · ┃╰▶┣┯┫┤┈┃                  ",
        "      ┃      ┃   ╰───╂                  ",
    ]
    assert inverted(rows) == [(1, "┯")]


def test_what_is_to_come_is_dimmed_and_what_was_is_not() -> None:
    drawing = DiagramDrawing(chain("a", "b", supersteps=2), 60, 5)
    event = drawing.run.event(12)
    rows = drawing.rows(12)
    assert event.superstep == 2
    future = style("running", "future")
    at = next(x for x, (_, one) in enumerate(cells(rows[0])) if one.color == style("cursor").color)
    left = {one.color for row in rows[1:5] for char, one in cells(row)[6:at] if char in "━┣┫┯┃"}
    right = {one.color for row in rows[1:5] for char, one in cells(row)[at + 1 :] if char in "━┣┫┯┃"}
    assert future.color not in left
    assert right == {future.color}


def test_the_wires_of_the_cursors_lane_are_lit() -> None:
    run = chain("a", "b", "c", supersteps=3)
    drawing = DiagramDrawing(run, 60, 7)
    sent = run.next(0, kinds=("sent",))
    assert sent is not None
    lit = {style("wire.lit").color, style("wire.coming").color}
    wires = [char for row in drawing.rows(sent) for char, one in cells(row) if one.color in lit and char in "─╮╰╂▶"]
    assert len(wires) > 3
    assert not [char for row in drawing.rows(1) for char, one in cells(row) if one.color in lit and char in "─╮╰╂"]


def test_an_events_shade_can_be_given() -> None:
    """Where the shading by happens-before goes: it replaces the one by `seq`."""
    run = chain("a", "b", supersteps=2)
    drawing = DiagramDrawing(run, 60, 5)
    asked: set[int] = set()

    def shader(seq: int) -> Shade:
        asked.add(seq)
        return "concurrent"

    drawing.shading = lambda cursor: shader
    rows = drawing.rows(3)
    assert asked
    assert style("running", "concurrent").color in {one.color for row in rows for _, one in cells(row)}


def test_zoomed_far_out_supersteps_share_a_column_and_are_counted() -> None:
    drawing = DiagramDrawing(chain("a", "b", supersteps=8), 60, 5, level=8)
    assert as_text(drawing.rows(1)) == [
        " step ┃1–4   3↻┃5–8    3↻┃                                  ",
        " a    ┃▶━━━2━━━┃╭▶━━━2━━━┃                                  ",
        "      ┃        ┃│        ┃                                  ",
        " b    ┃ ━━━2━━━┃│ ━━━2━━━┃                                  ",
        "      ┃      ──╂╯      ──╂                                  ",
    ]


@given(streams(executors=5, supersteps=7), st.integers(7, 9), st.integers(3, 20))
def test_zoomed_out_every_delivery_and_message_is_counted(events: list[AnyEvent], level: int, height: int) -> None:
    run = Run.of_events(events)
    run.build_index()
    if len(run.supersteps()) < 2:
        return  # nothing to put together
    drawing = DiagramDrawing(run, 400, height, level=level)
    grid = drawing._grid("a")
    deliveries = [event for event in events if isinstance(event, Delivered)]
    shown, carried = 0, 0
    for _, tile, _ in drawing.placed(1, grid):
        lines, roles = tile.canvas.lines, tile.canvas.roles
        for row in range(grid.end):
            counted = "".join(
                c if r in ("total", "hidden") else " " for c, r in zip(lines[row], roles[row], strict=True)
            )
            shown += sum(int(number) for number in re.findall(r"(\d+)(?: \d+✗)?", counted))
            arriving = "".join(
                c if r in ("arrow", "count") else " " for c, r in zip(lines[row], roles[row], strict=True)
            )
            carried += sum(int(number or 1) for number in re.findall(r"(\d*)[▶↻]", arriving))
    assert shown == len(deliveries)
    assert carried == sum(len(event.messages) for event in deliveries)


def test_fit_shows_the_whole_run() -> None:
    drawing = DiagramDrawing(chain("a", "b", supersteps=40), 80, 6)
    drawing.fit()
    placed = drawing.placed(1, drawing._grid("a"))
    assert placed[0].tile.first == 1
    assert placed[-1].tile.last == drawing.run.last
    assert placed[-1].x + placed[-1].tile.width <= 80
    drawing.set_level(drawing.level - 1)
    assert drawing.placed(drawing.run.last, drawing._grid("a"))[0].tile.first > 1


def test_moving_through_lanes_finds_events_there() -> None:
    run = chain("a", "b", "c", supersteps=6)
    drawing = DiagramDrawing(run, 80, 8)
    seq = run.next(30, executor="a")
    assert seq is not None
    down = drawing.seq_in_next_lane(seq, 1)
    assert down is not None
    assert drawing.lane_of(down) == "b"
    assert drawing.seq_in_next_lane(seq, -1) is None
    back = drawing.seq_in_next_lane(down, -1)
    assert back is not None
    assert drawing.lane_of(back) == "a"


def test_a_click_leads_to_the_event_under_it() -> None:
    run = chain("a", "b", supersteps=3)
    drawing = DiagramDrawing(run, 60, 5)
    rows = drawing.rows(4)
    x = next(x for x, (char, one) in enumerate(cells(rows[1])) if one.reverse and char == "┣")
    assert drawing.seq_at(4, x, 1) == 4
    assert drawing.seq_at(4, x + 1, 1) == 5


def test_names_are_harmless_and_wide_ones_keep_their_columns() -> None:
    run = chain("\x1b[31mred", "執行者執行者執行者", supersteps=2)
    rows = DiagramDrawing(run, 60, 5).rows(3)
    assert "\x1b" not in "".join(as_text(rows))
    assert {sum(segment.cell_length for segment in row) for row in rows} == {60}
    assert "\\x1b[31mred" in as_text(rows)[1]


sizes = st.tuples(st.integers(12, 170), st.integers(2, 46))


@given(streams(executors=4), sizes, st.integers(0, 9), st.randoms(use_true_random=False), st.booleans())
def test_rows_fill_the_room_exactly_and_are_the_same_both_ways(
    events: list[AnyEvent], size: tuple[int, int], level: int, rng: random.Random, ascii_only: bool
) -> None:
    run = Run.of_events(events)
    run.build_index()
    width, height = size
    glyphs = ASCII if ascii_only else UNICODE
    drawing = DiagramDrawing(run, width, height, glyphs, level)
    seqs = sorted(rng.sample(range(1, run.last + 1), min(run.last, 6)))
    forward = {seq: drawing.rows(seq) for seq in seqs}
    for seq in reversed(seqs):
        rows = drawing.rows(seq)
        assert rows == forward[seq]
        assert rows == DiagramDrawing(run, width, height, glyphs, level).rows(seq)
        assert len(rows) == height
        assert all(Segment.get_line_length(row) == width for row in rows)
        assert not ascii_only or all(text.isascii() for text in as_text(rows))


@given(streams(executors=4), st.integers(40, 120), st.integers(4, 30))
def test_the_cursor_is_always_visible(events: list[AnyEvent], width: int, height: int) -> None:
    run = Run.of_events(events)
    drawing = DiagramDrawing(run, width, height)
    for seq in range(1, run.last + 1, 7):
        rows = drawing.rows(seq)
        assert pointed_at(rows)
        executor = executor_of(run.event(seq))
        assert not executor or f"▸{executor.rpartition('/')[2]}" in "".join(as_text(rows)).replace(" ", "")


def test_a_very_long_superstep_is_cut_into_pieces_that_fit_together() -> None:
    stream = Stream("a", "b")
    (inv,) = stream.begin()
    stream.start(inv)
    for n in range(2_500):
        stream.effect(inv, "now", n)
    stream.send(inv, 1, "b")
    stream.end(inv)
    stream.commit()
    run = Run.of_events(stream.finish())
    run.build_index()
    drawing = DiagramDrawing(run, 80, 5, level=3)
    for seq in (1_020, 1_024, 1_025, 1_030, 2_500, 4_000):
        assert pointed_at(drawing.rows(seq))
        rows = as_text(drawing.rows(seq))
        assert " " not in rows[1][7:79].strip("┃▶◉· ")
    run_without_index = Run.of_events(stream.events)
    assert "▼" in as_text(DiagramDrawing(run_without_index, 80, 5).rows(2_000))[0]


@pytest.mark.slow
def test_a_step_through_a_long_recording_takes_less_than_a_frame() -> None:
    run = Run.of_events(long_stream(200_000, executors=12))
    run.build_index()
    drawing = DiagramDrawing(run, 160, 45)
    took = []
    for seq in range(run.last // 2, run.last // 2 + 500):
        began = time.perf_counter()
        drawing.rows(seq)
        took.append(time.perf_counter() - began)
        for _ in drawing.prepare(seq):
            pass
    assert sorted(took)[len(took) // 2] < 0.005


def test_a_piece_of_a_long_superstep_knows_who_holds_what_in_sub_workflows() -> None:
    stream = Stream("a", "b")
    (inv,) = stream.begin()
    stream.start(inv)
    sub = stream.sub(inv, "x", "y", keys=[live("pool", 0)])
    (first,) = sub.begin()
    sub.start(first)
    sub.send(first, 1, "a/x")
    sub.send(first, 1, "a/y")
    sub.end(first)
    sub.commit()
    holder, waiter = sub.begin()
    sub.start(holder)
    sub.start(waiter)
    sub.hold(holder, "pool")
    sub.hold(waiter, "pool")
    for n in range(1_000):
        stream.effect(inv, "now", n)
    run = Run.of_events(stream.events)
    run.build_index()
    rows = as_text(DiagramDrawing(run, 80, 8, level=3).rows(1_500))
    bars = {row.split()[0]: row for row in rows if row.strip()}
    assert UNICODE.wanted * 20 in bars["x"]
    assert UNICODE.waiting * 20 in bars["y"]


def test_a_run_without_supersteps() -> None:
    run = Run.of_events(random_stream(random.Random(1), supersteps=0))
    assert "a" in as_text(DiagramDrawing(run, 40, 6).rows(1))[1]


async def unequal_fan_in() -> Run:
    """`fast` sends twice at once, `slow` once, two barriers later: one message stays over."""
    start, fast, slow, slower = (
        Node("start", relay),
        Node("fast", sending(1, 2)),
        Node("slow", relay),
        Node("slower", relay),
    )
    builder = WorkflowBuilder(start).add_fan_out_edges(start, [fast, slow]).add_edge(slow, slower)
    seen = await watch(builder.add_fan_in_edges([fast, slower], Node("join", give)).build(), 0, mode="deterministic")
    run = Run.of_events(seen.events)
    run.build_index()
    return run


async def test_messages_wait_in_a_fan_ins_buffer_over_barriers() -> None:
    run = await unequal_fan_in()
    rows = as_text(DiagramDrawing(run, 60, 6, level=3).rows(run.last))
    assert [row.rstrip() for row in rows] == [
        " step    ◉1     ┃2           ┃3          ┃4        ┃▼",
        " start   ┃▶┣→┫┤─╂╮·   ·   ·  ┃ ·   ·   · ┃ ·   ·   ┃",
        " fast    ┃·   · ┃├▶┣→━→┫┤────╂╮·   ·   · ┃ ·   ·   ┃",
        " slow    ┃·   · ┃╰▶┄┄┣━━━→┫┤─╂┼╮   ·   · ┃ ·   ·   ┃",
        " slower  ┃·   · ┃ ·   ·   ·  ┃│╰─▶┣→┫┤───╂╮·   ·   ┃",
        " join    ┃·   · ┃ ·   ·   ·  ┃╰─2◌┈┈┈┈┈┈┈┃┈2▶┣★┫┤┈◌┃┈",
    ]


async def test_buffers_are_counted_a_little_at_a_time() -> None:
    run = await unequal_fan_in()
    buffers = Buffers(run)
    while not buffers.feed(run.last, 0):
        assert not buffers.known(run.last)
    kept = {}
    for seq in range(1, run.last + 1):
        event = run.event(seq)
        if isinstance(event, Routed) and event.decision == "buffered":
            kept[event.message] = seq
        if isinstance(event, Delivered):
            for message in event.messages:
                kept.pop(message, None)
        assert sum(buffers.at(seq).values()) == len(kept)
    assert buffers.at(run.last) == {"join": 1}
