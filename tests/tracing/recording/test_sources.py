"""What cannot be read as a source file is left out, whatever it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from stepscope_tracing.sources import read_sources


@pytest.mark.parametrize("name", ["a\0b.py", "", "<string>", "no such file.py"])
def test_a_name_that_is_no_file(name: str) -> None:
    assert list(read_sources([name])) == []


def test_a_folder_and_a_file_that_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "good.py").write_text("x = 1\n")
    found = list(read_sources([str(tmp_path), str(tmp_path / "binary.py"), str(tmp_path / "good.py")]))
    assert found == [(str(tmp_path / "good.py"), "x = 1\n")]
