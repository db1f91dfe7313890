"""Traces that come back: files of spans as recordings. Nothing in a trace is executed, and no file it names is read."""

from .source import as_recording

__all__ = ["as_recording"]
