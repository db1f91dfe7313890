"""A recorded sample in the debugger: stepping on and back again returns to the same screen."""

from __future__ import annotations

import importlib
import json
import os
import random
from pathlib import Path

import pytest

from stepscope import SuperstepError
from stepscope_tui.app import DebuggerApp
from support.screen import said_by

SMALL: dict[str, object] = {
    "aggregator": {"archive": 0.02, "web": 0.01, "interview": 0.0},
    "deadlock": 5,
    "half_done": 5,
    "lost_updates": "supersteps",
    "not_parallel": [0.01, 0.0],
    "waiting_for_each_other": "supersteps",
}
"""The input of each."""
FULL = os.environ.get("STEPSCOPE_FULL") == "1"


async def recorded(sample: str, folder: Path, given: object) -> str:
    """A recording of the sample's workflow, which may be meant to fail."""
    path = folder / f"{sample}.stepscope"
    try:
        await importlib.import_module(sample).make().run(given, record=path)
    except SuperstepError:
        pass
    return str(path)


def shown(app: DebuggerApp, seq: int) -> dict[str, object]:
    app.session.goto(seq)
    app.show()
    return said_by(app)


async def both_ways(path: str, positions: list[int] | None, steps: int) -> int:
    """From each position some steps on and as many back; how many positions there were."""
    app = DebuggerApp(path, analyse=False)
    async with app.run_test(size=(160, 45)) as pilot:
        app.session.run.build_index()
        await app.workers.wait_for_complete()
        await pilot.pause()
        last = app.session.run.last
        wanted = range(1, last + 1) if positions is None else [1 + one % last for one in positions]
        for seq in wanted:
            before = shown(app, seq)
            there = [(at, shown(app, at)) for at in range(seq + 1, min(seq + steps, last) + 1)]
            for at, screen in reversed(there):
                assert shown(app, at) == screen, at
            assert shown(app, seq) == before, seq
    app.recording.close()
    return len(wanted)


@pytest.mark.slow
@pytest.mark.parametrize("sample", SMALL)
async def test_every_position_of_a_small_sample(sample: str, tmp_path: Path) -> None:
    path = await recorded(sample, tmp_path, SMALL[sample])
    assert await both_ways(path, None, 3) > 10


@pytest.mark.slow
async def test_random_positions_in_the_census(tmp_path: Path) -> None:
    import codebase_census as census

    folder = census.stdlib() if FULL else str(Path(json.__file__).parent)
    path = await recorded("codebase_census", tmp_path, folder)
    draw = random.Random(0)
    count = 500 if FULL else 25
    assert await both_ways(path, [draw.randrange(1 << 30) for _ in range(count)], 4) == count
