"""How fast the screen answers: what has to be set in the process; imported before anything of Textual.

Textual paints on a timer, 60 times a second by default, so a key would wait up to 16.7 ms for its first byte
before any work is counted. The rate is read from the environment once, when `textual.constants` is imported;
it is set for that moment only, so that programs started from here do not inherit it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PAINTS_PER_SECOND = 500
"""Upper bound; nothing is painted while nothing changes."""

_NAME = "TEXTUAL_FPS"

if _NAME not in os.environ:
    os.environ[_NAME] = str(PAINTS_PER_SECOND)
    try:
        import textual.constants  # noqa: F401
    finally:
        del os.environ[_NAME]

_SWITCH_S = 0.0005
"""How long a thread that indexes or searches keeps the screen waiting; Python's default is 5 ms, a third of a frame."""
_COLLECT = (20_000, 20, 50)
"""Thresholds of the garbage collector: decoding one block of events makes more objects than the default allows."""


@contextmanager
def tuned() -> Iterator[None]:
    """Give the screen its turn at once while the block lasts, whatever threads do beside it."""
    switch, collect = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(*_COLLECT)
    try:
        yield
    finally:
        sys.setswitchinterval(switch)
        gc.set_threshold(*collect)
        gc.unfreeze()
