"""Recordings made from event streams, through the recorder that runs use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stepscope.events import AnyEvent, RunStarted
from stepscope_tracing.recorder import open_recorder

_FLUSH_EVERY = 1_000


def record(path: Path, events: Sequence[AnyEvent], *, complete: bool = True) -> Path:
    """Write a run to `path`. Without `complete`, as if its writer were still at work: flushed, not closed."""
    started = events[0]
    assert isinstance(started, RunStarted)
    sink = open_recorder(path).begin(started)
    for number, event in enumerate(events, 1):
        sink.append(event)
        if number % _FLUSH_EVERY == 0:
            sink.flush(barrier=True)
    sink.flush(barrier=True)
    if complete:
        sink.close()
    return path
