"""A value as lines of a tree, and what became of each line since the value before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from stepscope.values import Tree
from stepscope_tui.unfold import Node, unfold

Path: TypeAlias = tuple[str, ...]
"""Labels from the key's own value down to a line of it."""

Mark: TypeAlias = Literal["", "added", "changed", "removed"]


class Line(NamedTuple):
    """A line of a value. None of the texts is safe yet. `old` is the text before, where it changed."""

    path: Path
    depth: int
    label: str
    text: str
    has_more: bool
    mark: Mark
    old: str


def lines(new: Tree, open_paths: frozenset[Path] | set[Path]) -> Iterator[Line]:
    """The lines below a value's own, those of closed containers left out."""
    yield from _visible(_with_paths(list(unfold(new))[1:]), open_paths, {})


def compared(old: Tree, new: Tree, open_paths: frozenset[Path] | set[Path]) -> Iterator[Line]:
    """The same, with what was added, changed or removed since `old`; a changed container is shown opened."""
    before = _with_paths(list(unfold(old))[1:])
    after = _with_paths(list(unfold(new))[1:])
    folded = _leaves(after) - _leaves(before)  # what is short enough now for one line needs no lines for what it had
    before = [(path, node) for path, node in before if not any(path[:i] in folded for i in range(1, len(path)))]
    was = {path: node.text for path, node in before}
    now = {path for path, _ in after}
    marks: dict[Path, tuple[Mark, str]] = {}
    for path, node in after:
        if path not in was:
            marks[path] = ("added", "")
        elif was[path] != node.text:
            marks[path] = ("changed", was[path])
    gone = [path for path, _ in before if path not in now]
    marks.update({path: ("removed", was[path]) for path in gone})
    shown = set(open_paths) | {path[:i] for path in marks for i in range(1, len(path))}
    yield from _visible(_woven(before, after, now), shown, marks)


def _leaves(nodes: Sequence[tuple[Path, Node]]) -> set[Path]:
    inner = {path[:-1] for path, _ in nodes}
    return {path for path, _ in nodes if path not in inner}


def _woven(
    before: Sequence[tuple[Path, Node]], after: Sequence[tuple[Path, Node]], now: set[Path]
) -> list[tuple[Path, Node]]:
    """The lines of `after`, and between them, where they were, those that are gone."""
    at = {path: i for i, (path, _) in enumerate(before)}
    out: list[tuple[Path, Node]] = []
    done = 0
    for path, node in after:
        if path in at:
            out.extend(entry for entry in before[done : at[path]] if entry[0] not in now)
            done = max(done, at[path] + 1)
        out.append((path, node))
    out.extend(entry for entry in before[done:] if entry[0] not in now)
    return out


def _with_paths(nodes: Sequence[Node]) -> list[tuple[Path, Node]]:
    out: list[tuple[Path, Node]] = []
    stack: list[str] = []
    for node in nodes:
        del stack[node.depth - 1 :]
        stack.append(node.label)
        out.append((tuple(stack), node))
    return out


def _visible(
    nodes: Sequence[tuple[Path, Node]], shown: frozenset[Path] | set[Path], marks: dict[Path, tuple[Mark, str]]
) -> Iterator[Line]:
    for i, (path, node) in enumerate(nodes):
        if all(path[:n] in shown for n in range(1, len(path))):
            has_more = i + 1 < len(nodes) and len(nodes[i + 1][0]) > len(path)
            mark, old = marks.get(path, ("", ""))
            yield Line(path, node.depth, node.label, node.text, has_more, mark, old)
