"""One glyph and one colour for each meaning, with and without Unicode.

Every meaning has a glyph of its own, so that the screen says the same without colour (``NO_COLOR``) and in ASCII.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from textual.widget import Widget

Meaning: TypeAlias = Literal[
    "run", "superstep", "delivered", "started", "completed", "failed", "cancelled", "abandoned", "sent", "routed",
    "dropped", "read", "written", "undone", "waiting", "held", "contended", "released", "effect", "output", "arrived",
    "committed", "finding", "added", "changed", "removed", "pending", "cursor", "past", "future", "concurrent",
    "open", "closed", "leaf", "more", "rule", "barrier", "arrow", "bar", "match", "ok", "kept",
]  # fmt: skip

_TABLE: dict[Meaning, tuple[str, str, str]] = {
    # meaning: glyph, ASCII glyph, Rich style
    "run": ("◉", "@", "bold #d0d0d0"),
    "superstep": ("┃", "|", "bold #8fa8c8"),
    "delivered": ("▷", ">", "#6cb6ff"),
    "started": ("┌", "[", "#8ddb8c"),
    "completed": ("└", "]", "#8ddb8c"),
    "failed": ("✗", "X", "bold #ff7b72"),
    "cancelled": ("⊘", "/", "#e0af68"),
    "abandoned": ("☠", "?", "bold #ff7b72"),
    "sent": ("→", "}", "#6cb6ff"),
    "routed": ("↪", "~", "#5c8fc0"),
    "dropped": ("⊥", "v", "bold #e0af68"),
    "read": ("○", "r", "#b0b8c4"),
    "written": ("●", "w", "#f2cc60"),
    "undone": ("↶", "u", "bold #e0af68"),
    "waiting": ("◔", ".", "#e0af68"),
    "held": ("■", "#", "#dcbdfb"),
    "contended": ("▣", "%", "bold #ffa657"),
    "released": ("□", "_", "#a58fc8"),
    "effect": ("◇", "e", "#76e3ea"),
    "output": ("★", "*", "bold #8ddb8c"),
    "arrived": ("┤", "{", "#8fa8c8"),
    "committed": ("═", "=", "bold #8ddb8c"),
    "kept": ("▤", "k", "#8ddb8c"),
    "finding": ("▲", "!", "bold #ff7b72"),
    "added": ("+", "+", "bold #8ddb8c"),
    "changed": ("~", "~", "bold #f2cc60"),
    "removed": ("-", "-", "bold #ff7b72"),
    "pending": ("…", ":", "italic #b0b8c4"),
    "cursor": ("▶", ">", "bold"),
    "past": ("‹", "<", "#6cb6ff"),
    "future": ("›", ">", "#dcbdfb"),
    "concurrent": ("∥", "|", "#7d8590"),
    "open": ("▾", "-", "#8fa8c8"),
    "closed": ("▸", "+", "#8fa8c8"),
    "leaf": ("·", " ", "#8fa8c8"),
    "more": ("…", "...", "#8fa8c8"),
    "rule": ("│", "|", "#4d5560"),
    "barrier": ("║", "|", "bold #8fa8c8"),
    "arrow": ("→", "->", "#6cb6ff"),
    "bar": ("━", "=", "#8ddb8c"),
    "match": ("▪", "m", "reverse"),
    "ok": ("✓", "+", "bold #8ddb8c"),
}

KINDS: dict[str, Meaning] = {
    "run-started": "run",
    "run-ended": "run",
    "resumed": "run",
    "checkpointed": "kept",
    "superstep-started": "superstep",
    "superstep-completed": "superstep",
    "superstep-failed": "failed",
    "delivered": "delivered",
    "handler-started": "started",
    "handler-ended": "completed",
    "sent": "sent",
    "routed": "routed",
    "dropped": "dropped",
    "state-read": "read",
    "state-written": "written",
    "lock-waiting": "waiting",
    "lock-acquired": "held",
    "lock-released": "released",
    "effect-started": "effect",
    "effect-ended": "effect",
    "timed-out": "waiting",
    "output": "output",
    "barrier-arrived": "arrived",
    "committed": "committed",
    "finding": "finding",
}
"""Event kind to its meaning; a `handler-ended` that did not complete has the meaning of its outcome."""


@dataclass(frozen=True)
class Looks:
    """The table, for Unicode or for ASCII."""

    ascii: bool = False

    def glyph(self, meaning: Meaning) -> str:
        """The meaning's glyph; one cell wide, except "more" and "arrow" in ASCII."""
        return _TABLE[meaning][1 if self.ascii else 0]

    @staticmethod
    def style(meaning: Meaning) -> str:
        """The meaning's Rich style."""
        return _TABLE[meaning][2]


UNICODE = Looks()


def looks_of(widget: Widget) -> Looks:
    """The looks of the application a widget is in; Unicode where it says nothing."""
    looks = getattr(widget.app, "looks", UNICODE)
    return looks if isinstance(looks, Looks) else UNICODE
