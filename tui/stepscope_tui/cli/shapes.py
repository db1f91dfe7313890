"""What ``--json`` prints: one document each, whose names scripts may rely on."""

from __future__ import annotations

import sys
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


def _print(document: str) -> None:
    """At once, so that a reader who has gone away is noticed here and not at the interpreter's end."""
    sys.stdout.write(document + "\n")
    sys.stdout.flush()


class _Shape(BaseModel):
    model_config = ConfigDict(from_attributes=True, ser_json_bytes="base64", ser_json_inf_nan="strings")

    def write(self) -> None:
        """The document, on standard output."""
        _print(self.model_dump_json(indent=2))


class RunCounts(_Shape):
    """One run of `Info`. Counts mean the same for every engine; `digest` is recomputed from the events."""

    run_id: str
    engine: str
    workflow: str
    status: str
    supersteps: int
    deliveries: int
    messages: int
    lock_acquisitions: int
    barriers: int
    checkpoints: int
    state_writes: int
    events: int
    digest: str | None
    complete: bool


class Info(_Shape):
    """``stepscope info --json``."""

    model_config = ConfigDict(protected_namespaces=())

    schema_: int
    runs: list[RunCounts]

    def write(self) -> None:
        """With `schema` by its own name, which pydantic keeps for itself."""
        import json

        data = self.model_dump(mode="json")
        _print(json.dumps({"schema": data.pop("schema_"), **data}, indent=2))


class FindingShape(_Shape):
    """One finding; see `stepscope.findings.Finding`."""

    kind: str
    confidence: Literal["observed", "confirmed", "predicted"]
    superstep: int
    executors: list[str]
    keys: list[str]
    locks: list[str]
    seqs: list[int]
    clause: str
    message: str
    remedy: str
    run_id: str


class Check(_Shape):
    """``stepscope check --json``."""

    findings: list[FindingShape]


class DivergenceShape(_Shape):
    """Where a replay went another way; see `stepscope.ReplayDivergence`."""

    step: int
    expected: str
    actual: str
    cause: str


class ReplayShape(_Shape):
    """``stepscope replay --json``."""

    outcome: Literal["identical", "diverged"]
    steps: int
    divergence: DivergenceShape | None


class RunError(_Shape):
    """What ended a run."""

    type: str
    message: str
    executor: str
    traceback: str


class RunReport(_Shape):
    """``stepscope run --json``. Outputs and state as they are stored: JSON, other types as `$`-tagged maps."""

    run_id: str
    workflow: str
    status: Literal["completed", "failed", "cancelled"]
    supersteps: int
    outputs: list[Any]
    state: dict[str, Any]
    digest: str | None
    recording: str
    findings: int
    errors: list[RunError]


class Exported(_Shape):
    """``stepscope export --to otlp``. Trace ids are 32 hexadecimal digits; `bytes` are those of the accepted requests."""

    trace_ids: list[str]
    spans: int
    bytes: int


class VectorShape(_Shape):
    """What one vector of a clause said."""

    id: str
    outcome: Literal["holds", "violated", "unsupported"]
    evidence: str


class ClauseShape(_Shape):
    """One clause of `ConformanceShape`."""

    outcome: Literal["holds", "violated", "unsupported"]
    evidence: str
    vectors: list[VectorShape]


class ConformanceShape(_Shape):
    """``stepscope conformance --json``. `version` is the engine's."""

    engine: str
    version: str
    clauses: dict[str, ClauseShape]
