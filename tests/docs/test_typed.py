"""The documents' programs are typed: what a reader copies passes `mypy --strict`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs.test_guide import FENCE, GUIDE, ROOT, programs

WHOLE = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("getting-started", "recording", "spans"))]
"""Documents that are one program each. (The semantics' examples leave annotations out, and say so.)"""


def all_programs() -> dict[str, str]:
    """By a name that a module can have."""
    found = {
        f"{document.stem.replace('-', '_')}_{number}": code
        for document in GUIDE
        for number, code in enumerate(programs(document), 1)
    }
    for document in WHOLE:
        blocks = [code for language, code in FENCE.findall(document.read_text()) if language == "python"]
        found[document.stem.replace("-", "_")] = "\n".join(blocks)
    return found


@pytest.mark.slow
def test_the_programs_are_typed(tmp_path: Path) -> None:
    written = all_programs()
    for name, code in written.items():
        (tmp_path / f"{name}.py").write_text(code)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml", tmp_path],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "MYPY_CACHE_DIR": str(tmp_path / ".cache")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(written)} source files" in checked.stdout
