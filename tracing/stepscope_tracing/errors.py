"""What goes wrong with a recording, as one error that people can read."""

from __future__ import annotations

from stepscope.errors import WorkflowError


class RecordingError(WorkflowError):
    """A recording cannot be written, opened or read; the message is one sentence that names the file."""


def because(error: Exception) -> str:
    """An exception's text as part of one sentence: what a file says may be long and hold anything."""
    text = " ".join(str(error).split())
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return (shown if len(shown) <= 120 else shown[:119] + "…").rstrip(".")
