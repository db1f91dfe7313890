"""The guide's table of what checkpoints cost is the benchmark's."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import checkpoints, tables

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "checkpoints.md"


async def test_the_table_in_the_guide_has_the_benchmarks_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = checkpoints.table(await checkpoints.measure(rounds=1, supersteps=3)).splitlines()
    written = tables.between(GUIDE.read_text(), "checkpoints").splitlines()
    assert [line.split("|")[1] for line in written] == [line.split("|")[1] for line in made]
    assert written[0] == made[0]
