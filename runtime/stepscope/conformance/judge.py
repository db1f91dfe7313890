"""Does what was seen agree with what a vector expects? Pure: observations in, outcome and evidence out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from .observation import Happening, Observation
from .vector import Expect, Reported, Vector

Outcome: TypeAlias = Literal["holds", "violated", "unsupported"]
LONGEST = 300
"""Characters of a value that evidence shows."""


class Verdict(NamedTuple):
    """An outcome, and what it rests on, in a sentence."""

    outcome: Outcome
    evidence: str


class Unseen(Exception):
    """The engine does not say what an expectation looks at."""


def judge(vector: Vector, observations: Sequence[Observation]) -> Verdict:
    """The verdict on one vector. `observations` has one for every run that its `runs` stand for."""
    unseen: list[str] = []
    wanted = [each.name for run in vector.runs for each in run.each()]
    if missing := [name for name in wanted if name not in {seen.run for seen in observations}]:
        return Verdict("unsupported", f"there is no observation of the run {missing[0]!r}")
    for expect in vector.expect:
        chosen = [
            seen
            for run in vector.runs
            if run.name in (expect.runs or [run.name])
            for each in run.each()
            for seen in observations
            if seen.run == each.name
        ]
        try:
            wrong = _wrong(expect, chosen)
        except Unseen as error:
            unseen.append(str(error))
        else:
            if wrong:
                return Verdict("violated", wrong)
    if unseen:
        return Verdict("unsupported", f"the engine does not say {unseen[0]}")
    return Verdict("holds", "as expected in " + (f"{len(observations)} runs" if len(observations) > 1 else "1 run"))


def _wrong(expect: Expect, observations: Sequence[Observation]) -> str:
    """What is wrong, "" if nothing."""
    if expect.reported is not None or expect.not_reported is not None:
        return _reporting(expect, observations)
    seen = [(one.run, look(expect, one)) for one in observations]
    if expect.same:
        return _same(expect, seen)
    failing = [(run, value) for run, value in seen if not _true(expect, value)]
    if not failing:
        return ""
    run, value = failing[0]
    others = f", and in {len(failing) - 1} of {len(seen) - 1} other runs" if len(failing) > 1 else ""
    different = _distinct([value for _, value in failing])
    more = f"; {len(different)} different ones" if len(different) > 1 else ""
    return f"{_subject(expect)} was {_short(value)} in the run {run!r}{others}{more}; expected {_wanted(expect)}"


def look(expect: Expect, seen: Observation) -> Any:
    """The value of a view. Raises `Unseen`."""
    ran, trace = seen.ran, seen.trace
    match expect.look:
        case "outputs" | "supersteps" | "digest" | "terminals" | "streamed" | "replayed":
            value = getattr(ran, expect.look)
            if value is None:
                raise Unseen(f"what `{expect.look}` looks at")
            return [list(one) if isinstance(one, tuple) else one for one in value] if isinstance(value, list) else value
        case "state":
            if ran.state is None:
                raise Unseen("what the committed state is")
            return ran.state if expect.of is None else ran.state.get(expect.of)
        case "handled":
            return [one.value for one in trace if one.what == "begin" and one.who == expect.of]
        case "began":
            begun = [one for one in trace if one.what == "begin" and expect.of in (None, one.who)]
            if any(one.superstep is None for one in begun):
                raise Unseen("in which superstep a handler runs")
            return [[one.who, one.superstep] for one in begun]
        case "trace":
            events = expect.events or ["begin", "end", "fail", "cancel"]
            return [str(one) for one in trace if one.what in events and expect.of in (None, one.who)]
        case "noted":
            return _noted(trace, expect.of or "")
        case "error":
            return None if ran.error is None else ran.error.kind
        case "provisional":
            return [one.who for one in trace if one.what == "streamed" and one.value]
        case "missed":
            return [one.who for one in trace if one.what == "missed"]
        case "at_once":
            return _at_once(trace)
        case "reports":
            return [{"kind": one.kind, "text": one.text} for one in seen.reports]


def _noted(trace: Sequence[Happening], of: str) -> list[Any]:
    who, dot, label = of.rpartition(".")
    notes = [one for one in trace if one.what == "note" and one.label == label]
    return [one.value for one in notes if one.who == who] if dot else [[one.who, one.value] for one in notes]


def _at_once(trace: Sequence[Happening]) -> int:
    running = most = 0
    for one in trace:
        running += {"begin": 1, "end": -1, "fail": -1, "cancel": -1}.get(one.what, 0)
        most = max(most, running)
    return most


def _true(expect: Expect, value: Any) -> bool:
    match expect.predicate:
        case "equals":
            return bool(value == expect.equals)
        case "one_of":
            return value in (expect.one_of or ())
        case "at_most":
            return bool(value <= (expect.at_most or 0))
        case "contains":
            return all(one in value for one in expect.contains or ())
        case "lacks":
            return not any(one in value for one in expect.lacks or ())
        case "distinct":
            return len(_distinct(value)) == len(value)
        case "before":
            first, second = expect.before or ("", "")
            if first not in value or second not in value:
                return False
            return bool(len(value) - 1 - value[::-1].index(first) < value.index(second))
    raise AssertionError(expect.predicate)


def _same(expect: Expect, seen: Sequence[tuple[str, Any]]) -> str:
    different = _distinct([value for _, value in seen])
    if len(different) <= 1:
        return ""
    shown = ", ".join(_short(value, LONGEST // 3) for value in different[:4])
    more = ", ..." if len(different) > 4 else ""
    return f"observed {len(different)} different values of {_subject(expect)} in {len(seen)} runs: {shown}{more}"


def _reporting(expect: Expect, observations: Sequence[Observation]) -> str:
    for seen in observations:
        if expect.reported is not None and not _reported(expect.reported, seen):
            wanted = expect.reported
            naming = f" naming {', '.join(wanted.names)}" if wanted.names else ""
            fatal = "error" if wanted.fatal else "report or error"
            got = "; ".join(f"{one.kind}: {_short(one.text, 120)}" for one in seen.reports) or "nothing"
            return f"no {fatal} of kind {' or '.join(wanted.kinds)}{naming} in the run {seen.run!r}; reported was {got}"
        if expect.not_reported is not None and _reported(expect.not_reported, seen):
            kinds = " or ".join(expect.not_reported.kinds)
            got = next(one.text for one in seen.reports if one.kind in expect.not_reported.kinds)
            return f"{kinds} was reported in the run {seen.run!r}, which has none: {_short(got)}"
    return ""


def _reported(wanted: Reported, seen: Observation) -> bool:
    return any(
        one.kind in wanted.kinds and (one.fatal or not wanted.fatal) and all(one.names(name) for name in wanted.names)
        for one in seen.reports
    )


def _distinct(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _subject(expect: Expect) -> str:
    what = {
        "outputs": "the list of outputs", "state": "the committed state", "supersteps": "the number of supersteps",
        "digest": "the digest", "handled": "what was handled, in order,", "began": "who began in which superstep",
        "trace": "what happened, in order,", "noted": "what was noted", "error": "the error that ended the run",
        "terminals": "the list of outcomes", "streamed": "what was streamed", "missed": "what did not come in time",
        "at_once": "the number of handlers at once", "reports": "the list of reports", "replayed": "the outcome of the replay", "provisional": "what was marked provisional",
    }[expect.look]  # fmt: skip
    return what if expect.of is None else f"{what} of {expect.of!r}"


def _wanted(expect: Expect) -> str:
    match expect.predicate:
        case "equals":
            return _short(expect.equals)
        case "before":
            first, second = expect.before or ("", "")
            return f"{first!r} before {second!r}"
        case name:
            return f"{name.replace('_', ' ')} {_short(getattr(expect, name))}"


def _short(value: Any, longest: int = LONGEST) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."
