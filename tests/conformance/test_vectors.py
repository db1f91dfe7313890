"""The conformance vectors: valid documents, all held by our runtime, and each falsifiable."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from stepscope.conformance import CLAUSES, Vector, judge, observe, schema, vectors
from stepscope.conformance.adapters.stepscope import make

FOLDER = Path(str(files("stepscope.conformance")))
ALL = vectors()


def test_the_schema_is_that_of_the_model() -> None:
    assert json.loads((FOLDER / "schema.json").read_text()) == schema()


@pytest.mark.parametrize("path", sorted((FOLDER / "vectors").glob("*.json")), ids=lambda path: path.stem)
def test_a_vector_is_valid_against_the_published_schema(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(json.loads((FOLDER / "schema.json").read_text())).validate(
        json.loads(path.read_text())
    )


def test_a_vector_is_in_a_file_of_its_name_and_its_clause_exists() -> None:
    for path in (FOLDER / "vectors").glob("*.json"):
        vector = Vector.model_validate_json(path.read_text())
        assert path.stem == vector.id
        assert vector.clause in CLAUSES
    assert len({vector.id for vector in ALL}) == len(ALL)


@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector.id)
def test_our_runtime_holds(vector: Vector) -> None:
    observations = observe(make(), vector)
    verdict = judge(vector, observations)
    assert verdict.outcome == "holds", verdict.evidence
