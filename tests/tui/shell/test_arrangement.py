"""Which panels are on the screen, at any size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stepscope_tui.arrangement import ABOVE, BELOW, PANELS, Arrangement

sizes = st.tuples(st.integers(1, 300), st.integers(1, 100))
panels = st.sampled_from(sorted(PANELS))


def test_80_by_24_shows_diagram_state_and_one_panel() -> None:
    assert Arrangement(80, 24).visible() == ("diagram", "state", "events")


def test_160_by_45_keeps_the_events_beside_another_panel() -> None:
    plan = Arrangement(160, 45)
    assert plan.visible() == ("diagram", "state", "events", "inspector")
    plan.reveal("source")
    assert plan.visible() == ("diagram", "state", "events", "source")


def test_too_small_shows_nothing() -> None:
    assert Arrangement(59, 24).visible() == ()
    assert Arrangement(80, 15).visible() == ()


@given(sizes, st.lists(panels, max_size=5), st.booleans())
def test_a_revealed_panel_is_visible_whatever_came_before(
    size: tuple[int, int], reveals: list[str], maximise: bool
) -> None:
    plan = Arrangement(*size)
    for panel in reveals:
        plan.reveal(panel)
        assert plan.small or panel in plan.visible()
        if maximise:
            plan.toggle_maximised(panel)
            assert plan.small or panel in plan.visible()
    assert set(plan.visible()) <= {*ABOVE, *BELOW}


@given(sizes, panels)
def test_every_panel_has_exactly_one_title(size: tuple[int, int], focused: str) -> None:
    plan = Arrangement(*size)
    above, below = plan.titles(focused, {})
    assert sorted(title.panel for title in (*above, *below)) == sorted(PANELS)
    assert [title.panel for title in (*above, *below) if title.state == "focused"] == [focused]
