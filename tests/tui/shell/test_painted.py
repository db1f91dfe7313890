"""What is repainted is exactly what differs."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from stepscope_tui.widgets.painted import changed_cells, segments_of

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


BASE = Style.parse("#eeeeee on #111111")
CONSOLE = Console()
named = st.sampled_from(["", "bold", "#ff0000", "italic #00ff00 on #222222"])
spans = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), named), max_size=4)


@given(st.text("ab日 ", max_size=8), named, spans, st.integers(0, 20))
def test_a_text_has_the_styles_that_rich_gives_it(
    plain: str, own: str, spans: list[tuple[int, int, str]], more: int
) -> None:
    text = Text(plain, own, end="")
    for first, end, style in spans:
        text.stylize(style, first, end)
    width = text.cell_len + more
    segments = segments_of(text, width, BASE, CONSOLE)
    rendered = Segment.apply_style(text.render(CONSOLE, end=""), BASE + CONSOLE.get_style(own))
    expected = [(char, style) for char, style, _ in rendered for char in char]
    assert [(char, style) for char, style, _ in segments for char in char] == expected + [(" ", BASE)] * more
    assert sum(segment.cell_length for segment in segments) == width
    assert all(before.style != after.style for before, after in pairwise(segments))
