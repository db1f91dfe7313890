"""The conformance suite: every clause of the semantics as vectors, data that any engine in any language can be put to.

``vectors/*.json`` are the vectors and ``schema.json`` is their schema; ``ADAPTERS.md`` tells how to put an engine
behind them. `run_suite` runs them on an engine that has an adapter here; ``stepscope conformance`` is its command.
"""

from .adapter import ENGINES, Adapter, EngineMissing, adapter_for
from .judge import Verdict, judge
from .observation import Observation, Observed, Ran, Report, observed_schema
from .operations import Operations, Unsupported
from .runner import ClauseResult, Conformance, VectorResult, judge_observed, observe, run_suite, try_vector
from .stage import Stage
from .vector import CLAUSES, Vector, schema, vectors

__all__ = [
    "CLAUSES",
    "ENGINES",
    "Adapter",
    "ClauseResult",
    "Conformance",
    "EngineMissing",
    "Observation",
    "Observed",
    "Operations",
    "Ran",
    "Report",
    "Stage",
    "Unsupported",
    "Vector",
    "VectorResult",
    "Verdict",
    "adapter_for",
    "judge",
    "judge_observed",
    "observe",
    "observed_schema",
    "run_suite",
    "schema",
    "try_vector",
    "vectors",
]
