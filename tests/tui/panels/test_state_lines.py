"""The state as lines: what a step added, changed and removed; what is pending; folding; nothing cut without a sign."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from stepscope.events import Access, StateWritten
from stepscope.values import Value
from stepscope_tracing.model import Cell, Contribution, StateChange
from stepscope_tui.drawing.outline import Path, compared, lines
from stepscope_tui.drawing.state import (
    OpenPaths,
    Pending,
    ScopeState,
    key_width,
    pending_writes,
    shorten,
    state_lines,
    text_of,
)
from stepscope_tui.looks import Looks
from support.streams import Stream, live, reducer, snapshot, value

UNICODE, ASCII = Looks(), Looks(ascii=True)


def cell(obj: object, written: int = 0, executor: str = "", access: Access = "snapshot") -> Cell:
    return Cell(value(obj), written, executor, 1, access, False)


def change(key: str, old: object, new: object, access: Access = "live") -> StateChange:
    values = [None if one is None else value(one) for one in (old, new)]
    return StateChange(key, values[0], values[1], access, ["a"], False)


def shown(
    state: ScopeState, width: int = 60, opened: OpenPaths | None = None, looks: Looks = UNICODE, seq: int = 9
) -> list[str]:
    opened = opened or {}
    made = state_lines([state], opened)
    keys = key_width(made, width, looks)
    texts = []
    for line in made:
        paths = opened.get((line.scope, line.key))
        is_open = paths is not None and (line.kind == "key" or line.path in paths)
        texts.append(text_of(line, width, keys, looks, opened=is_open, selected=False, now=line.seq == seq))
    return [text.plain for text in texts]


def test_values_with_their_access_and_their_writer() -> None:
    state = ScopeState(
        0, "", 2, ["hits", "ledger", "note"],
        {"hits": cell(3, 7, "ann", "reducer"), "ledger": cell(5, access="live"), "note": cell("n", 12, "bob")},
    )  # fmt: skip
    assert shown(state, 50) == [
        "  Σ hits   3                                ann @7",
        "  ◎ ledger 5                               initial",
        "  ▪ note   'n'                             bob @12",
    ]
    assert shown(state, 24) == ["  Σ hits   3", "  ◎ ledger 5", "  ▪ note   'n'"]


def test_what_the_step_did() -> None:
    state = ScopeState(
        0, "", 2, ["a", "b", "c", "d"],
        {"a": cell(2, 9, "ann", "live"), "b": cell(1), "d": cell(0)},
        {"a": change("a", 1, 2), "b": change("b", None, 1), "c": change("c", "gone", None)},
    )  # fmt: skip
    assert shown(state, 30) == [
        "~ ◎ a    1 → 2",
        "+ ▪ b    1",
        "- ◎ c    'gone'",
        "  ▪ d    0",
    ]
    assert shown(state, 30, looks=ASCII)[0] == "~ l a    1 -> 2"


def test_what_a_barrier_merged_and_in_which_order() -> None:
    added = [Contribution(executor, value(n)) for executor, n in (("bob", 2), ("bob", 1), ("ann", 5))]
    many = [Contribution("bob", value(n)) for n in range(100)]
    merged = StateChange("hits", value(1), value(9), "reducer", ["bob", "ann"], False, added)
    state = ScopeState(0, "", 2, ["hits"], {"hits": cell(9, 7, "ann", "reducer")}, {"hits": merged})
    assert shown(state, 34) == [
        "~ Σ hits 1 → 9",
        "    ═ bob + 2, 1  merged",
        "    ═ ann + 5  merged",
    ]
    state.changes["hits"] = StateChange("hits", value(1), value(9), "reducer", ["bob"], False, many)
    (_, line) = shown(state, 120)
    assert line.endswith("18, 19, ... 100 in all  merged")


def test_a_container_shows_which_of_its_parts_changed() -> None:
    old, new = {"total": 1, "steps": [1, 2], "by": "ann"}, {"total": 2, "steps": [1, 2, 3], "to": "bob"}
    state = ScopeState(0, "", 2, ["k"], {"k": cell(new)}, {"k": change("k", old, new)})
    assert shown(state, 30)[1:] == [
        "~     total 1 → 2",
        "~     steps [1, 2] → [1, 2, 3]",
        "+     to    'bob'",
        "-     by    'ann'",
    ]


def test_pending_writes_are_marked_with_whose_they_are() -> None:
    state = ScopeState(
        0, "", 3, ["n"], {"n": cell(1)}, {}, {"n": [Pending("ann", 9, value(2)), Pending("bob", 8, None)]}
    )
    assert shown(state, 50) == [
        "  ▪ n    1                                 initial",
        "~   … ann → 2  until barrier 3",
        "    … bob → deleted  until barrier 3",
    ]


def test_only_the_newest_write_of_each_executor_is_pending() -> None:
    stream = Stream("a", "b", keys=[snapshot("s", 0), live("l", 0)])
    (inv,) = stream.begin()
    stream.start(inv)
    stream.set(inv, "s", 1)
    stream.set(inv, "l", 1)
    stream.set(inv, "s", 2)
    writes = [event for event in stream.events if event.kind == "state-written"]
    pending = pending_writes(writes, 99)  # type: ignore[arg-type]
    assert list(pending) == ["s"]
    assert [(one.executor, one.new.tree() if one.new else None) for one in pending["s"]] == [("a", 2)]
    first = pending_writes(writes, writes[0].seq)["s"]  # type: ignore[arg-type]
    assert [one.new.tree() for one in first if one.new] == [1]


def test_contributions_to_a_reducer_are_listed() -> None:
    stream = Stream("a", keys=[reducer("hits", 0)])
    (inv,) = stream.begin()
    stream.start(inv)
    stream.add(inv, "hits", 2)
    stream.add(inv, "hits", 5)
    writes = [event for event in stream.events if isinstance(event, StateWritten)]
    state = ScopeState(0, "", 1, ["hits"], {"hits": cell(0, access="reducer")}, {}, pending_writes(writes, 99))
    assert shown(state, 50)[1] == "    … a + 2, 5  until barrier 1"


def test_folding() -> None:
    tree = {"steps": [{"do": "book", "notes": list(range(40))}, {"do": "go"}], "title": "t" * 70}
    state = ScopeState(0, "", 2, ["plan"], {"plan": cell(tree)})
    assert [line.split()[0] for line in shown(state, 40)] == ["▸▪"]
    opened: OpenPaths = {(0, "plan"): set()}
    assert [line.split()[0] for line in shown(state, 40, opened)] == ["▾▪", "▸", "title"]
    opened = {(0, "plan"): {("steps",), ("steps", "[0]")}}
    assert [line.split()[:2] for line in shown(state, 60, opened)][1:] == [
        ["▾", "steps"], ["▾", "[0]"], ["do", "'book'"], ["▸", "notes"], ["[1]", "{do:"], ["title", f"'{'t' * 38}…(72)"],
    ]  # fmt: skip


def test_nothing_at_all_is_said_in_a_sentence() -> None:
    assert shown(ScopeState(0, "", 0, [], {}), 60) == ["No state keys yet."]


def test_scopes_have_titles() -> None:
    made = state_lines(
        [ScopeState(4, "in a #4", 1, ["x"], {"x": cell(1)}), ScopeState(0, "", 1, ["y"], {"y": cell(2)})], {}
    )
    assert [line.left for line in made] == ["in a #4", "x", "the run's own state", "y"]


def test_values_never_act_on_the_terminal() -> None:
    state = ScopeState(0, "", 1, ["\x1b[2J"], {"\x1b[2J": cell("[bold]\x07\u202e")})
    assert shown(state, 60)[0].split("initial")[0].rstrip() == r"  ▪ \x1b[2J '[bold]\x07\u202e'"


def test_a_big_value_is_described() -> None:
    state = ScopeState(0, "", 1, ["k"], {"k": cell("x" * 200_000)})
    assert "<200.0 kB>" in shown(state, 60)[0]


@given(st.text(max_size=80), st.integers(0, 60), st.sampled_from([UNICODE, ASCII]))
def test_shortened_text_fits_and_says_how_long_it_was(text: str, width: int, looks: Looks) -> None:
    short = shorten(text, width, looks)
    assert cell_len(short) <= width
    assert short.isprintable()
    if width >= 12 and cell_len(text) > width and text.isalnum() and text.isascii():
        assert short.endswith(f"({len(text)})")


json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.text("ab\x1bü", max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(json, json, st.integers(10, 80), st.booleans(), st.booleans())
def test_lines_fit_their_width(old: object, new: object, width: int, is_open: bool, ascii_only: bool) -> None:
    looks = ASCII if ascii_only else UNICODE
    step = change("key", [old], [new])
    state = ScopeState(0, "", 1, ["key"], {"key": cell([new])}, {"key": step}, {"key": [Pending("ann", 3, value(new))]})
    for text in shown(state, width, {(0, "key"): set()} if is_open else {}, looks):
        assert cell_len(text) <= width
        assert text.isprintable()
        assert not ascii_only or text.isascii()


def containers(tree: object) -> set[Path]:
    """All that can be opened in a value."""
    found: set[Path] = set()
    while new := {line.path for line in lines(tree, found) if line.has_more} - found:
        found |= new
    return found


@given(json, json)
def test_a_comparison_holds_exactly_the_lines_of_both(old: object, new: object) -> None:
    """Without what was removed it is the new value's outline; marks are absent exactly where nothing differs."""
    before, after = Value.of(old, "t").tree(), Value.of(new, "t").tree()
    everything = containers(before) | containers(after)
    outline = [line.path for line in lines(after, everything)]
    woven = list(compared(before, after, everything))
    assert [line.path for line in woven if line.mark != "removed"] == outline
    assert {line.path for line in woven if line.mark == "removed"}.isdisjoint(outline)
    if old == new:
        assert not any(line.mark for line in woven)
