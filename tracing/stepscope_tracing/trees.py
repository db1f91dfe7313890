"""Checking that the tree of a stored value is one that `stepscope.values` could have written.

Whoever shows or walks a value relies on its shape; a file that was tampered with must not make them fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stepscope.values import Tree

_MAX_DEPTH = 650
_NAMED = frozenset({"$data", "$model", "$named"})
_ATOMS = frozenset({type(None), bool, int, float, str, bytes})


def _pairs(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in content)


_TAGS: dict[str, Callable[[Any], bool]] = {
    "$tuple": lambda content: isinstance(content, list),
    "$set": lambda content: isinstance(content, list),
    "$frozenset": lambda content: isinstance(content, list),
    "$dict": _pairs,
    "$data": lambda content: isinstance(content, str),
    "$model": lambda content: isinstance(content, str),
    "$named": lambda content: isinstance(content, str),
    "$enum": lambda content: isinstance(content, str),
}


def well_formed(tree: Tree, depth: int = 0) -> bool:
    """Whether a decoded tree has the shape of a value. Raises `RecursionError` if it is nested too deep."""
    if type(tree) in _ATOMS:
        return True
    if depth > _MAX_DEPTH:
        raise RecursionError("it is nested too deep")
    if isinstance(tree, list):
        return all(type(item) in _ATOMS or well_formed(item, depth + 1) for item in tree)
    if not isinstance(tree, dict):
        return False  # MessagePack knows dates and extensions; values do not use them
    named = "fields" in tree and not tree.keys().isdisjoint(_NAMED)
    for key, item in tree.items():
        if type(key) is not str:
            return False
        if named and key == "fields":  # a program's own names, which may begin with anything
            if not isinstance(item, dict) or not all(
                type(name) is str and well_formed(field, depth + 2) for name, field in item.items()
            ):
                return False
        elif type(item) not in _ATOMS and not well_formed(item, depth + 1):
            return False
        if key[:1] == "$" and not _tag_fits(key, item, tree):
            return False
    return True


def _tag_fits(tag: str, content: Any, tree: dict[str, Any]) -> bool:
    known = _TAGS.get(tag)
    if known is None:
        return True
    return known(content) and (tag not in _NAMED or "fields" in tree)
