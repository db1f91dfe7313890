"""What ``stepscope run`` does, apart from printing."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from stepscope.errors import UnstorableValueError, WorkflowError
from stepscope.events import ErrorInfo

from .destination import Destination
from .given import given
from .problems import Problem, one_line
from .recordings import SUFFIX, Source
from .target import load, workflow_of

if TYPE_CHECKING:
    from stepscope import Workflow, WorkflowResult
    from stepscope.observe import Observer
    from stepscope_tracing.otlp import OtlpObserver

    from .watch import Watch


@dataclass(frozen=True)
class Wanted:
    """The command line."""

    target: str
    given: str | None = None
    file: str | None = None
    mode: str = "concurrent"
    seed: int | None = None
    otlp: str | None = None
    redact: tuple[str, ...] = ()
    strict: bool = False
    max_concurrency: int | None = None


@dataclass
class Done:
    """What became of the run. `undelivered` is a sentence about spans that did not reach the receiver."""

    workflow: str
    recording: str
    run_id: str = ""
    status: str = "failed"
    supersteps: int = 0
    result: WorkflowResult | None = None
    errors: list[ErrorInfo] = field(default_factory=list)
    sentence: str = ""
    undelivered: str = ""
    exit_code: int = 1

    @property
    def source(self) -> Source:
        """What to open."""
        return Source(self.recording)


def run(wanted: Wanted) -> Done:
    """Import, run and record. Raises `Problem` and `WorkflowError` for what ends in exit code 2."""
    found = load(wanted.target)
    try:
        return asyncio.run(_run(wanted, found))
    except asyncio.CancelledError:
        raise Problem(f"{wanted.target!r} was cancelled before its workflow began.") from None


async def _run(wanted: Wanted, found: object) -> Done:
    workflow = await workflow_of(wanted.target, found)
    value = given(workflow, wanted.given)
    path = wanted.file or _file_name(workflow.name)
    otlp = _otlp(wanted.otlp)
    place = Destination(path, wanted.redact)
    done = Done(workflow.name, path)
    observers: list[Observer] = [place.recorder, place.watch, *([otlp] if otlp else [])]
    try:
        await _complete(workflow, value, wanted, observers, place.watch, done)
    finally:
        place.close()
        if otlp is not None:
            delivery = await asyncio.to_thread(otlp.close)
            done.undelivered = "" if delivery.complete else delivery.sentence()
    return done


async def _complete(
    workflow: Workflow, value: Any, wanted: Wanted, observers: list[Observer], watch: Watch, done: Done
) -> None:
    """Run it, and enter into `done` how it ended."""
    from stepscope_tracing import RecordingError

    try:
        done.result = await workflow.run(
            value,
            mode=cast(Any, wanted.mode),
            seed=wanted.seed,
            record=observers,
            strict=wanted.strict,
            max_concurrency=wanted.max_concurrency,
        )
    except (WorkflowError, ExceptionGroup) as error:
        if watch.ended is None or isinstance(error, RecordingError):
            raise
        unstorable = _unstorable(error)
        if unstorable is not None:
            raise Problem(f"{one_line(str(unstorable))} The {_kept(done)}") from error
        done.sentence = one_line(error.message if isinstance(error, ExceptionGroup) else str(error))
        done.errors = watch.errors
    except asyncio.CancelledError:
        if watch.ended is not None:
            from .out import Out

            Out(stderr=True).line(f"stepscope: interrupted; the {_kept(done)}")
        raise
    else:
        done.exit_code = 0
    done.run_id = watch.run_ids[-1]
    if watch.ended is not None:
        done.status, done.supersteps = watch.ended.status, watch.ended.supersteps


def _kept(done: Done) -> str:
    return f"recording up to there is kept: stepscope open {done.source}"


def _unstorable(error: BaseException) -> UnstorableValueError | None:
    """The value that could not be stored, if nothing else went wrong."""
    if isinstance(error, BaseExceptionGroup):
        inner = [_unstorable(one) for one in error.exceptions]
        return inner[0] if None not in inner else None
    return error if isinstance(error, UnstorableValueError) else None


def _otlp(url: str | None) -> OtlpObserver | None:
    if url is None:
        return None
    from stepscope_tracing.otlp import OtlpObserver

    return OtlpObserver(url)


def _file_name(workflow: str) -> str:
    """A file for a workflow's recordings: its name, as far as file names go."""
    return (re.sub(r"[^\w.-]+", "-", workflow).strip("-.") or "workflow") + SUFFIX
