"""Searching a run's events for a text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from stepscope.events import AnyEvent
from stepscope.values import Value, text

from .blocks import Blocks

_CHUNK = 500


class Searched(msgspec.Struct, frozen=True):
    """How a search went: the event found or None, and the last one looked at; `done` unless it was stopped."""

    hit: int | None
    reached: int
    done: bool


def event_text(event: AnyEvent) -> str:
    """Everything in an event that people may search for, as one text: its kind, names, values, messages."""
    return " ".join([event.kind, *_texts([getattr(event, name) for name in event.__struct_fields__[4:]])])


def _texts(fields: Any) -> Iterator[str]:
    for field in fields:
        if isinstance(field, str):
            yield field
        elif isinstance(field, Value):
            yield text(field.tree())
        elif isinstance(field, list):
            yield from _texts(field)
        elif isinstance(field, dict):
            yield from _texts([*field, *field.values()])
        elif isinstance(field, msgspec.Struct):
            yield from _texts([getattr(field, name) for name in field.__struct_fields__])
        elif isinstance(field, int) and not isinstance(field, bool):
            yield str(field)


def search(
    blocks: Blocks, wanted: str, start: int, *, backwards: bool, limit_s: float | None, stop: Callable[[], bool] | None
) -> Searched:
    """Look at events from `start` on (backwards: from `start` down), `start` included.

    Case matters only if `wanted` has a capital letter. The search ends after `limit_s` seconds, or when `stop`
    says so, which is asked every few hundred events.
    """
    folded = wanted == wanted.lower()
    deadline = None if limit_s is None else time.monotonic() + limit_s
    reached = start
    for events in _chunks(blocks, start, backwards):
        if (deadline is not None and time.monotonic() > deadline) or (stop is not None and stop()):
            return Searched(None, reached, False)
        for event in events:
            found = event_text(event)
            if wanted in (found.lower() if folded else found):
                return Searched(event.seq, event.seq, True)
            reached = event.seq
    return Searched(None, reached, True)


def _chunks(blocks: Blocks, start: int, backwards: bool) -> Iterator[list[AnyEvent]]:
    if backwards:
        high = min(start, blocks.last)
        while high >= 1:
            low = max(1, high - _CHUNK + 1)
            yield list(blocks.iterate(low, high))[::-1]
            high = low - 1
    else:
        low = max(start, 1)
        while low <= blocks.last:
            high = min(low + _CHUNK - 1, blocks.last)
            yield list(blocks.iterate(low, high))
            low = high + 1
