"""Keymaps are data: which keys stand for which action. A keymap file says only where it differs from the default."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from stepscope.errors import WorkflowError

from .actions import ACTIONS

KEYMAPS = ("default", "vscode", "pudb", "gdb")
"""Names that `load` takes."""

_NAMES = {",": "comma", ".": "full_stop"}
_SHOWN = {
    "comma": ",", "full_stop": ".", "escape": "Esc", "enter": "Enter", "tab": "Tab", "space": "space",
    "pageup": "PgUp", "pagedown": "PgDn", "home": "Home", "end": "End",
    "up": "↑", "down": "↓", "left": "←", "right": "→",
}  # fmt: skip
_SHOWN_ASCII = {"up": "Up", "down": "Down", "left": "Left", "right": "Right"}


@cache
def load(name: str = "default") -> dict[str, tuple[str, ...]]:
    """Action name to keys, of all actions. A key the keymap gives to one action is taken from the others.

    Raises `WorkflowError` for a name that is not in `KEYMAPS`.
    """
    if name not in KEYMAPS:
        raise WorkflowError(f"there is no keymap {name!r}; the keymaps are {', '.join(KEYMAPS)}.")
    default = _read("default")
    if name == "default":
        return default
    own = _read(name)
    taken = {key for keys in own.values() for key in keys}
    rest = {action: tuple(key for key in keys if key not in taken) for action, keys in default.items()}
    return rest | own


def _read(name: str) -> dict[str, tuple[str, ...]]:
    """Keys as Textual names them."""
    text = files("stepscope_tui").joinpath("keymaps", f"{name}.toml").read_text(encoding="utf-8")
    read = tomllib.loads(text)
    unknown = sorted(set(read) - set(ACTIONS))
    assert not unknown, f"keymap {name}: unknown actions {unknown}"
    return {action: tuple(_NAMES.get(key, key) for key in read[action]) for action in ACTIONS if action in read}


def shown(key: str, ascii_only: bool = False) -> str:
    """How a key is written for people: ``full_stop`` is ".", ``shift+f11`` "Shift+F11"."""
    *modifiers, last = key.split("+") if key not in ("+",) else [key]
    if ascii_only and last in _SHOWN_ASCII:
        last = _SHOWN_ASCII[last]
    elif last in _SHOWN:
        last = _SHOWN[last]
    elif len(last) > 1 and last[0] == "f" and last[1:].isdigit():
        last = last.upper()
    return "+".join([*(m.capitalize() for m in modifiers), last])
