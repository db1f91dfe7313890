"""Which colour a role has, and what a shade does to it: the only file of the drawings that knows colours."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias, cast, get_args

from rich.style import Style

from stepscope_tui.looks import Looks, Meaning

Shade: TypeAlias = Literal["past", "future", "concurrent", "cause", "effect"]
"""How a thing stands to the cursor: before or after it in `seq`, or by happens-before."""

_ROLES: dict[str, str] = {
    "blank": "",
    "guide": "#343c46",
    "running": "#5b9bd5",
    "held": "#57ab5a",
    "wanted": "bold #ffa657",
    "waiting": "#f47067",
    "inbox": "#5c8fc0",
    "idle": "#6b7580",
    "handler": "#a5d0ff",
    "wire": "#8fa3bf",
    "wire.lit": "bold #f2cc60",
    "wire.coming": "#8f7d3f",
    "lost": "bold #ff7b72",
    "arrow": "#a8c7ea",
    "count": "bold #a8c7ea",
    "rule": "#7a8ba3",
    "rule.failed": "bold #ff7b72",
    "rule.open": "#4d5560",
    "inner": "#5f6f86",
    "buffer": "#e0af68",
    "header": "bold #a9b7c9",
    "header.failed": "bold #ff7b72",
    "name": "#c9d1d9",
    "name.lit": "bold #ffffff",
    "hidden": "italic #8b98a8",
    "total": "bold #a5d0ff",
    "cursor": "bold #f2cc60",
    "holder": "bold #1c1208 on #ffa657",
    "text": "#c9d1d9",
    "quiet": "#7d8590",
    "value": "#d8dee9",
    "old": "#8b98a8",
    "who": "#8fa8c8",
    "alarm": "bold #ff7b72",
}
_MEANINGS = frozenset(get_args(Meaning))
_FUTURE = Style.parse("#535e6b")
_CONCURRENT = Style.parse("#8a7fb0")
_EFFECT = Style.parse("#b58fe0")
_CURSOR_BACK = Style.parse("on #2d3a4d")
_LANE_BACK = Style.parse("on #1d2630")
_MARK = Style(reverse=True, bold=True)


@lru_cache(maxsize=1024)
def style(role: str, shade: Shade = "past") -> Style:
    """The style of a role (a name above, or a meaning of `looks`) under a shade. Raises `KeyError` for neither."""
    base = Style.parse(Looks.style(cast(Meaning, role)) if role in _MEANINGS and role not in _ROLES else _ROLES[role])
    if role == "guide":
        return base
    if shade == "future":
        return _FUTURE
    if shade == "concurrent":
        return _CONCURRENT
    if shade == "effect":
        return _EFFECT
    return base


@lru_cache(maxsize=4096)
def over(base: Style, *, mark: bool = False, column: bool = False, lane: bool = False) -> Style:
    """A style under the cursor: `mark` the cursor's own event, inverted; its column and its lane have a ground."""
    if mark:
        return base + _MARK
    if column:
        return base + _CURSOR_BACK
    return base + _LANE_BACK if lane else base
