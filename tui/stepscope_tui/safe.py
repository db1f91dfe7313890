"""Text from a recording, made harmless for a terminal.

A recording may come from anywhere. What it holds must neither act as an escape sequence, nor reorder or hide what
stands beside it (UAX #9 and UTR #36 describe how), nor take another width than the terminal gives it. Every
character that could is shown as its Python escape instead: nothing disappears.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WIDE_SPACE = "\u3000"
_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U00016fe4")
"""Characters of a printable category without any ink."""
_MARKS_KEPT = 2
"""Combining marks allowed on one base: enough for the languages that use them, too few to climb over other rows."""


def safe(text: str, limit: int | None = None) -> str:
    """One line of `text` in which every control, bidi, zero-width or invisible character is an escape like ``\\x1b``.

    With `limit`, at most that many characters are looked at, and an ellipsis says that there were more.
    """
    if limit is not None and len(text) > limit:
        text = text[: max(0, limit - 1)]
        return safe(text) + "…"
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = _MARKS_KEPT
    for char in text:
        shown = _shown(char)
        if shown != char:
            marks = _MARKS_KEPT
        elif unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
            marks += 1
            if marks > _MARKS_KEPT:
                shown = _escape(char)
        else:
            marks = 0
        out.append(shown)
    return "".join(out)


def plain(text: str, ascii_only: bool, limit: int | None = None) -> str:
    """`safe`, and with `ascii_only` every other character beyond ASCII as its escape too."""
    shown = safe(text, limit)
    if not ascii_only or shown.isascii():
        return shown
    return "".join(char if char.isascii() else "..." if char == "…" else _escape(char) for char in shown)


@lru_cache(maxsize=4096)
def _shown(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if char in _INVISIBLE_LETTERS or _is_selector(char) or not (char.isprintable() or char == _WIDE_SPACE):
        return _escape(char)
    return char


def _is_selector(char: str) -> bool:
    """Variation selectors and fillers: zero width, category Mn, and they change how wide their neighbour is."""
    code = ord(char)
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF or code in (0x034F, 0x180B, 0x180C, 0x180D, 0x180F)


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
