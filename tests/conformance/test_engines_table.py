"""The tables of engines and clauses are what the suite said, and it still says so."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from benchmarks import tables
from conformance import engines_table
from stepscope.conformance import ENGINES, Conformance, run_suite, vectors
from support.workflows import full

KEPT = {one.engine: one for one in engines_table.kept()}
OTHERS = [engine for engine in ENGINES if engine != "stepscope"]


@pytest.mark.parametrize(("document", "name"), engines_table.written(), ids=lambda value: str(value).rpartition("/")[2])
def test_a_table_is_what_was_kept(document: Path, name: str) -> None:
    assert tables.between(document.read_text(), name) == engines_table.written()[document, name], (
        "write it again: python -m conformance.engines_table, from the folder `tests`"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_kept_is_of_all_vectors(engine: str) -> None:
    asked = [one.id for result in KEPT[engine].clauses.values() for one in result.vectors]
    assert asked == [vector.id for vector in vectors()], (
        "run it again: python -m conformance.engines_table --run ENGINE"
    )


def test_all_clauses_were_kept_as_holding_here() -> None:
    """That they hold, `test_vectors` shows by running them."""
    assert {result.outcome for result in KEPT["stepscope"].clauses.values()} == {"holds"}


def _outcomes(found: Conformance) -> dict[str, str]:
    return {one.id: one.outcome for result in found.clauses.values() for one in result.vectors}


@pytest.mark.slow
@pytest.mark.parametrize("engine", OTHERS)
def test_another_engine_still_does_what_was_kept(engine: str) -> None:
    """Where it is installed. Another version of it may do other things, but is asked all the same."""
    try:
        installed = version(ENGINES[engine][1])
    except PackageNotFoundError:
        pytest.skip(f"{engine} is not installed")
    every = full(4, 1)
    chosen = {vector.id for vector in vectors()[::every]}
    found = run_suite(engine, lambda vector: vector.id in chosen)
    assert set(_outcomes(found)) == chosen
    if installed == KEPT[engine].version:
        assert _outcomes(found) == {id: outcome for id, outcome in _outcomes(KEPT[engine]).items() if id in chosen}
