"""A stored value as an outline: one line a node, small containers on one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stepscope.values import Tree
from stepscope.values import text as value_text

_ONE_LINE = 64
_SMALL = 6
_OBJECTS = ("$data", "$model", "$named")
_SEQUENCES = {"$tuple": "tuple", "$set": "set", "$frozenset": "frozenset"}


class Node(NamedTuple):
    """A line of the outline. None of the texts is safe yet."""

    depth: int
    label: str
    text: str


def unfold(tree: Tree, label: str = "", depth: int = 0) -> Iterator[Node]:
    """The outline of a stored tree, in order. Bytes and long strings are given whole, on one line."""
    head, children = _parts(tree)
    if children is None or not children:
        yield Node(depth, label, value_text(tree))
        return
    if len(children) <= _SMALL and all(_is_leaf(child) for _, child in children):
        text = value_text(tree)
        if len(text) <= _ONE_LINE:
            yield Node(depth, label, text)
            return
    yield Node(depth, label, head)
    for name, child in children:
        yield from unfold(child, name, depth + 1)


def _is_leaf(tree: Tree) -> bool:
    return not isinstance(tree, (list, dict)) or not _parts(tree)[1]


def _parts(tree: Tree) -> tuple[str, list[tuple[str, Tree]] | None]:
    """What a container is called, and its labelled children; None for what is a leaf."""
    if isinstance(tree, list):
        return f"list of {len(tree)}", [(f"[{i}]", child) for i, child in enumerate(tree)]
    if not isinstance(tree, dict):
        return "", None
    for tag in _OBJECTS:
        if isinstance(tree.get("fields"), dict) and tag in tree:
            return str(tree[tag]).rsplit(":", 1)[-1], list(tree["fields"].items())
    if len(tree) == 1:
        (tag, content), *_ = tree.items()
        if tag in _SEQUENCES and isinstance(content, list):
            return f"{_SEQUENCES[tag]} of {len(content)}", [(f"[{i}]", child) for i, child in enumerate(content)]
        if tag == "$dict" and isinstance(content, list):
            return f"map of {len(content)}", [(value_text(key, _ONE_LINE), child) for key, child in content]
    if any(key[:1] == "$" for key in tree):
        return "", None
    return f"map of {len(tree)}", list(tree.items())
