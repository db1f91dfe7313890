"""The help: made from the action registry and the keymap in force, so that it cannot be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from .actions import ACTIONS
from .keymap import shown
from .looks import Looks, Meaning, looks_of
from .widgets.lines import LineView
from .widgets.rows import ListRows, Motion

_LEGEND: tuple[tuple[Meaning, str], ...] = (
    ("superstep", "superstep begins or ends"), ("delivered", "delivered to an inbox"), ("started", "handler starts"),
    ("completed", "handler completed"), ("failed", "failed"), ("cancelled", "cancelled"), ("sent", "message sent"),
    ("routed", "message routed"), ("dropped", "message dropped"), ("read", "state read"), ("written", "state written"),
    ("undone", "write taken back"), ("waiting", "waits for a lock"), ("held", "lock held"), ("released", "lock released"),
    ("effect", "effect"), ("output", "output"), ("arrived", "at the barrier"), ("committed", "commit"),
    ("finding", "finding"),
)  # fmt: skip


def help_lines(keys: Mapping[str, tuple[str, ...]], looks: Looks) -> Iterator[Text]:
    """The help as lines: all actions by group with their keys, then what the glyphs of the log mean."""
    group = ""
    for action in ACTIONS.values():
        if action.group != group:
            if group:
                yield Text()
            group = action.group
            yield Text(group, "bold underline")
        line = Text(no_wrap=True, end="")
        names = "  ".join(shown(key, looks.ascii) for key in keys.get(action.name, ()))
        line.append(f"  {names or 'palette only':<16}", "bold #8fc1ff" if names else "#7d8590")
        line.append(action.help)
        yield line
    yield Text("  Tab             next panel; Shift+Tab the one before")
    yield Text()
    yield Text("Glyphs", "bold underline")
    for meaning, words in _LEGEND:
        line = Text("  ", no_wrap=True, end="")
        line.append(f"{looks.glyph(meaning):<16}", looks.style(meaning))
        line.append(words)
        yield line


class HelpScreen(ModalScreen[None]):
    """The help over the debugger. Any of its keys closes it."""

    CSS = """
    HelpScreen { align: center middle; }
    HelpScreen #help { width: 72; max-width: 100%; height: 90%; border: round #5c8fc0; background: $surface; }
    HelpScreen.-ascii #help { border: ascii #5c8fc0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "close", "close"),
        *(
            Binding(keys, f"move('{motion}')", motion)
            for keys, motion in (
                ("up,k", "up"), ("down,j", "down"), ("pageup", "page-up"), ("pagedown,space", "page-down"),
                ("g,home", "top"), ("G,end", "bottom"),
            )
        ),
    ]  # fmt: skip

    def __init__(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """`keys`: the keymap in force."""
        super().__init__()
        self.keys = keys

    def compose(self) -> ComposeResult:
        """A frame with the lines."""
        looks = looks_of(self)
        self.set_class(looks.ascii, "-ascii")
        with Vertical(id="help") as frame:
            frame.border_title = "Keys"
            yield LineView(ListRows(list(help_lines(self.keys, looks))), cursor=False)

    def action_close(self) -> None:
        """Back to the debugger."""
        self.dismiss()

    def action_move(self, motion: Motion) -> None:
        """Scroll."""
        self.query_one(LineView).motion(motion)
