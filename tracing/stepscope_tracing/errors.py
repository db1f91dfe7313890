"""What goes wrong with a recording, as one error that people can read."""

from __future__ import annotations

from stepscope.errors import WorkflowError


class RecordingError(WorkflowError):
    """A recording cannot be written, opened or read; the message is one sentence that names the file."""
