"""A span as every format has it, and what is said of input that is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import RecordingError, because

MAX_BYTES = 1 << 30
"""A larger file of spans is refused: it would not fit in memory beside what is made of it."""


class Span(msgspec.Struct, frozen=True):
    """One span. Ids are hexadecimal; `parent` is "" for a root; `events` are (name, attributes)."""

    trace: str
    id: str
    parent: str
    name: str
    attributes: Mapping[str, Any]
    events: Sequence[tuple[str, Mapping[str, Any]]]


def unreadable(source: str, form: str, error: Exception) -> RecordingError:
    """What to raise for input that is not what it looks like."""
    return RecordingError(
        f"{source!r} looks like {form}, and cannot be read as that: {because(error)}; was it cut off or changed?"
    )
