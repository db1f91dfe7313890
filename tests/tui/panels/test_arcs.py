"""Wires over a barrier: tracks that do not overlap, one for senders with the same receivers, and counts at the ends."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stepscope_tui.drawing import arcs
from stepscope_tui.drawing.arcs import Arc
from stepscope_tui.drawing.canvas import Canvas
from stepscope_tui.drawing.glyphs import UNICODE
from stepscope_tui.drawing.lanes import LaneGrid, LaneName, arrange


def grid_of(count: int, height: int) -> LaneGrid:
    return arrange([LaneName(f"e{i}", 0) for i in range(count)], "e0", height)


def delivered(*pairs: tuple[int, int]) -> list[Arc]:
    return [Arc(n, f"e{source}", f"e{target}", "delivered", 9) for n, (source, target) in enumerate(pairs, 1)]


def drawn(made: arcs.Plan, grid: LaneGrid) -> list[str]:
    canvas = Canvas(grid.height, made.width, UNICODE)
    arcs.draw(canvas, grid, made, 0, 0, 9)
    canvas.finish()
    return [line.rstrip() for line in canvas.lines]


def test_one_message_turns_twice() -> None:
    grid = grid_of(2, 5)
    assert drawn(arcs.plan(delivered((0, 1)), grid, UNICODE), grid) == ["", "", "╮", "╰▶", ""]


def test_messages_to_one_executor_come_in_together_with_their_number() -> None:
    grid = grid_of(3, 7)
    made = arcs.plan(delivered((0, 2), (1, 2), (1, 2)), grid, UNICODE)
    assert drawn(made, grid) == ["", "", "╮", "│", "┤", "╰3▶", ""]


def test_crossing_wires_have_tracks_of_their_own() -> None:
    grid = grid_of(2, 5)
    made = arcs.plan(delivered((0, 1), (1, 0)), grid, UNICODE)
    assert sorted(net.track for net in made.nets) == [0, 1]
    assert drawn(made, grid) == ["", "╭─▶", "┼╮", "│╰▶", "╯"]


def test_what_a_fan_in_keeps_ends_in_a_buffer() -> None:
    grid = grid_of(2, 5)
    made = arcs.plan([Arc(1, "e0", "e1", "buffered", 4), Arc(2, "e0", "e1", "buffered", 5)], grid, UNICODE)
    assert drawn(made, grid)[3] == "╰2◌"


def test_the_input_comes_straight_in() -> None:
    grid = grid_of(2, 5)
    assert drawn(arcs.plan([Arc(0, "", "e0", "delivered", 3)], grid, UNICODE), grid) == ["", "▶", "", "", ""]


pairs = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=1, max_size=30)


@given(pairs, st.integers(4, 40))
def test_every_message_is_counted_at_its_end(sent: list[tuple[int, int]], height: int) -> None:
    grid = grid_of(12, height)
    made = arcs.plan(delivered(*sent), grid, UNICODE)
    expected = Counter(grid.row(f"e{target}") for _, target in sent)
    assert {row: int(text[:-1] or 1) for row, text in made.ends.items()} == expected
    lines = drawn(made, grid)
    for row, number in expected.items():
        assert row is not None
        assert lines[row].endswith("▶" if number == 1 else f"{number}▶")


@given(pairs)
def test_nets_that_share_a_track_do_not_touch(sent: list[tuple[int, int]]) -> None:
    made = arcs.plan(delivered(*sent), grid_of(12, 40), UNICODE)
    for one in made.nets:
        for other in made.nets:
            if one is not other and one.track == other.track and 0 <= one.track < arcs.MAX_TRACKS - 1:
                assert max(one.rows) < min(other.rows) or max(other.rows) < min(one.rows)


@given(pairs)
def test_a_wire_is_drawn_between_every_sender_and_its_receiver(sent: list[tuple[int, int]]) -> None:
    grid = grid_of(12, 40)
    made = arcs.plan(delivered(*sent), grid, UNICODE)
    reached = {(source, target) for net in made.nets for source in net.sources for target in net.targets}
    assert reached == {(f"e{source}", f"e{target}") for source, target in sent}
    lines = drawn(made, grid)
    for net in made.nets:
        if net.track >= 0:
            column = [lines[row][net.track] for row in range(min(net.rows), max(net.rows) + 1)]
            assert all(glyph in "│╮╯╭╰├┤┬┴┼" for glyph in column)
