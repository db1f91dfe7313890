"""The vectors notice a broken runtime: for each clause, one of its breakages in `mutations` turns its outcome."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stepscope
from conformance.mutations import MUTATIONS, Mutation
from stepscope.conformance import CLAUSES
from support.workflows import full

RUNTIME = Path(stepscope.__file__).parent
ROOT = Path(__file__).parents[2]
ASK = """
import sys
from stepscope.conformance import run_suite
found = run_suite(chosen=lambda vector: vector.clause == sys.argv[1])
print(found.clauses[sys.argv[1]].model_dump_json())
"""
SECONDS = 180.0
BROKEN = [clause for clause in CLAUSES if any(mutation.clause == clause for mutation in MUTATIONS)]


def _chosen() -> list[str]:
    """All clauses, or every thirteenth: always the same."""
    return BROKEN[:: full(13, 1)]


def _outcome(mutation: Mutation, folder: Path) -> str:
    """What the vectors of its clause say of a copy of the runtime with this breakage."""
    shutil.copytree(RUNTIME, folder / "stepscope", ignore=shutil.ignore_patterns("__pycache__"))
    broken = folder / "stepscope" / mutation.file
    text = broken.read_text(encoding="utf-8")
    assert mutation.snippet in text
    broken.write_text(text.replace(mutation.snippet, mutation.replacement), encoding="utf-8")
    paths = os.pathsep.join(map(str, [folder, ROOT / "tracing", ROOT / "tui"]))
    done = subprocess.run(
        [sys.executable, "-c", ASK, mutation.clause],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        return "failed"  # so broken that it cannot even be asked
    return str(json.loads(done.stdout)["outcome"])


@pytest.mark.slow
@pytest.mark.parametrize("clause", _chosen())
def test_a_breakage_of_the_clause_is_noticed(clause: str, tmp_path: Path) -> None:
    seen = {}
    for number, mutation in enumerate(one for one in MUTATIONS if one.clause == clause):
        (folder := tmp_path / str(number)).mkdir()
        seen[mutation.what] = _outcome(mutation, folder)
        if seen[mutation.what] == "violated":
            return
    pytest.fail(f"the vectors of {clause} notice none of its breakages: {seen}")
