"""Every breakage listed in `mutations` is noticed by the tests named there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stepscope
from conformance.mutations import MUTATIONS, Mutation
from support.workflows import full

RUNTIME = Path(stepscope.__file__).parent
ROOT = Path(__file__).parents[2]
CLAUSES = {
    *(f"ORD-{number}" for number in range(1, 9)),
    *(f"STA-{number}" for number in range(1, 10)),
    *("PAR-1", "PAR-2", "PAR-4", "PAR-5", "BAR-1", "BAR-2", "BAR-3", "BAR-4", "BAR-5", "BAR-6", "BAR-7"),
    *("DET-1", "DET-2", "DET-3", "DLK-1", "DLK-2", "DLK-3", "DLK-4", "SUB-1"),
}
NOTICED = 1
"""Exit code of pytest when tests ran and failed: not a usage error, not a module that cannot be imported."""
SECONDS = 180.0


def _chosen() -> list[Mutation]:
    """All, or every twentieth: another set each day would not repeat itself, so always the same."""
    return MUTATIONS[:: full(20, 1)]


def _test_file(mutation: Mutation) -> Path:
    name = f"test_{mutation.tests[0]}.py"
    (found,) = (path for folder in ("conformance", "runtime") for path in (ROOT / "tests" / folder).rglob(name))
    return found


def test_every_clause_has_a_mutation() -> None:
    assert {mutation.clause for mutation in MUTATIONS} == CLAUSES
    assert len({str(mutation) for mutation in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_each_snippet_is_there_once(mutation: Mutation) -> None:
    assert (RUNTIME / mutation.file).read_text(encoding="utf-8").count(mutation.snippet) == 1
    assert mutation.snippet != mutation.replacement
    words = [word for word in re.findall(r"\w+", mutation.tests[1]) if word not in ("or", "and", "not")]
    tests = " ".join(re.findall(r"def (test_\w+)", _test_file(mutation).read_text(encoding="utf-8")))
    assert all(word.isdecimal() or word in tests for word in words), "the tests named are not there"


@pytest.mark.slow
@pytest.mark.parametrize("mutation", _chosen(), ids=str)
def test_each_mutation_is_noticed(mutation: Mutation, tmp_path: Path) -> None:
    copy = tmp_path / "stepscope"
    shutil.copytree(RUNTIME, copy, ignore=shutil.ignore_patterns("__pycache__"))
    broken = copy / mutation.file
    broken.write_text(
        broken.read_text(encoding="utf-8").replace(mutation.snippet, mutation.replacement), encoding="utf-8"
    )
    paths = [tmp_path, ROOT / "tracing", ROOT / "tui", ROOT / "tests"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "STEPSCOPE_FULL": "",
    }
    where = [sys.executable, "-c", "import stepscope; print(stepscope.__file__)"]
    found = subprocess.run(where, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(tmp_path)
    pytest_run = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=line"]
    selection = [str(_test_file(mutation)), "-k", mutation.tests[1]]
    done = subprocess.run(
        [*pytest_run, *selection], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == NOTICED, f"{mutation} survived {mutation.tests}:\n{done.stdout[-3000:]}"
