"""Text from a recording can neither steer a terminal nor hide itself."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepscope_tui.safe import plain, safe

HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(st.characters(), max_size=40))
def test_nothing_harmful_is_left(text: str) -> None:
    assert not {unicodedata.category(char) for char in safe(text)} & HARMFUL


@given(st.text(max_size=40))
def test_it_is_idempotent_and_loses_nothing_of_what_is_printable(text: str) -> None:
    once = safe(text)
    assert safe(once) == once
    assert len(once) >= len(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_ascii_only_is_ascii(text: str) -> None:
    assert plain(text, True).isascii()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\x9b2J", "\\x9b2J"),
        ("\x00\x07\x7f", "\\x00\\x07\\x7f"),
        ("heart\u2764\ufe0f", "heart❤\\ufe0f"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\ud800", "\\ud800"),
        ("größer, 日本語", "größer, 日本語"),
        ("[bold]not markup[/]", "[bold]not markup[/]"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_marks_do_not_climb() -> None:
    assert safe("e\u0301") == "e\u0301"
    assert safe("\u0301x") == "\\u0301x"
    assert safe("a" + "\u0300" * 5) == "a" + "\u0300" * 2 + "\\u0300" * 3


def test_a_limit_is_kept_and_said() -> None:
    assert safe("x" * 1_000_000, 5) == "xxxx…"
    assert plain("x" * 10, True, 5) == "xxxx..."
