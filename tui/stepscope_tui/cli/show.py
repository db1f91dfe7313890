"""Starting the terminal debugger from a command."""

from __future__ import annotations

import os
import sys

from .problems import Problem
from .recordings import Source, recorded


def on_a_terminal() -> bool:
    """Whether a person can see and type."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def draws_ascii() -> bool:
    """Whether standard output cannot carry more than ASCII."""
    return not (sys.stdout.encoding or "ascii").lower().replace("-", "").startswith("utf")


def show(source: Source, *, ascii_only: bool = False, keymap: str = "default") -> int:
    """Open the debugger and stay until the person leaves it. Raises `Problem` and `WorkflowError`."""
    if not on_a_terminal():
        raise Problem(
            f"the debugger needs a terminal; without one, 'stepscope info {source.path}' and "
            f"'stepscope check {source.path}' say what is in a recording."
        )
    from ..arrangement import SMALLEST

    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    needed = "x".join(map(str, SMALLEST))
    if 0 < columns < SMALLEST[0] or 0 < rows < SMALLEST[1]:
        raise Problem(
            f"the terminal is too small ({columns}x{rows}); the debugger needs {needed}, and likes 80x24 better."
        )
    from ..app import DebuggerApp

    with recorded(source) as path:
        app = DebuggerApp(str(path), source.seq, source.run_id, ascii=ascii_only or draws_ascii(), keymap=keymap)
        app.run()
    return app.return_code or 0
