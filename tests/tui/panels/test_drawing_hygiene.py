"""The drawings know neither widgets nor recordings: they can be used, and tested, without either."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files

MODULES = sorted(
    entry.name.removesuffix(".py") for entry in files("stepscope_tui.drawing").iterdir() if entry.name.endswith(".py")
)


def test_drawings_import_neither_textual_nor_the_recording() -> None:
    assert "diagram" in MODULES
    names = ", ".join(f"stepscope_tui.drawing.{name}" for name in MODULES if name != "__init__")
    program = f"import sys; import {names}; print([m for m in ('textual', 'stepscope_tracing', 'sqlite3') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"
