"""Runs the `stepscope` command as a person does: in a process of its own, in some folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

COMMAND = [sys.executable, "-m", "stepscope_tui.cli"]


def stepscope(
    *args: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run one command, not on a terminal."""
    full = {**os.environ, "PYTHONUTF8": "1", **(env or {})}
    return subprocess.run(
        [*COMMAND, *args],
        cwd=cwd,
        env=full,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def write(path: Path, source: str) -> Path:
    """Write a program, given indented."""
    path.write_text(dedent(source))
    return path


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The sentence that a command was refused with: one line, no traceback, exit code 2, nothing on standard output."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]
