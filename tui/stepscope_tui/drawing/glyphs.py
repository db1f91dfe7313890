"""The shapes of drawings: bars, wires, rules and strips, in Unicode and in ASCII.

Marks that have a meaning of their own (a read, a write, an output...) are in `looks`, so that the diagram and the
log show the same mark for the same thing. All glyphs here are one cell wide.
"""

from __future__ import annotations

from dataclasses import dataclass

from stepscope.events import AnyEvent, EffectEnded, HandlerEnded, HandlerStarted, Sent
from stepscope_tui.describe import meaning_of
from stepscope_tui.looks import Looks

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
"""Which sides of a cell a wire leaves by; ored together."""

_WIRES = " ││││╯╮┤│╰╭├─┴┬┼"
_WIRES_ASCII = " ||||'.+|'.+-+++"


def _table(glyphs: str) -> tuple[str, ...]:
    table = list(glyphs)
    table[LEFT] = table[RIGHT] = table[LEFT | RIGHT]
    return tuple(table)


@dataclass(frozen=True)
class Glyphs:
    """One set of shapes. `wires` is indexed by the sides a wire leaves by."""

    looks: Looks
    running: str
    held: str
    wanted: str
    waiting: str
    inbox: str
    idle: str
    guide: str
    start: str
    end: str
    send: str
    arrow: str
    rule: str
    rule_failed: str
    rule_open: str
    crossing: str
    inner_rule: str
    inner_crossing: str
    buffer: str
    cursor: str
    lane: str
    more: str
    range: str
    inside: str
    heights: str
    wires: tuple[str, ...]

    def mark(self, event: AnyEvent, *, joined: bool) -> str:
        """The mark of an event on its executor's bar. `joined`: a send's mark leads into a wire below it."""
        if isinstance(event, Sent):
            return self.send if joined else self.looks.glyph("sent")
        if isinstance(event, HandlerStarted):
            return self.start
        if isinstance(event, HandlerEnded) and event.outcome == "completed":
            return self.end
        if isinstance(event, EffectEnded) and event.error is None:
            return "E" if self.looks.ascii else "◆"
        return self.looks.glyph(meaning_of(event))


UNICODE = Glyphs(
    looks=Looks(),
    running="━",
    held="═",
    wanted="█",
    waiting="░",
    inbox="┄",
    idle="┈",
    guide="·",
    start="┣",
    end="┫",
    send="┯",
    arrow="▶",
    rule="┃",
    rule_failed="╳",
    rule_open="╎",
    crossing="╂",
    inner_rule="│",
    inner_crossing="┼",
    buffer="◌",
    cursor="▼",
    lane="▸",
    more="…",
    range="–",
    inside="↻",
    heights="▁▂▃▄▅▆▇█",
    wires=_table(_WIRES),
)

ASCII = Glyphs(
    looks=Looks(ascii=True),
    running="=",
    held="#",
    wanted="%",
    waiting=":",
    inbox=";",
    idle=",",
    guide=" ",
    start="[",
    end="]",
    send="}",
    arrow=">",
    rule="|",
    rule_failed="X",
    rule_open=":",
    crossing="+",
    inner_rule="|",
    inner_crossing="+",
    buffer="o",
    cursor="V",
    lane=">",
    more="~",
    range="-",
    inside="@",
    heights="._-=oO%#",
    wires=_table(_WIRES_ASCII),
)


def glyphs_of(looks: Looks) -> Glyphs:
    """The shapes that go with an application's looks."""
    return ASCII if looks.ascii else UNICODE
