"""docs/debugger.md shows exactly the keys that the default keymap gives to the registered actions."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from stepscope_tui.actions import ACTIONS
from stepscope_tui.keymap import KEYMAPS, load, shown

TEXT = (Path(__file__).parents[2] / "docs" / "debugger.md").read_text()


def key_tables() -> str:
    """One table a group, in the order of the help."""
    keys = load()
    tables = []
    for group, actions in groupby(ACTIONS.values(), key=lambda action: action.group):
        rows = [f"| {action.help} | {' '.join(f'`{shown(key)}`' for key in keys[action.name])} |" for action in actions]
        tables.append("\n".join([f"**{group}**", "", "| does | keys |", "|---|---|", *rows]))
    return "\n\n".join(tables)


def test_the_keys_are_those_of_the_registry() -> None:
    assert key_tables() in TEXT, f"docs/debugger.md must contain:\n\n{key_tables()}\n"


def test_every_keymap_is_named() -> None:
    assert all(f"`{name}`" in TEXT for name in KEYMAPS)
