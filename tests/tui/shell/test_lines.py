"""The virtual list: only visible rows are made, and the cursor never leaves the rows or the view."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text
from textual.app import App, ComposeResult

from stepscope_tui.widgets.lines import LineView
from stepscope_tui.widgets.rows import ListRows, Motion


class Counting:
    """A million rows that remember which were made."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.made: list[int] = []

    def row(self, index: int) -> Text:
        self.made.append(index)
        return Text(f"row {index}")


class Host(App[None]):
    def __init__(self, view: LineView) -> None:
        super().__init__()
        self.view = view
        self.moved: list[int] = []
        self.chosen: list[int] = []

    def compose(self) -> ComposeResult:
        yield self.view

    def on_line_view_moved(self, message: LineView.Moved) -> None:
        self.moved.append(message.row)

    def on_line_view_chosen(self, message: LineView.Chosen) -> None:
        self.chosen.append(message.row)


def shown(view: LineView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


async def test_of_a_million_rows_only_the_visible_are_made() -> None:
    rows = Counting(1_000_000)
    view = LineView(rows)
    async with Host(view).run_test(size=(30, 10)) as pilot:
        await pilot.pause()
        assert max(rows.made) < 20
        view.motion("bottom")
        await pilot.pause()
        assert shown(view)[-1].startswith("▶row 999999")
        assert len(set(rows.made)) <= 20


async def test_moving_the_cursor_by_one_makes_no_row_again() -> None:
    rows = Counting(100)
    view = LineView(rows)
    async with Host(view).run_test(size=(30, 10)) as pilot:
        await pilot.pause()
        rows.made.clear()
        view.motion("down")
        await pilot.pause()
        assert rows.made == []
        assert shown(view)[1].startswith("▶row 1")
        assert shown(view)[0].startswith(" row 0")


@pytest.mark.parametrize(
    ("motion", "row"), [("down", 51), ("up", 49), ("page-down", 59), ("page-up", 41), ("top", 0), ("bottom", 99)]
)
async def test_motions_move_the_cursor_and_say_so(motion: Motion, row: int) -> None:
    view = LineView(Counting(100))
    app = Host(view)
    async with app.run_test(size=(30, 10)) as pilot:
        view.move_cursor(50)
        assert view.motion(motion)
        await pilot.pause()
        assert (view.cursor, app.moved) == (row, [row])
        assert any(line.startswith(f"▶row {row} ") or line.rstrip("│█ ") == f"▶row {row}" for line in shown(view))


async def test_open_chooses_and_close_is_left_to_others() -> None:
    view = LineView(Counting(3))
    app = Host(view)
    async with app.run_test(size=(30, 10)) as pilot:
        assert view.motion("open")
        assert not view.motion("close")
        await pilot.pause()
        assert app.chosen == [0]


async def test_a_click_moves_and_a_click_on_the_cursor_opens() -> None:
    view = LineView(Counting(5))
    app = Host(view)
    async with app.run_test(size=(30, 10)) as pilot:
        await pilot.click(LineView, offset=(3, 2))
        await pilot.click(LineView, offset=(3, 2))
        await pilot.click(LineView, offset=(3, 8))
        await pilot.pause()
        assert (app.moved, app.chosen) == ([2], [2])


async def test_rows_that_go_away_take_the_cursor_back_to_the_last() -> None:
    rows = Counting(100)
    view = LineView(rows)
    async with Host(view).run_test(size=(30, 10)) as pilot:
        view.motion("bottom")
        rows.count = 7
        view.invalidate()
        await pilot.pause()
        assert view.cursor == 6
        assert shown(view)[6] == "▶row 6"
        assert shown(view)[7] == ""


async def test_a_changed_row_is_made_again_and_its_neighbour_is_not() -> None:
    rows = Counting(5)
    view = LineView(rows)
    async with Host(view).run_test(size=(30, 10)) as pilot:
        await pilot.pause()
        rows.made.clear()
        view.invalidate(2, 2)
        await pilot.pause()
        assert rows.made == [2]


async def test_a_long_row_is_cut_with_an_ellipsis() -> None:
    view = LineView(ListRows([Text("x" * 100)]))
    async with Host(view).run_test(size=(20, 3)) as pilot:
        await pilot.pause()
        assert shown(view)[0] == "▶" + "x" * 18 + "…"


motions = st.sampled_from(["up", "down", "page-up", "page-down", "top", "bottom"])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 40), st.lists(motions, max_size=12), st.integers(1, 12))
async def test_the_cursor_is_always_a_row_and_in_view(count: int, steps: list[Motion], height: int) -> None:
    view = LineView(Counting(count))
    async with Host(view).run_test(size=(20, height)) as pilot:
        await pilot.pause()
        for motion in steps:
            view.motion(motion)
            assert 0 <= view.cursor < max(1, count)
            assert view.top <= view.cursor < view.top + height
            assert 0 <= view.top <= max(0, count - height)
