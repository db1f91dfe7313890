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
from support.clauses import ENFORCED
from support.workflows import full

RUNTIME = Path(stepscope.__file__).parent
ROOT = Path(__file__).parents[2]
NOTICED = 1
"""Exit code of pytest when tests ran and failed: not a usage error, not a module that cannot be imported."""
SECONDS = 180.0
RUN = """
import sys, stepscope, pytest
if not stepscope.__file__.startswith(sys.argv[1]):
    sys.exit(99)  # not the copy that is broken
sys.exit(pytest.main(sys.argv[2:]))
"""


def _chosen() -> list[Mutation]:
    """All, or every twentieth: another set each day would not repeat itself, so always the same."""
    return MUTATIONS[:: full(20, 1)]


def _test_file(mutation: Mutation) -> Path:
    name = f"test_{mutation.tests[0]}.py"
    (found,) = (path for folder in ("conformance", "runtime") for path in (ROOT / "tests" / folder).rglob(name))
    return found


@pytest.mark.parametrize("clause", ENFORCED)
def test_every_clause_in_force_has_a_mutation(clause: str) -> None:
    assert clause in {mutation.clause for mutation in MUTATIONS}, f"nothing in `mutations` breaks {clause}"


def test_no_two_are_called_the_same_and_each_is_of_a_clause_in_force() -> None:
    assert len({str(mutation) for mutation in MUTATIONS}) == len(MUTATIONS)
    assert {mutation.clause for mutation in MUTATIONS} <= set(ENFORCED)


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
    selection = ["-x", "-q", "-p", "no:cacheprovider", "--tb=line", str(_test_file(mutation)), "-k", mutation.tests[1]]
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path), *selection],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == NOTICED, f"{mutation} survived {mutation.tests}:\n{done.stdout[-3000:]}"
