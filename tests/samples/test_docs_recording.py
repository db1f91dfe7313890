"""docs/recording.md names every table that a recording has, and no other."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from stepscope_tracing import open_recorder

TEXT = (Path(__file__).parents[2] / "docs" / "recording.md").read_text()


def test_every_table_has_its_row(tmp_path: Path) -> None:
    open_recorder(tmp_path / "empty.stepscope")
    with sqlite3.connect(tmp_path / "empty.stepscope") as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        (application,) = database.execute("PRAGMA application_id").fetchone()
    section = TEXT.partition("## Reading without Stepscope")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == tables
    assert f"{application:#x}" in section
