"""Supersteps drawn: exact pictures of small runs, and for random runs that everything is drawn or counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepscope.events import AnyEvent, Delivered, RunEnded, SuperstepStarted
from stepscope_tui.drawing.glyphs import ASCII, UNICODE
from stepscope_tui.drawing.lanes import arrange
from stepscope_tui.drawing.slots import executor_of, slots_of
from stepscope_tui.drawing.tile import Stretch, Tile, Zoom, build
from support.drawings import by_superstep, lane_names, picture, tiles
from support.random_streams import streams
from support.streams import Stream, live

_MARKS = set("┣┫┯→○●↶◔■□◇◆★┤▲✗⊘☠")


def locked() -> list[AnyEvent]:
    """`a` sends to `b` and twice to `c`; `b` holds a lock that `c` wants."""
    stream = Stream("a", "b", "c", keys=[live("k", 0)])
    (a,) = stream.begin()
    stream.start(a)
    stream.send(a, 1, "b")
    stream.send(a, 2, "c")
    stream.send(a, 3, "c")
    stream.end(a)
    stream.commit()
    b, c, again = stream.begin()
    stream.start(b)
    stream.hold(b, "k")
    stream.start(c)
    stream.get(c, "k")
    stream.set(b, "k", 1)
    stream.release(b, "k")
    stream.end(b)
    stream.output(c, 1)
    stream.end(c)
    stream.start(again)
    stream.end(again)
    stream.commit()
    return stream.finish()


def test_lanes_bars_wires_locks_and_barriers() -> None:
    assert picture(locked(), 7) == [
        "◉1       ┃2                 ┃◉",
        "┃▶┣┯┯┯┫┤┈┃ ·   ·   ·   ·   ·┃",
        "┃  ╰┴┴───╂╮                 ┃",
        "┃·   ·   ┃├─▶┣■═█●□━┫┤┈┈┈┈┈┈┃",
        "┃        ┃│                 ┃",
        "┃·   ·   ┃╰2▶┄┄┣◔░░○━━★┫┣┫┤┈┃",
        "┃        ┃                  ┃",
    ]


def test_with_a_row_a_lane_wires_leave_on_the_lane() -> None:
    assert picture(locked(), 4) == [
        "◉1       ┃2                 ┃◉",
        "┃▶┣→→→┫┤─╂╮·   ·   ·   ·   ·┃",
        "┃·   ·   ┃├─▶┣■═█●□━┫┤┈┈┈┈┈┈┃",
        "┃·   ·   ┃╰2▶┄┄┣◔░░○━━★┫┣┫┤┈┃",
    ]


def test_in_ascii() -> None:
    assert picture(locked(), 7, glyphs=ASCII) == [
        "@1       |2                 |@",
        "|>[}}}]{,|                  |",
        "|  '++---+.                 |",
        "|        |+->[##%w_=]{,,,,,,|",
        "|        ||                 |",
        "|        |'2>;;[.::r==*][]{,|",
        "|        |                  |",
    ]


def test_zoomed_out_a_lane_carries_the_number_of_its_events() -> None:
    assert picture(locked(), 7, Zoom(1, 4)) == [
        "◉1       ┃2         ┃◉",
        "┃▶6┈┈┈┈┈┈┃ ·   ·   ·┃",
        "┃ ╰──────╂╮         ┃",
        "┃·   ·   ┃├─▶█6┈┈┈┈┈┃",
        "┃        ┃│         ┃",
        "┃·   ·   ┃╰2▶░8━┈┈┈┈┃",
        "┃        ┃          ┃",
    ]


def test_hidden_lanes_carry_the_numbers_of_their_events_and_messages() -> None:
    stream = Stream("a", "b", "c", "d", "e")
    (a,) = stream.begin()
    stream.start(a)
    for target in ("b", "c", "d", "e"):
        stream.send(a, 1, target)
    stream.end(a)
    stream.commit()
    for inv in stream.begin():
        stream.start(inv)
        stream.end(inv)
    stream.commit()
    assert picture(stream.finish(), 4, focus="a") == [
        "◉1        ┃2               ┃◉",
        "┃▶┣→→→→┫┤─╂╮·   ·   ·   ·  ┃·",
        "┃·   ·   ·┃├─▶┣┫┤┈┈┈┈┈┈┈┈┈┈┃·",
        "┃         ┃╰3▶      9      ┃",
    ]


def test_a_failed_superstep_lets_nothing_over_its_barrier() -> None:
    stream = Stream("a", "b")
    (a,) = stream.begin()
    stream.start(a)
    stream.send(a, 1, "b")
    stream.end(a, "failed", "boom")
    stream.fail()
    assert picture(stream.events, 5) == [
        "◉1     ╳◉",
        "┃▶┣┯✗┤┈╳",
        "┃  ╰──⊥╳",
        "┃·   · ╳",
        "┃      ╳",
    ]


def test_a_message_that_no_edge_takes_ends_at_the_barrier() -> None:
    stream = Stream("a", "b")
    (a,) = stream.begin()
    stream.start(a)
    stream.send(a, 1, "nobody")
    stream.send(a, 2, "nobody")
    stream.end(a)
    stream.commit()
    assert picture(stream.finish(), 5) == [
        "◉1        ┃◉",
        "┃▶┣┯┯┫┤┈┈┈┃",
        "┃  ╰┴───2⊥┃",
        "┃·   ·   ·┃",
        "┃         ┃",
    ]


def test_a_sub_workflow_has_barriers_of_its_own_inside() -> None:
    stream = Stream("a", "b")
    (a,) = stream.begin()
    stream.start(a)
    inner = stream.sub(a, "x", "y")
    (x,) = inner.begin()
    inner.start(x)
    inner.send(x, 1, "a/y")
    inner.end(x)
    inner.commit()
    (y,) = inner.begin()
    inner.start(y)
    inner.end(y)
    inner.commit()
    inner.finish()
    stream.end(a)
    stream.commit()
    assert picture(stream.finish(), 9) == [
        "◉1                    ┃◉",
        "┃▶┣━━━━━━━━━━━━━━━━┫┤┈┃",
        "┃                     ┃",
        "┃·  │▶┣┯┫┤┈│ ·   ·│  ·┃",
        "┃   │  ╰───┼╮     │   ┃",
        "┃·  │·   · │╰▶┣┫┤┈│  ·┃",
        "┃                     ┃",
        "┃·   ·   ·   ·   ·   ·┃",
        "┃                     ┃",
    ]


@given(streams(), st.integers(2, 24), st.sampled_from([Zoom(), Zoom(2), Zoom(4), Zoom(1, 2), Zoom(1, 9)]))
def test_every_row_has_the_tiles_width(events: list[AnyEvent], height: int, zoom: Zoom) -> None:
    lanes = lane_names(events)
    for tile in tiles(events, arrange(lanes, lanes[-1].executor, height), zoom):
        assert {len(line) for line in tile.canvas.lines} == {tile.width}


@given(streams(), st.integers(3, 24), st.sampled_from([Zoom(), Zoom(1, 3)]))
def test_ascii_is_ascii(events: list[AnyEvent], height: int, zoom: Zoom) -> None:
    for tile in tiles(events, arrange(lane_names(events), "a", height), zoom, ASCII):
        assert all(line.isascii() for line in tile.canvas.lines)


@given(streams(executors=5), st.integers(3, 24), st.sampled_from([Zoom(), Zoom(3), Zoom(1, 2), Zoom(1, 9)]))
def test_every_event_of_a_handler_is_drawn_or_counted(events: list[AnyEvent], height: int, zoom: Zoom) -> None:
    grid = arrange(lane_names(events), "a", height)
    parts = by_superstep(events)
    for part, tile in zip(parts, tiles(events, grid, zoom), strict=True):
        expected: Counter[int] = Counter()
        for slot in slots_of(part, zoom.per):
            for event in slot.events:
                row = grid.row(executor_of(event))
                if slot.kind == "event" and row is not None:
                    expected[row] += 1
        assert {row: n for row in range(1, grid.end) if (n := _shown(tile, row))} == expected


def _shown(tile: Tile, row: int) -> int:
    """Marks of single events in a row, and the numbers that stand for several."""
    line, roles = tile.canvas.lines[row], tile.canvas.roles[row]
    marks = sum(char in _MARKS and role != "wire" for char, role in zip(line, roles, strict=True))
    numbers = re.findall(
        r"\d+", "".join(c if r in ("total", "hidden") else " " for c, r in zip(line, roles, strict=True))
    )
    return marks + sum(map(int, numbers))


@given(streams(executors=5), st.integers(3, 24), st.sampled_from([Zoom(), Zoom(2)]))
def test_every_message_that_comes_in_is_counted_at_its_arrow(events: list[AnyEvent], height: int, zoom: Zoom) -> None:
    grid = arrange(lane_names(events), "a", height)
    for part, tile in zip(by_superstep(events), tiles(events, grid, zoom), strict=True):
        expected = sum(len(event.messages) for event in part if isinstance(event, Delivered))
        assert sum(_arrows(tile, row) for row in range(1, grid.end)) == expected


def _arrows(tile: Tile, row: int) -> int:
    line, roles = tile.canvas.lines[row], tile.canvas.roles[row]
    text = "".join(c if r in ("count", "arrow") else " " for c, r in zip(line, roles, strict=True))
    return sum(int(number or 1) for number in re.findall(r"(\d*)▶", text))


@given(streams())
def test_a_place_leads_back_to_its_event(events: list[AnyEvent]) -> None:
    grid = arrange(lane_names(events), "a", 20)
    for part, tile in zip(by_superstep(events), tiles(events, grid, Zoom(2)), strict=True):
        for event in part:
            x = tile.x_of(event.seq)
            assert 0 <= x < tile.width
            assert tile.slot(tile.seq_at(x, executor_of(event))) is tile.slot(event.seq)


@given(streams(), st.integers(2, 40))
def test_a_long_superstep_in_pieces_shows_the_same_marks(events: list[AnyEvent], size: int) -> None:
    """Cut anywhere, the pieces' marks are those of the whole."""
    grid = arrange(lane_names(events), "a", 20)
    pieces = [events[i : i + size] for i in range(0, len(events), size)]
    whole = _marks(tiles(events, grid), grid.end)
    assert _marks([build(Stretch(piece), grid, Zoom(), UNICODE) for piece in pieces], grid.end) == whole


def _marks(drawn: Sequence[Tile], end: int) -> Counter[tuple[int, str]]:
    return Counter(
        (row, char)
        for tile in drawn
        for row in range(1, end)
        for char, role in zip(tile.canvas.lines[row], tile.canvas.roles[row], strict=True)
        if char in _MARKS and role not in ("wire", "failed", "inner")
    )


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_shapes_of_bars_tell_apart_without_colour(glyphs: object) -> None:
    names = (
        "running",
        "held",
        "wanted",
        "waiting",
        "inbox",
        "idle",
        "guide",
        "start",
        "end",
        "send",
        "arrow",
        "rule_failed",
    )
    shapes = [getattr(glyphs, name) for name in names]
    assert len(set(shapes)) == len(shapes)
    assert all(len(shape) == 1 for shape in shapes)


def test_a_run_that_has_just_begun() -> None:
    stream = Stream("a", "b")
    stream.begin()
    assert picture(stream.events, 5) == ["◉1", "┃▶┄", "┃", "┃·", "┃"]


def test_the_end_of_the_run_is_at_the_end() -> None:
    events = locked()
    tile = tiles(events, arrange(lane_names(events), None, 7))[-1]
    assert isinstance(events[-1], RunEnded)
    assert tile.x_of(events[-1].seq) == tile.width - 1
    assert isinstance(tile.slots[0].events[0], SuperstepStarted)
