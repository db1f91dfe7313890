"""The bottom line: the keys that matter most, or the answer to the last key."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from stepscope_tui.actions import ACTIONS
from stepscope_tui.keymap import shown
from stepscope_tui.looks import looks_of

from .oneline import OneLine


class Footer(OneLine):
    """Hints, made from the registry and the keymap, as many as fit; a sentence hides them until the next key."""

    def __init__(self, keys: Mapping[str, tuple[str, ...]], *, id: str | None = None) -> None:
        """`keys`: the keymap in force."""
        super().__init__(id=id)
        self.keys = keys
        self.sentence = ""
        self.is_error = False

    def say(self, sentence: str, *, error: bool = False) -> None:
        """Show a sentence (safe text); "" shows the hints again."""
        if (sentence, error) != (self.sentence, self.is_error):
            self.sentence, self.is_error = sentence, error
            self.repaint()

    def content(self, width: int) -> Text:
        """The line."""
        looks = looks_of(self)
        out = Text(no_wrap=True, end="")
        if self.sentence:
            out.append(f" {self.sentence}", looks.style("finding") if self.is_error else "bold")
            return out
        hints = [
            (shown(self.keys[action.name][0], looks.ascii), action.hint)
            for action in ACTIONS.values()
            if action.hint and self.keys.get(action.name)
        ]
        last = [hint for hint in hints if hint[1] in ("help", "quit")]
        room = width - sum(len(key) + len(word) + 3 for key, word in last)
        for key, word in [hint for hint in hints if hint not in last]:
            if out.cell_len + len(key) + len(word) + 3 <= room:
                self._hint(out, key, word)
        for key, word in last:
            self._hint(out, key, word)
        return out

    @staticmethod
    def _hint(out: Text, key: str, word: str) -> None:
        out.append(f" {key}", "bold #8fc1ff")
        out.append(f" {word} ", "#8fa8c8")
