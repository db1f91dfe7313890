"""How often the screen may be repainted; imported before anything of Textual.

Textual paints on a timer, 60 times a second by default, so a key would wait up to 16.7 ms for its first byte
before any work is counted. The rate is read from the environment once, when `textual.constants` is imported;
it is set for that moment only, so that programs started from here do not inherit it.
"""

from __future__ import annotations

import os

PAINTS_PER_SECOND = 500
"""Upper bound; nothing is painted while nothing changes."""

_NAME = "TEXTUAL_FPS"

if _NAME not in os.environ:
    os.environ[_NAME] = str(PAINTS_PER_SECOND)
    try:
        import textual.constants  # noqa: F401
    finally:
        del os.environ[_NAME]
