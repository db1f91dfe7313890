"""Which lanes are on screen: all that fit; otherwise a page with the cursor's lane, and rows that count the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepscope_tui.drawing.lanes import HEADER_ROWS, LaneName, arrange


def named(count: int) -> list[LaneName]:
    return [LaneName(f"e{i}", 0) for i in range(count)]


@pytest.mark.parametrize(("lanes", "height", "pitch"), [(4, 13, 3), (4, 12, 2), (4, 9, 2), (4, 8, 1), (4, 5, 1)])
def test_lanes_get_as_many_rows_as_there_is_room_for(lanes: int, height: int, pitch: int) -> None:
    grid = arrange(named(lanes), None, height)
    assert grid.pitch == pitch
    assert [grid.rows[f"e{i}"] for i in range(lanes)] == [HEADER_ROWS + i * pitch for i in range(lanes)]
    assert not grid.above
    assert not grid.below


def test_lanes_that_do_not_fit_are_counted_above_and_below() -> None:
    grid = arrange(named(40), "e17", 9)
    assert [lane.executor for lane in grid.shown] == [f"e{i}" for i in range(12, 18)]
    assert (len(grid.above), grid.above_row) == (12, 1)
    assert (len(grid.below), grid.below_row) == (22, 8)
    assert grid.row("e3") == 1
    assert grid.row("e39") == 8
    assert grid.row("nobody") is None


def test_wires_leave_below_the_bar_where_there_is_room() -> None:
    assert arrange(named(4), None, 9).exit_row("e1") == 4
    assert arrange(named(4), None, 5).exit_row("e1") == 2
    assert arrange(named(9), "e0", 6).exit_row("e8") == arrange(named(9), "e0", 6).below_row


@given(st.integers(1, 200), st.integers(0, 199), st.integers(2, 60))
def test_every_lane_is_shown_or_counted_and_the_cursors_is_shown(count: int, focus: int, height: int) -> None:
    focus %= count
    grid = arrange(named(count), f"e{focus}", height)
    shown = [lane.executor for lane in grid.shown]
    assert [*grid.above, *shown, *grid.below] == [f"e{i}" for i in range(count)]
    assert f"e{focus}" in shown
    assert grid.end <= max(height, HEADER_ROWS + 1 + bool(grid.above) + bool(grid.below))
    if height >= 4:
        assert grid.end <= height
    rows = [grid.rows[executor] for executor in shown]
    assert len({*rows, grid.above_row, grid.below_row} - {None}) == len(rows) + bool(grid.above) + bool(grid.below)


@given(st.integers(1, 60), st.integers(0, 59))
def test_the_page_depends_on_the_lane_alone(count: int, focus: int) -> None:
    focus %= count
    assert arrange(named(count), f"e{focus}", 8) == arrange(named(count), f"e{focus}", 8)
    assert sum(lane.executor == f"e{focus}" for lane in arrange(named(count), f"e{focus}", 8).shown) == 1
