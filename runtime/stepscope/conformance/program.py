"""A vector's program: executors, edges, keys. Data only, in any language's JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from .steps import Part, Step, When


class Node(Part):
    """An executor: either `steps`, or a `workflow` used as one (SUB-1).

    `takes` is the type of its messages, `form` whether its handler is an async function or a plain, blocking one.
    `timeout` is in seconds (PAR-4).
    """

    id: str
    takes: Literal["any", "number", "text", "list"] = "any"
    form: Literal["async", "sync"] = "async"
    steps: list[Step] = Field(default=[])
    timeout: float | None = None
    workflow: Program | None = None


class Single(Part):
    """One source, one target, and a condition on the message."""

    kind: Literal["single"]
    source: str
    target: str
    when: When | None = None


class FanOut(Part):
    """Every message to every target."""

    kind: Literal["fan-out"]
    source: str
    targets: list[str]


class FanIn(Part):
    """One list to the target once every source has sent (ORD-4)."""

    kind: Literal["fan-in"]
    sources: list[str]
    target: str


class SwitchCase(Part):
    """One case of a switch."""

    when: When
    target: str


class Switch(Part):
    """Every message to the first case whose test it passes, else to `default`, if there is one."""

    kind: Literal["switch-case"]
    source: str
    cases: list[SwitchCase]
    default: str | None = None


class Selection(Part):
    """Every message, a list of executor ids, to those of the targets that it names."""

    kind: Literal["multi-selection"]
    source: str
    targets: list[str]


Edge: TypeAlias = Annotated[Single | FanOut | FanIn | Switch | Selection, Field(discriminator="kind")]


class Key(Part):
    """A declared state key. `reducer` goes with access "reducer" and only with it; absent at first if no `initial`.

    Reducers: ``sum``, ``max``, ``concat`` (of lists), ``last`` (the canonically last contribution).
    """

    name: str
    access: Literal["snapshot", "reducer", "live"] = "snapshot"
    initial: Any = None
    reducer: Literal["sum", "max", "concat", "last"] | None = None


class Program(Part):
    """A workflow. `executors` are in the order of first mention, the start first, then edge by edge: their ranks (ORD-2)."""

    name: str = "program"
    executors: list[Node] = Field(min_length=1)
    edges: list[Edge] = Field(default=[])
    keys: list[Key] = Field(default=[])
    max_supersteps: int = 100

    @model_validator(mode="after")
    def _consistent(self) -> Program:
        ids = [node.id for node in self.executors]
        mentioned = list(dict.fromkeys([ids[0], *(one for edge in self.edges for one in ends_of(edge))]))
        if ids != mentioned:
            raise ValueError(f"executors {ids} are not in the order in which they are first mentioned: {mentioned}")
        for key in self.keys:
            if (key.access == "reducer") != (key.reducer is not None):
                raise ValueError(f"key {key.name!r}: a reducer goes with access 'reducer', and only with it")
        return self


def ends_of(edge: Edge) -> list[str]:
    """The executors that an edge mentions, sources first."""
    match edge:
        case Single():
            return [edge.source, edge.target]
        case FanIn():
            return [*edge.sources, edge.target]
        case Switch():
            rest = [] if edge.default is None else [edge.default]
            return [edge.source, *(case.target for case in edge.cases), *rest]
        case FanOut() | Selection():
            return [edge.source, *edge.targets]


Node.model_rebuild()
