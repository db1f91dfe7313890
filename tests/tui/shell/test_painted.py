"""What is repainted is exactly what differs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from stepscope_tui.widgets.painted import changed_cells

WIDTH = 12
STYLES = [Style(), Style(bold=True), Style(color="#112233")]
cells = st.lists(st.tuples(st.sampled_from("ab "), st.sampled_from(STYLES)), min_size=WIDTH, max_size=WIDTH)


def strip(cells: list[tuple[str, Style]], cuts: list[int]) -> Strip:
    """Segments of equal style, cut here and there as well."""
    segments: list[Segment] = []
    for x, (char, style) in enumerate(cells):
        if segments and segments[-1].style == style and x not in cuts:
            segments[-1] = Segment(segments[-1].text + char, style)
        else:
            segments.append(Segment(char, style))
    return Strip(segments, WIDTH)


@given(cells, cells, st.lists(st.integers(0, WIDTH), max_size=3), st.lists(st.integers(0, WIDTH), max_size=3))
def test_outside_of_the_changed_cells_both_are_the_same(
    old: list[tuple[str, Style]], new: list[tuple[str, Style]], cuts: list[int], others: list[int]
) -> None:
    first, end = changed_cells(strip(old, cuts), strip(new, others))
    assert 0 <= first <= end <= WIDTH
    assert old[:first] == new[:first]
    assert old[end:] == new[end:]


@given(cells, st.lists(st.integers(0, WIDTH), max_size=3))
def test_what_is_the_same_is_not_repainted(same: list[tuple[str, Style]], cuts: list[int]) -> None:
    first, end = changed_cells(strip(same, cuts), strip(same, cuts))
    assert first == end


def test_wide_characters_count_two_cells() -> None:
    style = Style()
    old = Strip([Segment("日本", style), Segment("x", STYLES[1]), Segment("yy", style)])
    new = Strip([Segment("日本", style), Segment("z", STYLES[1]), Segment("yy", style)])
    assert changed_cells(old, new) == (4, 5)
