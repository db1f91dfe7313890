"""What `tamper` puts in place of a stored checkpoint: a changed bit, or data that notes if loading it runs code."""

from __future__ import annotations

from typing import Any

from .stage import Stage

MARK = b"a long enough text"
"""Vectors about damage keep a text with these words, so that the bit is changed inside a value."""

_stages: list[Stage] = []


def damaged(body: bytes) -> bytes:
    """The same with one bit changed."""
    place = max(body.find(MARK), 0) or len(body) // 2
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def number_of(stage: Stage) -> int:
    """What `executed` takes."""
    if stage not in _stages:
        _stages.append(stage)
    return _stages.index(stage)


def executed(number: int) -> None:
    """Notes ``checkpoint.executed``: called by whoever loads a `Bomb`, or data that names this function."""
    _stages[number].say("note", "checkpoint", "executed", True)


class Bomb:
    """An object whose pickle calls `executed` when it is loaded."""

    def __init__(self, stage: Stage) -> None:
        """`stage` is where it notes that it was."""
        self._number = number_of(stage)

    def __reduce__(self) -> Any:
        """What pickle is to call."""
        return executed, (self._number,)
