"""The source files of a workflow's handlers, as they were when it ran."""

from __future__ import annotations

import linecache
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

_MAX_BYTES = 4_000_000


def read_sources(files: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each file's name and text; what cannot be read as Python source is left out."""
    for file in files:
        text = _read(file)
        if text is not None:
            yield file, text


def _read(file: str) -> str | None:
    try:
        path = Path(file)
        if path.is_file() and path.stat().st_size <= _MAX_BYTES:
            with tokenize.open(path) as source:
                return source.read()
        return "".join(linecache.getlines(file)) or None  # a notebook's cell or a doctest
    except (OSError, SyntaxError, ValueError):
        return None
