"""Observations that contradict one expectation of a vector, made from ones that agree with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stepscope.conformance import Observation, Ran, Report, Vector
from stepscope.conformance.observation import Happening
from stepscope.conformance.vector import Expect

OTHER = "something else"


def flips(vector: Vector, expect: Expect, seen: Sequence[Observation]) -> Iterator[list[Observation]]:
    """For each run that `expect` looks at: all the observations, with only that one turned against it."""
    names = {each.name for run in vector.runs if run.name in (expect.runs or [run.name]) for each in run.each()}
    for place, one in enumerate(seen):
        if one.run in names:
            yield [*seen[:place], _flipped(expect, one), *seen[place + 1 :]]


def _flipped(expect: Expect, seen: Observation) -> Observation:
    ran, trace = seen.ran, list(seen.trace)
    match expect.look:
        case "outputs" | "terminals" | "streamed":
            value = list(getattr(ran, expect.look))
            ran = ran.model_copy(update={expect.look: _list(expect, value)})
        case "supersteps" | "digest" | "replayed":
            ran = ran.model_copy(update={expect.look: OTHER})
        case "state":
            assert ran.state is not None
            ran = ran.model_copy(update={"state": {OTHER: 1} if expect.of is None else {**ran.state, expect.of: OTHER}})
        case "error":
            ran = ran.model_copy(update={"error": Report(kind="other", text=OTHER) if ran.error is None else None})
        case "reports":
            ran = _reports(expect, ran)
        case "at_once":
            trace += [Happening(what="begin", who=OTHER)] * 9
        case "provisional":
            trace.append(Happening(what="streamed", who=OTHER, value=True))
        case "missed":
            trace.append(Happening(what="missed", who=OTHER))
        case "handled" | "began":
            trace.append(Happening(what="begin", who=expect.of or OTHER, value=OTHER, superstep=0))
        case "trace":
            trace = _trace(expect, trace)
        case "noted":
            trace = _notes(expect, trace)
    return Observation(run=seen.run, trace=trace, ran=ran)


def _list(expect: Expect, value: list[Any]) -> list[Any]:
    if expect.predicate == "contains":
        return []
    if expect.predicate == "before":
        return value[::-1]
    return [*value, *(expect.lacks or [OTHER])]


def _reports(expect: Expect, ran: Ran) -> Ran:
    if expect.not_reported is not None:
        wrong = Report(kind=expect.not_reported.kinds[0], text=", ".join(expect.not_reported.names))
        return ran.model_copy(update={"reports": [*ran.reports, wrong]})
    assert expect.reported is not None
    kinds = expect.reported.kinds
    error = None if ran.error is None or ran.error.kind in kinds else ran.error
    return ran.model_copy(update={"error": error, "reports": [one for one in ran.reports if one.kind not in kinds]})


def _trace(expect: Expect, trace: list[Happening]) -> list[Happening]:
    if expect.contains is not None:
        return [one for one in trace if str(one) != expect.contains[0]]
    if expect.before is not None:
        _, second = expect.before
        late = [one for one in trace if str(one) == second]
        return [*late, *(one for one in trace if str(one) != second)]
    what: Any = (expect.events or ["begin"])[0]
    return [*trace, Happening(what=what, who=expect.of or OTHER, label=OTHER)]


def _notes(expect: Expect, trace: list[Happening]) -> list[Happening]:
    who, _, label = (expect.of or "").rpartition(".")
    if expect.distinct:
        return [*trace, *(one for one in trace if one.what == "note" and one.label == label and who in ("", one.who))]
    return [*trace, Happening(what="note", who=who or OTHER, label=label, value=OTHER)]
