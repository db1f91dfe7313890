"""Every event is one line of harmless text, whatever it carries; values unfold to outlines that lose nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepscope.errors import WorkflowError
from stepscope.events import AnyEvent
from stepscope.values import Value
from stepscope_tracing import Run
from stepscope_tui.analyse import findings_of
from stepscope_tui.background import error_seqs, parse_filter
from stepscope_tui.describe import brief, duration, line, size, what
from stepscope_tui.looks import Looks
from stepscope_tui.safe import safe
from stepscope_tui.unfold import unfold
from support.random_streams import streams
from support.streams import Stream


@settings(max_examples=60, deadline=None)
@given(streams(), st.booleans())
def test_every_event_is_one_harmless_line(events: list[AnyEvent], ascii_only: bool) -> None:
    for event in events:
        text = line(event, Looks(ascii_only), digits=4).plain
        assert what(event, Looks(ascii_only))
        assert f"k{event.superstep}" in text
        assert "\n" not in text
        assert safe(text) == text
        assert text.isascii() or not ascii_only


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1_250, "1.25 us"), (18_300_000, "18.3 ms"), (999_000_000, "999 ms"),
     (12_000_000_000, "12 s"), (119_000_000_000, "119 s"), (125_000_000_000, "2m 05s")],
)  # fmt: skip
def test_durations(ns: int, text: str) -> None:
    assert duration(ns) == text


@pytest.mark.parametrize(("count", "text"), [(12, "12 B"), (1_500, "1.5 kB"), (2_000_000, "2.0 MB")])
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_a_large_value_is_named_by_its_size() -> None:
    assert brief(Value.of("x" * 2_000_000, "test"), Looks()) == "<2.0 MB>"
    assert brief(None, Looks()) == "absent"
    assert brief(Value.of([1, "a\x1b"], "test"), Looks()) == "[1, 'a\\x1b']"


trees = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=4)
    ),
    max_leaves=30,
)


def leaves(tree: object) -> Iterator[object]:
    if isinstance(tree, (list, dict)):
        for child in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(child)
    else:
        yield tree


@given(trees)
def test_an_outline_has_every_leaf_and_no_depth_is_skipped(tree: object) -> None:
    nodes = list(unfold(Value.of(tree, "test").tree(), "value"))
    assert nodes[0].depth == 0
    assert nodes[0].label == "value"
    assert all(after.depth <= before.depth + 1 for before, after in pairwise(nodes))
    written = "\n".join(node.text for node in nodes)
    assert all(repr(leaf) in written for leaf in leaves(tree))
    deep = [node for node in nodes if isinstance(tree, list) and node.depth == 1]
    if isinstance(tree, list) and len(nodes) > 1:
        assert [node.label for node in deep] == [f"[{i}]" for i in range(len(tree))]


def test_objects_unfold_by_their_fields() -> None:
    tree = {"$data": "app:Order", "fields": {"id": 7, "lines": [{"sku": "a" * 70, "n": 1}]}}
    assert [(n.depth, n.label, n.text) for n in unfold(tree, "order")] == [
        (0, "order", "Order"),
        (1, "id", "7"),
        (1, "lines", "list of 1"),
        (2, "[0]", "map of 2"),
        (3, "sku", repr("a" * 70)),
        (3, "n", "1"),
    ]


def failing() -> Run:
    stream = Stream("a", "b")
    (inv,) = stream.begin()
    stream.start(inv)
    stream.end(inv, "failed", "boom")
    stream.fail("boom")
    return Run.of_events(stream.events)


def test_errors_are_the_failed_handler_and_superstep() -> None:
    run = failing()
    assert [run.event(seq).kind for seq in error_seqs(run)] == ["handler-ended", "superstep-failed"]


def test_filters_name_kinds_groups_and_executors() -> None:
    run = failing()
    kinds, executors = parse_filter(run, "locks, sent a")
    assert kinds == {"lock-waiting", "lock-acquired", "lock-released", "sent"}
    assert executors == {"a"}
    with pytest.raises(WorkflowError, match="'zebra' is no executor here and no kind of event"):
        parse_filter(run, "zebra")


def test_analysis_of_what_is_no_recording_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.stepscope").write_text("nonsense")
    assert asyncio.run(findings_of(str(tmp_path / "x.stepscope"), "run-1")) is None
