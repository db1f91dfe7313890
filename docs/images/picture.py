"""Takes the README's picture of the debugger: python docs/images/picture.py

Records the sample that `stepscope demo` records, deterministically, and goes to the lost update as a person would.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from stepscope_tui.app import DebuggerApp
from stepscope_tui.demo.lost_update import workflow

PICTURE = Path(__file__).with_name("debugger.svg")
SIZE = (118, 34)
"""Columns and rows: wide enough for all panels, narrow enough to be read in a browser."""


async def take(folder: Path) -> str:
    """The screen at a lost update, as SVG."""
    recording = folder / "demo.stepscope"
    await workflow.run("superstep workflows", mode="deterministic", seed=0, record=recording)
    app = DebuggerApp(str(recording))
    async with app.run_test(size=SIZE) as pilot:
        async with asyncio.timeout(30):
            while not app.session.findings:  # they are looked for in a process of its own
                await pilot.pause(0.1)
        await pilot.press("7", "enter", "e", "}", "}")  # the first finding, and on to the write that loses an update
        await pilot.pause()
        return app.export_screenshot(title="stepscope open demo.stepscope")


def main() -> None:
    """Write the picture next to this file."""
    with tempfile.TemporaryDirectory() as folder:
        PICTURE.write_text(asyncio.run(take(Path(folder))) + "\n")


if __name__ == "__main__":
    main()
