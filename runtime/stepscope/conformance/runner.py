"""Puts vectors through an engine: every run of every vector, the verdicts, and what they make of each clause."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from typing import Any

from pydantic import BaseModel

from .adapter import Adapter, adapter_for
from .judge import Outcome, Verdict, judge
from .observation import Observation, Observed, Ran, Report
from .operations import Unsupported
from .stage import Stage
from .vector import CLAUSES, Run, Vector, vectors

STUCK = 5.0
"""Seconds that a run gets beyond its limit, to end when it is cancelled; then it is left behind with its thread."""
LEFT_BEHIND = 1.0
"""Seconds that tasks a handler left behind get to end, once the run is over."""


class VectorResult(BaseModel):
    """The verdict on one vector."""

    id: str
    outcome: Outcome
    evidence: str


class ClauseResult(BaseModel):
    """What the vectors make of one clause: violated if one is, unsupported if one is and none is violated."""

    outcome: Outcome
    evidence: str
    vectors: list[VectorResult]


class Conformance(BaseModel):
    """What the suite says of one engine."""

    engine: str
    version: str
    clauses: dict[str, ClauseResult]


def run_suite(
    engine: str = "stepscope",
    chosen: Callable[[Vector], bool] = lambda vector: True,
    progress: Callable[[Vector, Verdict], None] = lambda vector, verdict: None,
) -> Conformance:
    """Run the suite on an engine. Not from within an event loop. Raises `EngineMissing`."""
    adapter, version = adapter_for(engine)
    asked = [vector for vector in vectors() if chosen(vector)]
    return _conformance(engine, version, asked, lambda vector: try_vector(adapter, vector), progress)


def judge_observed(observed: Observed, chosen: Callable[[Vector], bool] = lambda vector: True) -> Conformance:
    """What the suite says of an engine that ran the vectors itself."""

    def verdict(vector: Vector) -> Verdict:
        seen = observed.vectors.get(vector.id, "it was not run")
        return Verdict("unsupported", seen) if isinstance(seen, str) else judge(vector, seen)

    asked = [vector for vector in vectors() if chosen(vector)]
    return _conformance(observed.engine, observed.version, asked, verdict)


def _conformance(
    engine: str,
    version: str,
    asked: Iterable[Vector],
    decide: Callable[[Vector], Verdict],
    progress: Callable[[Vector, Verdict], None] = lambda vector, verdict: None,
) -> Conformance:
    results: dict[str, list[VectorResult]] = {}
    for vector in asked:
        verdict = decide(vector)
        progress(vector, verdict)
        made = VectorResult(id=vector.id, outcome=verdict.outcome, evidence=verdict.evidence)
        results.setdefault(vector.clause, []).append(made)
    clauses = {clause: _clause(results[clause]) for clause in CLAUSES if clause in results}
    return Conformance(engine=engine, version=version, clauses=clauses)


def _clause(results: list[VectorResult]) -> ClauseResult:
    told: Outcome = "holds"
    for outcome in ("violated", "unsupported"):
        if told == "holds" and any(one.outcome == outcome for one in results):
            told = outcome
    evidence = _together([one for one in results if one.outcome == told])
    if told != "holds" and (held := [one.id for one in results if one.outcome == "holds"]):
        evidence += f" (as expected: {', '.join(held)})"
    return ClauseResult(outcome=told, evidence=evidence, vectors=results)


def _together(results: list[VectorResult]) -> str:
    """Each evidence once, after the vectors that it is of."""
    by_evidence: dict[str, list[str]] = {}
    for one in results:
        by_evidence.setdefault(one.evidence, []).append(one.id)
    return "; ".join(f"{', '.join(ids)}: {evidence}" for evidence, ids in by_evidence.items())


def try_vector(adapter: Adapter, vector: Vector) -> Verdict:
    """All runs of one vector, and the verdict."""
    try:
        observations = observe(adapter, vector)
    except Unsupported as error:
        return Verdict("unsupported", str(error))
    return judge(vector, observations)


def observe(adapter: Adapter, vector: Vector) -> list[Observation]:
    """What is seen in all runs of a vector. Raises `Unsupported`."""
    return [_run(adapter, vector, run) for one in vector.runs for run in one.each()]


def _run(adapter: Adapter, vector: Vector, run: Run) -> Observation:
    """One run on an event loop and a thread of its own: an engine may block both. Raises `Unsupported`."""
    stage = Stage(list(run.schedule), run.jitter)
    director = threading.Thread(target=stage.play, name="schedule", daemon=True)
    done: Future[Ran] = Future()

    def whole() -> None:
        try:
            done.set_result(asyncio.run(_bounded(adapter, vector, run, stage, director)))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=whole, name=vector.id, daemon=True).start()
    ended, _ = wait([done], vector.limit + STUCK)
    stage.open_all()
    stuck = Ran(error=Report(kind="hung", text="the run does not even react to being cancelled"))
    ran = done.result() if ended else stuck
    if stage.unsupported:
        raise Unsupported(stage.unsupported)
    ran.reports = [*stage.reports, *ran.reports]
    return Observation(run=run.name, trace=list(stage.trace), ran=ran)


async def _bounded(adapter: Adapter, vector: Vector, run: Run, stage: Stage, director: threading.Thread) -> Ran:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(adapter.run(vector.program, vector.input, run, stage))

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the run is over
            loop.call_soon_threadsafe(task.cancel)

    stage.stop = stop
    director.start()
    done, _ = await asyncio.wait([task], timeout=vector.limit)
    if not done:
        stage.open_all()
        task.cancel()
        await asyncio.wait([task], timeout=LEFT_BEHIND)
        return Ran(error=Report(kind="hung", text=f"the run had not ended after {vector.limit:g} s"))
    stage.over()
    cancelled = Ran(error=Report(kind="other", text="the run was cancelled"))
    ran = cancelled if task.cancelled() else task.result()
    if run.stream:
        ran.streamed = list(stage.streamed)
    await _after(stage.left, stage)
    return ran


async def _after(left: Sequence[asyncio.Task[Any]], stage: Stage) -> None:
    """Wait for what handlers left behind: its notes are part of what is seen."""
    if left:
        await asyncio.wait(left, timeout=LEFT_BEHIND)
        stage.open_all()
        _, still = await asyncio.wait(left, timeout=LEFT_BEHIND)
        for task in still:
            task.cancel()


def missing_clauses(found: Iterable[Vector]) -> list[str]:
    """Clauses that no vector asks about."""
    asked = {vector.clause for vector in found}
    return [clause for clause in CLAUSES if clause not in asked]
