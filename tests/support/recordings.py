"""Recording streams that were made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stepscope.events import AnyEvent, RunStarted
from stepscope_tracing import open_recorder
from stepscope_tracing.recorder import Redact


def record(path: Path, events: Sequence[AnyEvent], redact: Redact = None) -> None:
    """Write a whole run to a file, flushing at its barriers as a driver does."""
    started = events[0]
    assert isinstance(started, RunStarted)
    sink = open_recorder(path, redact).begin(started)
    for event in events:
        sink.append(event)
        if event.kind == "superstep-completed":
            sink.flush(barrier=True)
    sink.close()
    assert sink.durable == len(events)
