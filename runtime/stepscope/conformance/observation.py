"""What is seen of one run of a vector: written by the stage and the adapter, judged by `judge`."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, Field

from .vector import Kind


class Report(BaseModel):
    """An error or a report of the engine: what it is about, and its text as a person would read it."""

    kind: Kind
    text: str
    fatal: bool = False

    def names(self, name: str) -> bool:
        """Whether the text names an executor or key, as a word of its own."""
        return re.search(rf"(?<!\w)(?<!\w-){re.escape(name)}(?!\w|-\w)", self.text) is not None


class Happening(BaseModel):
    """Something that happened, at its place in real order."""

    what: Literal[
        "begin",
        "end",
        "fail",
        "cancel",
        "arrive",
        "release",
        "note",
        "barrier",
        "missed",
        "called",
        "stopped",
        "checkpoint",
        "streamed",
    ]
    who: str = ""
    label: str = ""
    value: Any = None
    superstep: int | None = None

    def __str__(self) -> str:
        """As the view "trace" shows it."""
        return f"{self.what} {self.who}.{self.label}" if self.what in ("note", "called") else f"{self.what} {self.who}"


class Ran(BaseModel):
    """What the adapter says of a finished run. None is what the engine cannot say: its vectors are unsupported.

    `error` is what ended the run; `reports` is everything else the engine reported on any channel that it
    documents: events, warnings, log records from WARNING up. `terminals` are (executor, outcome) for each
    handler that started. `streamed` lines read ``output v``, ``completed k``, ``failed k``; the runner fills them in from
    `Stage.stream`.
    """

    outputs: list[Any] | None = None
    state: dict[str, Any] | None = None
    supersteps: int | None = None
    digest: str | None = None
    error: Report | None = None
    reports: list[Report] = []
    terminals: list[tuple[str, str]] | None = None
    streamed: list[str] | None = None
    replayed: Literal["identical", "diverged"] | None = None


class Observed(BaseModel):
    """What an implementation saw of the whole suite, to be judged: one document, for any language.

    `vectors` has, for each vector's id, an observation of every run that it stands for, or a sentence that says why it
    cannot be expressed. What is not there counts as not run.
    """

    engine: str
    version: str
    vectors: dict[str, list[Observation] | str]


class Observation(BaseModel):
    """All that is known of one run."""

    run: str = Field(description='Name of the run; of `each_order_of`, "name: first, second, ...".')
    trace: list[Happening] = []
    ran: Ran = Ran()

    @property
    def reports(self) -> list[Report]:
        """The error that ended the run, and the reports."""
        error = self.ran.error
        return [*([] if error is None else [error.model_copy(update={"fatal": True})]), *self.ran.reports]


Observed.model_rebuild()


def observed_schema() -> dict[str, Any]:
    """The JSON Schema of `Observed`, as published in ``observed.schema.json``."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Observed.model_json_schema()}
