"""Whether two events say the same: everything but times, numbers of events, lines of source and the run's own name.

Values that were left out of a recording (`{"$redacted": true}`, and the mark in texts) cannot be compared: they match
anything, and are counted.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..events import ErrorInfo, Event, HandlerInfo, RunStarted
from ..values import Tree, Value

LEFT_OUT = "‹redacted›"
"""What stands in a text where something was left out of a recording."""
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")
_UNCOMPARED: dict[type, frozenset[str]] = {
    RunStarted: frozenset({"run_id", "engine_version", "mode", "seed", "started_unix_ns", "options", "python"}),
    HandlerInfo: frozenset({"file", "line"}),
    ErrorInfo: frozenset({"traceback", "file", "line"}),
}
_MODULES = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])")
_CLASSES = frozenset({"$data", "$model", "$named", "$enum"})
_TAGGED = [tag.encode() for tag in ("$redacted", *sorted(_CLASSES))]
_NEVER = frozenset({"seq", "t", "line"})


class Comparison:
    """Compares, and counts what it could not compare."""

    def __init__(self) -> None:
        self.unknown = 0
        """Values that the recording does not have."""

    def same(self, recorded: Event, now: Event) -> bool:
        """Whether `now` is what was recorded."""
        return not self.differing(recorded, now)

    def differing(self, recorded: Any, now: Any) -> list[str]:
        """Names of the fields in which two structs differ; ``kind`` if they are of different types."""
        if type(recorded) is not type(now):
            return ["kind"]
        skipped = _UNCOMPARED.get(type(recorded), frozenset()) | (
            _NEVER if isinstance(recorded, Event) else frozenset()
        )
        return [
            name
            for name in recorded.__struct_fields__
            if name not in skipped and not self._same_field(name, getattr(recorded, name), getattr(now, name))
        ]

    def _same_field(self, name: str, recorded: Any, now: Any) -> bool:
        return same_type(recorded, now) if name == "message_type" else self._equal(recorded, now)

    def _equal(self, recorded: Any, now: Any) -> bool:
        if isinstance(recorded, Value) and isinstance(now, Value):
            tagged = any(tag in recorded.data for tag in _TAGGED)
            return recorded == now or (tagged and self._tree(recorded.tree(), now.tree()))
        if isinstance(recorded, str) and isinstance(now, str):
            return recorded == now or self._text(recorded, now)
        if isinstance(recorded, list) and isinstance(now, list):
            return len(recorded) == len(now) and all(map(self._equal, recorded, now))
        if isinstance(recorded, msgspec.Struct):
            return not self.differing(recorded, now)
        return type(recorded) is type(now) and recorded == now

    def _text(self, recorded: str, now: str) -> bool:
        if LEFT_OUT not in recorded:
            script = "__main__." in recorded or "__main__." in now
            return _neutral(recorded) == _neutral(now) or (script and same_type(recorded, now))
        self.unknown += 1
        first, *between, last = recorded.split(LEFT_OUT)
        at, end = len(first), len(now) - len(last)
        if not (now.startswith(first) and now.endswith(last)):
            return False
        for piece in between:
            at = now.find(piece, at) + len(piece) if piece in now[at:] else end + 1
        return at <= end

    def _tree(self, recorded: Tree, now: Tree) -> bool:
        if recorded == {"$redacted": True}:
            self.unknown += 1
            return True
        if isinstance(recorded, dict) and isinstance(now, dict):
            return recorded.keys() == now.keys() and all(
                _bare(recorded[key]) == _bare(now[key]) if key in _CLASSES else self._tree(recorded[key], now[key])
                for key in recorded
            )
        if isinstance(recorded, list) and isinstance(now, list):
            return len(recorded) == len(now) and all(map(self._tree, recorded, now))
        return bool(recorded == now)


def _neutral(text: str) -> str:
    """Without addresses of objects."""
    return _ADDRESS.sub("0x", text)


def same_type(recorded: str, now: str) -> bool:
    """Whether names of types are the same, but for modules: one that is run as a script, or loaded by path, has others."""
    return recorded == now or _MODULES.sub("", recorded) == _MODULES.sub("", now)


def _bare(name: Tree) -> Tree:
    """A class's name without its module: a script's is ``__main__``, and another when the same file is imported."""
    return name.rpartition(":")[2] if isinstance(name, str) else name


def left_out(value: Value | None) -> bool:
    """Whether a recorded value, or a part of it, was left out of the recording."""
    return value is not None and b"$redacted" in value.data and _redacted(value.tree())


def _redacted(tree: Tree) -> bool:
    if isinstance(tree, dict):
        return tree == {"$redacted": True} or any(map(_redacted, tree.values()))
    return isinstance(tree, list) and any(map(_redacted, tree))
