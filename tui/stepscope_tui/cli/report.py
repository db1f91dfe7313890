"""How ``stepscope run`` ended, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from stepscope.values import Value, text

from .out import Out, Part, count

if TYPE_CHECKING:
    from .running import Done


def as_text(done: Done) -> None:
    """The outputs, the state and where the recording is, on standard output; what failed, on standard error."""
    out = Out()
    if done.result is None:
        _failure(done)
    else:
        result = done.result
        steps = count(result.supersteps, "superstep")
        out.line(out.mark("completed"), " ", (done.workflow, "bold"), f" completed in {steps}, digest {result.digest}")
        for value in result.outputs:
            out.line("  ", out.mark("output"), f" {_text(value)}")
        rows: list[list[Part]] = [[key, f"= {_text(value)}"] for key, value in result.state.items()]
        out.table(rows, indent=4)
        if found := _findings(done):
            out.line(out.mark("finding"), f" {count(found, 'finding')}; see: stepscope check {done.source}")
        out.line(f"recorded; open with: stepscope open {done.source}")
    if done.undelivered:
        Out(stderr=True).line(f"stepscope: {done.undelivered}")


def _failure(done: Done) -> None:
    err = Out(stderr=True)
    for error in done.errors:
        if error.executor:
            err.line(err.mark("failed"), f" executor {error.executor!r}")
        err.block(error.traceback)
    err.line(err.mark("failed"), f" {done.sentence}")
    err.line(f"The recording up to there is kept: stepscope open {done.source}")


def as_document(done: Done) -> None:
    """The document of ``--json``."""
    from .shapes import RunError, RunReport

    result = done.result
    RunReport(
        run_id=done.run_id,
        workflow=done.workflow,
        status=cast(Any, done.status),
        supersteps=done.supersteps,
        outputs=[_tree(value) for value in result.outputs] if result else [],
        state={key: _tree(value) for key, value in result.state.items()} if result else {},
        digest=result.digest if result else None,
        recording=done.recording,
        findings=_findings(done),
        errors=[RunError.model_validate(error) for error in done.errors] or _sentence(done),
    ).write()
    if done.undelivered:
        Out(stderr=True).line(f"stepscope: {done.undelivered}")


def _sentence(done: Done) -> list[Any]:
    from .shapes import RunError

    return [RunError(type="WorkflowError", message=done.sentence, executor="", traceback="")] if done.sentence else []


def _findings(done: Done) -> int:
    """How many `stepscope check` will tell of this run."""
    from stepscope.analysis import check_events

    from .recordings import recording_of

    with recording_of(done.source) as recording:
        return len(check_events(recording.run(done.run_id).iter_events()))


def _tree(value: object) -> Any:
    return Value.of(value, "output").tree()


def _text(value: object) -> str:
    return text(_tree(value), 200)
