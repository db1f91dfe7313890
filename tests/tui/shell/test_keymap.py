"""Keymaps are data over one registry: every action keeps a key in every keymap, and no key means two things."""

from __future__ import annotations

from collections import Counter

import pytest

from stepscope.errors import WorkflowError
from stepscope_tui.actions import ACTIONS
from stepscope_tui.arrangement import PANELS
from stepscope_tui.help import help_lines
from stepscope_tui.keymap import KEYMAPS, load, shown
from stepscope_tui.looks import Looks


@pytest.mark.parametrize("name", KEYMAPS)
def test_every_action_has_a_key(name: str) -> None:
    keys = load(name)
    assert set(keys) == set(ACTIONS)
    assert [action for action, of in keys.items() if not of] == []


@pytest.mark.parametrize("name", KEYMAPS)
def test_no_key_means_two_things(name: str) -> None:
    uses = Counter(key for keys in load(name).values() for key in keys)
    assert [key for key, count in uses.items() if count > 1] == []


@pytest.mark.parametrize("name", KEYMAPS)
def test_the_titles_name_the_keys_of_their_panels(name: str) -> None:
    keys = load(name)
    assert all(digit in keys[f"panel-{panel}"] for panel, digit in PANELS.items())


def test_motions_are_lower_case_forward_and_upper_case_back() -> None:
    keys = load()
    for forward, back in (("next-event", "previous-event"), ("next-superstep", "previous-superstep"),
                          ("next-finding", "previous-finding"), ("finish-handler", "handler-start")):  # fmt: skip
        assert keys[forward][0].upper() == keys[back][0]


def test_an_unknown_keymap_is_one_sentence_with_the_way_out() -> None:
    with pytest.raises(WorkflowError, match=r"no keymap 'emacs'; the keymaps are default, vscode, pudb, gdb\.$"):
        load("emacs")


@pytest.mark.parametrize(
    ("key", "text"), [("full_stop", "."), ("shift+f11", "Shift+F11"), ("ctrl+p", "Ctrl+p"), ("+", "+"), ("f", "f")]
)
def test_how_keys_are_written(key: str, text: str) -> None:
    assert shown(key) == text


@pytest.mark.parametrize("name", KEYMAPS)
def test_the_help_has_a_line_for_every_action_with_its_keys(name: str) -> None:
    keys = load(name)
    lines = [line.plain for line in help_lines(keys, Looks(ascii=True))]
    for action in ACTIONS.values():
        line = next(line for line in lines if line.endswith(action.help))
        assert all(shown(key, True) in line for key in keys[action.name])
    assert all(line.isascii() for line in lines)
