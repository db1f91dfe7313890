"""Naming a process so that it can be told later whether it still lives."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def writer_id() -> str:
    """Names this process beyond the reuse of its number: host, process id, start time where the system tells it."""
    return f"{platform.node()}:{os.getpid()}:{_started(os.getpid())}"


def writer_lives(writer: str) -> bool:
    """Whether the process that `writer_id` named is still there; False for another host's."""
    host, _, rest = writer.rpartition(":")[0].rpartition(":")
    started = writer.rpartition(":")[2]
    if host != platform.node() or not rest.isdecimal():
        return False
    try:
        os.kill(int(rest), 0)
    except PermissionError:
        pass
    except (OSError, OverflowError):
        return False
    return _started(int(rest)) == started


def _started(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
