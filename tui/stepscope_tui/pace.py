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
_WHILE_STUDYING = (20_000, 50, 1_000)
_AFTERWARDS = (100_000, 50, 1_000)
"""Thresholds of the garbage collector. It runs between two keys then: a young collection of what a few jumps have
decoded takes 5 to 20 ms, in the middle of a key's answer if it runs by itself."""
_YOUNG, _MIDDLE, _OLD = 4_000, 3, 10
"""Objects made, young collections and middle ones after which it is asked to run."""


def collect() -> None:
    """Collect garbage, if there may be enough of it: a few milliseconds, for the time between two keys."""
    young, middle, _ = gc.get_count()
    if young > _YOUNG:
        gc.collect(1 if middle >= _MIDDLE else 0)


def collect_all() -> None:
    """Collect all garbage, if there may be enough of it: a tenth of a second, for when nobody presses keys."""
    if gc.get_count()[2] >= _OLD:
        gc.collect()


def studied() -> None:
    """What is there now stays: collections need not walk the index."""
    gc.freeze()
    gc.set_threshold(*_AFTERWARDS)


@contextmanager
def tuned() -> Iterator[None]:
    """Give the screen its turn at once while the block lasts, whatever threads do beside it."""
    switch, collect = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(*_WHILE_STUDYING)
    try:
        yield
    finally:
        sys.setswitchinterval(switch)
        gc.set_threshold(*collect)
        gc.unfreeze()
