"""Starting the terminal debugger from a command."""

from __future__ import annotations

import shutil
import sys

from .problems import Problem
from .recordings import Source

MIN_COLUMNS, MIN_ROWS = 40, 12
"""Less than this cannot show anything of use; the debugger itself arranges for what is between this and 80x24."""


def show(source: Source, *, ascii_only: bool = False, keymap: str = "default") -> int:
    """Open the debugger and stay until the person leaves it. Raises `Problem` and `WorkflowError`."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Problem(
            f"the debugger needs a terminal; without one, 'stepscope info {source.path}' and "
            f"'stepscope check {source.path}' say what is in a recording."
        )
    columns, rows = shutil.get_terminal_size()
    if columns < MIN_COLUMNS or rows < MIN_ROWS:
        raise Problem(
            f"the terminal is too small ({columns}x{rows}); the debugger needs {MIN_COLUMNS}x{MIN_ROWS} at least "
            f"and 80x24 to show everything."
        )
    from ..app import DebuggerApp

    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    app = DebuggerApp(
        source.path, source.seq, source.run_id, ascii=ascii_only or not encoding.startswith("utf"), keymap=keymap
    )
    app.run()
    return app.return_code or 0
