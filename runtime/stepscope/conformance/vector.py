"""A vector: one program, the runs it is put through, and what must be seen in them. Its JSON Schema is published.

A vector asks one thing of one clause. Nothing in it is particular to an engine or a language.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from itertools import permutations
from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from .program import Program
from .steps import Part

Kind: TypeAlias = Literal[
    "refused", "state-conflict", "state-usage", "dropped-message", "not-taken", "starved-fan-in", "deadlock",
    "potential-deadlock", "non-convergence", "superstep-over", "escaped-task", "lock-not-released", "lost-update",
    "blocked-loop", "stalled", "timeout", "handler-failed", "checkpoint-failed", "checkpoint-damaged", "diverged",
    "nondeterminism", "hung", "other",
]  # fmt: skip
"""What an error or a report is about, in no engine's words. "refused": the workflow was not built."""


class Cue(Part):
    """One thing the schedule does or waits for. Exactly one field is given; a plain string means `release`.

    `release`: once somebody waits at this gate, let the first one go, and wait until its handler has ended, waits at a
    gate again, or can be seen not to get on. `arrived`: somebody waits at this gate. `ended`: a handler of this
    executor has ended, once more than earlier such cues asked for. `reported`: the engine has reported this.
    `streamed`: a watcher of the run has been told this line (see the view "streamed"). `over`: the run has ended.
    `pause`: so many seconds pass, for clauses about time itself.
    `stop`: the run is cancelled from outside. What does not come in time is noted as missed, and the schedule goes on.
    """

    release: str | None = None
    arrived: str | None = None
    ended: str | None = None
    reported: Kind | None = None
    streamed: str | None = None
    over: bool = False
    pause: float | None = None
    stop: bool = False

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A string is a cue, too."""
        return {"anyOf": [{"type": "string"}, handler(core)]}

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        return {"release": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one(self) -> Cue:
        if len([name for name in type(self).model_fields if getattr(self, name)]) != 1:
            raise ValueError(f"a cue is exactly one of {', '.join(type(self).model_fields)}")
        return self


class Run(Part):
    """One run, or with `each_order_of` one for every order in which those gates can be released after `schedule`.

    When the schedule is through, all gates are open. `jitter` lets everybody wait at gates for a few milliseconds,
    drawn from this seed, instead of on a schedule. `checkpoints` keeps them ("kept"), or tries to where nothing can
    be written ("unwritable"), or keeps each once the schedule releases the gate ``storage`` ("slow"). `resume`: when the run has failed or was stopped, a new one goes on from its latest
    checkpoint, or from that of barrier `resume_from`; outputs, state and supersteps are then those of the whole run.
    `tamper` meddles with the stored checkpoint in between: a changed byte ("damage"), or data that would note
    ``checkpoint.executed`` if loading it called what it names, as pickle does ("hostile"). `replay`: the run is recorded, and
    re-executed from the recording. `changed` is the program that the resumed or replayed run uses instead. `stream`
    watches the run as it goes. Times are in seconds.
    """

    name: str
    schedule: list[Cue] = Field(default=[])
    each_order_of: list[str] = Field(default=[])
    jitter: int | None = None
    mode: Literal["concurrent", "deterministic"] = "concurrent"
    seed: int | None = None
    max_concurrency: int | None = None
    strict: bool = False
    stall_timeout: float | None = None
    on_stall: Literal["report", "pass", "fail"] = "report"
    cancel_grace: float | None = None
    checkpoints: Literal["none", "kept", "unwritable", "slow"] = "none"
    on_checkpoint_error: Literal["fail", "continue"] = "fail"
    resume: bool = False
    resume_from: int | None = None
    tamper: Literal["none", "damage", "hostile"] = "none"
    replay: bool = False
    changed: Program | None = None
    stream: bool = False

    def each(self) -> list[Run]:
        """The runs that this one stands for."""
        if not self.each_order_of:
            return [self]
        return [
            self.model_copy(
                update={
                    "name": f"{self.name}: {', '.join(order)}",
                    "schedule": [*self.schedule, *(Cue(release=gate) for gate in order)],
                    "each_order_of": [],
                }
            )
            for order in permutations(self.each_order_of)
        ]


View: TypeAlias = Literal[
    "outputs", "state", "supersteps", "digest", "handled", "began", "trace", "noted", "error", "reports", "terminals",
    "streamed", "missed", "at_once", "replayed", "provisional",
]  # fmt: skip


PREDICATES = (
    "equals",
    "one_of",
    "at_most",
    "contains",
    "lacks",
    "before",
    "same",
    "distinct",
    "reported",
    "not_reported",
)


class Reported(Part):
    """An error or report of one of these kinds, whose text names all of `names`; `fatal`: it must end the run."""

    kinds: list[Kind]
    names: list[str] = Field(default=[])
    fatal: bool = False


class Expect(Part):
    """What must be seen: `look` at something `of` somebody, in the runs named in `in` (all, if none is).

    | look | of | is |
    |---|---|---|
    | outputs | | the committed outputs |
    | state | a key, or nothing for all | committed state after the run |
    | supersteps | | how many were committed |
    | digest | | what stands for the committed history |
    | handled | an executor | the messages it got, in the order in which it began with them |
    | began | | [executor, superstep] of each handler, as they began |
    | trace | an executor, or nothing for all | what happened, in real order: ``begin a``, ``end a``, ``fail a``,
      ``cancel a``, ``arrive g``, ``release g``, ``note a.label``, ``barrier k``, ``checkpoint k``,
      ``called a.label`` (an effect), ``streamed line``; `events` selects by first word |
    | noted | ``a.label`` or ``label`` | the values noted, in real order; without an executor as [executor, value] |
    | error | | the kind of error that ended the run, or null |
    | reports | | errors and reports: for `reported` and `not_reported` |
    | terminals | | [executor, outcome] as the engine says them; completed, failed, cancelled or abandoned |
    | streamed | | what a watcher saw, in real order: ``output v``, ``completed k``, ``failed k`` |
    | missed | | cues that did not come in time |
    | at_once | | the largest number of handlers that ran at once |
    | replayed | | ``identical`` or ``diverged`` |
    | provisional | | the lines of `streamed` that were marked as not yet final |

    Exactly one of the predicates is given. `equals`, `one_of`, `at_most`, `contains` (each of these elements),
    `lacks` (none of them), `before` (all of the first come before any of the second, and both come), `distinct` (no
    element comes twice), `reported` and `not_reported` must be true in each run; `same` means that all runs show the same.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in PREDICATES]})

    look: View
    of: str | None = None
    events: list[str] = Field(default=[])
    runs: list[str] = Field(alias="in", default=[])
    equals: Any = None
    one_of: list[Any] | None = None
    at_most: int | None = None
    contains: list[Any] | None = None
    lacks: list[Any] | None = None
    before: tuple[str, str] | None = None
    same: bool = False
    distinct: bool = False
    reported: Reported | None = None
    not_reported: Reported | None = None

    @property
    def predicate(self) -> str:
        """Which one is given; ``equals`` may be given as null."""
        given = [name for name in PREDICATES if name in self.model_fields_set]
        return given[0] if len(given) == 1 else ""

    @model_validator(mode="after")
    def _one(self) -> Expect:
        if not self.predicate:
            raise ValueError(f"an expectation has exactly one of {', '.join(PREDICATES)}")
        return self


class Vector(Part):
    """One document of the suite. `shows` says in a sentence what it tells about an engine."""

    schema_: str = Field(alias="$schema", default="../schema.json")
    id: str = Field(pattern=r"^[a-z]{3}-[0-9]-[a-z0-9-]+$")
    clause: str = Field(pattern=r"^[A-Z]{3}-[0-9]$")
    title: str
    shows: str
    program: Program
    input: Any = None
    runs: list[Run] = Field(min_length=1)
    expect: list[Expect] = Field(min_length=1)
    limit: float = Field(default=20, description="Seconds after which a run counts as hung.")

    @model_validator(mode="after")
    def _consistent(self) -> Vector:
        if not self.id.startswith(self.clause.lower() + "-"):
            raise ValueError(f"the id {self.id!r} does not begin with its clause {self.clause!r}")
        names = {run.name for run in self.runs}
        if len(names) != len(self.runs):
            raise ValueError("two runs have the same name")
        for expect in self.expect:
            if missing := set(expect.runs) - names:
                raise ValueError(f"an expectation names runs that are not there: {sorted(missing)}")
        return self


@cache
def vectors() -> tuple[Vector, ...]:
    """The suite, in the order of clauses and ids."""
    found = [
        Vector.model_validate_json(one.read_text(encoding="utf-8"))
        for one in files(__package__).joinpath("vectors").iterdir()
        if one.name.endswith(".json")
    ]
    return tuple(sorted(found, key=lambda vector: (list(CLAUSES).index(vector.clause), vector.id)))


@cache
def _clauses() -> dict[str, str]:
    text = files(__package__).joinpath("clauses.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


CLAUSES: dict[str, str] = _clauses()
"""Every clause of the semantics, and what it says in one line."""


def schema() -> dict[str, Any]:
    """The JSON Schema of a vector, as published in ``schema.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Vector.model_json_schema(by_alias=True),
    }
