"""Recordings of runs: writing them, opening them, asking them."""

from __future__ import annotations

from .errors import RecordingError
from .recorder import open_recorder
from .recording import Recording
from .run import Run

__all__ = ["Recording", "RecordingError", "Run", "open_recorder"]
