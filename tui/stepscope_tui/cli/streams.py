"""Standard output for one document: whatever else is printed meanwhile goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_document() -> Iterator[None]:
    """Inside the block, file descriptor 1 is standard error's: for `print`, C libraries and child processes alike."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
