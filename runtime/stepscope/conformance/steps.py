"""What a handler of a vector's program does, step by step. Data only, in any language's JSON.

A value in a step is JSON. An object with the key ``"$"`` stands for something known at run time: ``{"$": "message"}``
is what the handler got, ``{"$": "x"}`` what an earlier step stored with ``"as": "x"``, ``{"$": "superstep"}`` and
``{"$": "sources"}`` what the engine says of the delivery. It may go on with ``"plus": n``, ``"item": i`` or
``"append": value``, applied in this order.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """Any part of a document: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Send(Part):
    """Send a message along the edges, or only to `to`."""

    do: Literal["send"]
    value: Any
    to: str | None = None


class Output(Part):
    """Yield an output of the workflow."""

    do: Literal["output"]
    value: Any


class Get(Part):
    """Read a key (null where it is absent), keep the value, and note it under `as`."""

    do: Literal["get"]
    key: str
    name: str = Field(alias="as", default="got")


class Set(Part):
    """Write a key."""

    do: Literal["set"]
    key: str
    value: Any


class Delete(Part):
    """Make a key absent."""

    do: Literal["delete"]
    key: str


class Add(Part):
    """Contribute to a reducer key."""

    do: Literal["add"]
    key: str
    value: Any


class Update(Part):
    """Read, change and write a key in one operation of the engine: add a number to it."""

    do: Literal["update"]
    key: str
    plus: float | int


class Hold(Part):
    """Do `steps` with exclusive use of live keys. `forget` never leaves the block; the handler just ends."""

    do: Literal["hold"]
    keys: list[str]
    steps: list[Step] = []
    forget: bool = False


class Gate(Part):
    """Wait, not blocking anybody, until the schedule releases this gate; the name is the executor's id if not given."""

    do: Literal["gate"]
    gate: str | None = None


class Block(Part):
    """The same, but blocking the thread, as a library that knows nothing of async would."""

    do: Literal["block"]
    gate: str | None = None


class Effect(Part):
    """Call outside the workflow through the engine; the call waits at `gate`, if given, and gives `value`.

    What it gave is kept and noted under `as`; each real call is noted as ``called``. With `later` the step does not
    wait for the result: a `settle` step does.
    """

    do: Literal["effect"]
    value: Any
    gate: str | None = None
    name: str = Field(alias="as", default="gave")
    later: bool = False


class Settle(Part):
    """Wait for all effects that were started with `later`, and note their results."""

    do: Literal["settle"]


class Draw(Part):
    """Draw a random number, a UUID or the time through the engine, and note it under `as`."""

    do: Literal["draw"]
    what: Literal["random", "uuid", "now"]
    name: str = Field(alias="as", default="drawn")


class Raise(Part):
    """Fail, with an error of the program's own; only the first `times` times, over resumed runs too, if given."""

    do: Literal["raise"]
    message: str
    times: int | None = None


class Try(Part):
    """Do `steps`; an error that leaves them is caught, and its kind noted under `as` ("none" if there is none)."""

    do: Literal["try"]
    steps: list[Step]
    name: str = Field(alias="as", default="caught")


class If(Part):
    """Do `steps` if `value` satisfies `when`, or else `otherwise`."""

    do: Literal["if"]
    value: Any
    when: When
    steps: list[Step]
    otherwise: list[Step] = []


class Mutate(Part):
    """Append to a list in place: the message (``message``), or what an earlier step stored."""

    do: Literal["mutate"]
    name: str
    append: Any


class Let(Part):
    """Keep a value of the program's own: what `mutate` changes, what several steps write."""

    do: Literal["let"]
    name: str
    value: Any


class Note(Part):
    """Note a value, for expectations to look at."""

    do: Literal["note"]
    label: str
    value: Any = None


class Leave(Part):
    """Start `steps` as a task and do not wait for it: it may outlive the handler."""

    do: Literal["leave"]
    steps: list[Step]


class Together(Part):
    """Do several lists of steps in tasks of the handler's own, and wait for all."""

    do: Literal["together"]
    tasks: list[list[Step]]


class Within(Part):
    """Do `steps` under the language's own time limit; note under `as` whether it was ``in time`` or ``too late``."""

    do: Literal["within"]
    seconds: float
    steps: list[Step]
    name: str = Field(alias="as", default="within")


class Stubborn(Part):
    """Do `steps`, and again from the start when cancelled, for ever: ignore cancellation until they end."""

    do: Literal["stubborn"]
    steps: list[Step]


class Ambient(Part):
    """Set the task-local variable of the program to `value`; without one, note what it is under `as`."""

    do: Literal["ambient"]
    value: Any = None
    name: str = Field(alias="as", default="ambient")


class Remember(Part):
    """Keep a value in the executor itself, by whatever the engine offers for state of an executor's own."""

    do: Literal["remember"]
    value: Any


class Recall(Part):
    """Note what the executor keeps, null if nothing, and store it."""

    do: Literal["recall"]
    name: str = Field(alias="as", default="recalled")


Step: TypeAlias = Annotated[
    Send | Output | Get | Set | Delete | Add | Update | Hold | Gate | Block | Effect | Settle | Draw | Raise | Try | If
    | Mutate | Let | Note | Leave | Together | Within | Stubborn | Ambient | Remember | Recall,
    Field(discriminator="do"),
]  # fmt: skip
"""One step of a handler; steps of a handler are done one after another."""


class When(Part):
    """A test of a message or value; all that is given must be true. An empty one is always true."""

    at_least: float | None = None
    below: float | None = None
    equals: Any = None
    never: bool = False

    def __call__(self, value: Any) -> bool:
        """Whether `value` passes."""
        if self.never or (self.equals is not None and value != self.equals):
            return False
        if self.at_least is not None and not value >= self.at_least:
            return False
        return self.below is None or bool(value < self.below)


for _model in (Hold, Try, If, Leave, Together, Within, Stubborn):
    _model.model_rebuild()
