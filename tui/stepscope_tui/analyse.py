"""Analysis of a recorded run in a process of its own: ``python -m stepscope_tui.analyse FILE RUN_ID``.

It is pure computing and takes seconds for a large run; in a thread it would take turns with the screen, and a key
would not be answered within a frame. The findings are written to standard output as JSON.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import msgspec

from stepscope.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence


async def findings_of(path: str, run_id: str) -> list[Finding] | None:
    """Findings of one run, computed in a child process, which ends with the task; None if it could not be read."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stepscope_tui.analyse", path, run_id,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        out, _ = await child.communicate()
    except asyncio.CancelledError:
        if child.returncode is None:
            child.kill()
            await child.wait()
        raise
    # Not decoded as findings: a recording may hold kinds that this version does not know, and they are shown too.
    return [Finding(**found) for found in msgspec.json.decode(out)] if child.returncode == 0 else None


def main(argv: Sequence[str]) -> int:
    """What the child does."""
    from stepscope.analysis import check_events
    from stepscope_tracing import Recording

    path, run_id = argv
    with Recording.open(path) as recording:
        sys.stdout.buffer.write(msgspec.json.encode(check_events(recording.run(run_id).iter_events())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
