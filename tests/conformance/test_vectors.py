"""The conformance vectors: valid documents, all held by our runtime, and each falsifiable in each run it looks at."""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stepscope.conformance import (
    CLAUSES,
    Observation,
    Ran,
    Unsupported,
    Vector,
    judge,
    observe,
    observed_schema,
    schema,
    vectors,
)
from stepscope.conformance.adapters.stepscope import make
from stepscope.conformance.program import Program
from stepscope.conformance.runner import missing_clauses, try_vector
from stepscope.conformance.stage import Stage
from stepscope.conformance.vector import Run
from support.flipped import flips

FOLDER = Path(str(files("stepscope.conformance")))
PATHS = sorted((FOLDER / "vectors").glob("*.json"))
ALL = vectors()


@cache
def seen(vector_id: str) -> tuple[Observation, ...]:
    """What our runtime does with a vector."""
    (vector,) = (one for one in ALL if one.id == vector_id)
    return tuple(observe(make(), vector))


def test_every_clause_has_a_vector() -> None:
    assert missing_clauses(ALL) == []


def test_the_clauses_are_those_of_the_specification() -> None:
    text = (Path(__file__).parents[2] / "docs" / "semantics.md").read_text()
    for clause, line in CLAUSES.items():
        assert f"| {clause} | {line} |" in text, "change clauses.json with it"


def test_the_schema_is_that_of_the_model() -> None:
    assert json.loads((FOLDER / "schema.json").read_text()) == schema()
    assert json.loads((FOLDER / "observed.schema.json").read_text()) == observed_schema()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_vector_is_valid_and_in_a_file_of_its_name(path: Path) -> None:
    vector = Vector.model_validate_json(path.read_text())
    assert path.stem == vector.id
    assert vector.clause in CLAUSES


def test_the_published_schema_takes_what_the_model_takes() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    published = jsonschema.Draft202012Validator(json.loads((FOLDER / "schema.json").read_text()))
    for path in PATHS:
        published.validate(json.loads(path.read_text()))
    for wrong in _wrong_documents():
        assert not published.is_valid(wrong)


def _wrong_documents() -> list[dict[str, Any]]:
    whole = json.loads(PATHS[0].read_text())
    changes: list[tuple[list[str | int], Any]] = [
        (["runs", 0, "nonsense"], 1),
        (["runs", 0, "schedule"], [{"release": "a", "over": True}]),
        (["runs", 0, "schedule"], [{}]),
        (["program", "executors", 0, "steps", 0, "do"], "dance"),
        (["expect", 0], {"look": "outputs", "equals": 1, "same": True}),
        (["expect", 0], {"look": "outputs"}),
        (["id"], "no clause"),
    ]
    documents = []
    for path, value in changes:
        document = copy.deepcopy(whole)
        inner = document
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value
        documents.append(document)
    return documents


@pytest.mark.parametrize("document", _wrong_documents(), ids=range(7))
def test_the_model_refuses_what_the_schema_refuses(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Vector.model_validate(document)


@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector.id)
def test_our_runtime_holds(vector: Vector) -> None:
    verdict = judge(vector, seen(vector.id))
    assert verdict.outcome == "holds", verdict.evidence


@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector.id)
def test_an_observation_to_the_contrary_flips_the_outcome(vector: Vector) -> None:
    for expect in vector.expect:
        flipped = list(flips(vector, expect, seen(vector.id)))
        assert flipped
        assert not expect.same or len(flipped) > 1, "one run is always the same as itself"
        for observations in flipped:
            verdict = judge(vector, observations)
            assert verdict.outcome == "violated", expect


class Engine:
    """An engine that does nothing; `ran` is what it says of a run, and `reason` why it cannot be asked."""

    def __init__(self, ran: Ran | None = None, reason: str = "") -> None:
        self.ran = ran or Ran()
        self.reason = reason

    async def run(self, program: Program, message: Any, how: Run, stage: Stage) -> Ran:
        if self.reason:
            raise Unsupported(self.reason)
        return self.ran


@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector.id)
def test_an_engine_that_does_nothing_holds_nothing(vector: Vector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepscope.conformance.stage.PATIENCE", 0.0)
    monkeypatch.setattr("stepscope.conformance.stage.IMPATIENCE", 0.0)
    quiet = Ran(outputs=[], state={}, supersteps=0, digest="", terminals=[], streamed=[], replayed="identical")
    assert try_vector(Engine(quiet), vector).outcome == "violated"


def test_what_an_engine_cannot_say_is_unsupported() -> None:
    (vector,) = (one for one in ALL if one.id == "bar-1-announce")
    assert try_vector(Engine(reason="it has no streams"), vector) == ("unsupported", "it has no streams")
    assert judge(vector, []) == ("unsupported", "there is no observation of the run 'any order: a, b'")
    unsaid = [Observation(run=each.name) for run in vector.runs for each in run.each()]
    assert judge(vector, unsaid) == ("unsupported", "the engine does not say what `streamed` looks at")
