"""Random programs as data: a graph of every edge kind, and for each executor a script of operations.

A program is played twice: by the reference model (`conformance.model`), and by the runtime (`played_programs`). Both drive
the same script, a generator that yields primitive operations and is sent their results, so a script cannot mean two things.
What a script reads goes into what it writes and sends: a wrong value anywhere shows up in everything after it.
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from stepscope import last
from stepscope.errors import WorkflowError


class Oops(Exception):
    """What scripts, conditions and reducers raise on purpose."""


# -- the data ----------------------------------------------------------------------------------------------------------

Verb: TypeAlias = Literal["get", "set", "delete", "update", "spoil", "add"]
"""`spoil` is an update whose function changes what it was given and then raises."""
Takes: TypeAlias = Literal["all", "numbers", "texts"]
EdgeKind: TypeAlias = Literal["single", "fan-out", "fan-in", "switch-case", "multi-selection"]


@dataclass(frozen=True)
class Use:
    """An operation on a state key."""

    verb: Verb
    key: str
    number: int = 0


@dataclass(frozen=True)
class Send:
    """A message, as a map or as a text; nothing if the message that came may make no more hops."""

    number: int = 0
    target: str | None = None
    text: bool = False


@dataclass(frozen=True)
class Give:
    """An output."""

    number: int = 0


@dataclass(frozen=True)
class Fail:
    """Raise `Oops` if what was read so far says so: one value of `when` in `_FAILS`."""

    when: int = 0


@dataclass(frozen=True)
class Hold:
    """A hold block; `catches` says whether the errors of entering it and of its body end with it."""

    keys: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    catches: bool = False


Step: TypeAlias = Use | Send | Give | Fail | Hold


@dataclass(frozen=True)
class Actor:
    """An executor: its id, which messages it has a handler for, its script, and whether its handler is sync."""

    name: str
    takes: Takes = "all"
    steps: tuple[Step, ...] = ()
    thread: bool = False


@dataclass(frozen=True)
class Link:
    """An edge group, by ids. `tests` names a condition of `TESTS` for each target; a switch's default has None."""

    kind: EdgeKind
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    tests: tuple[str | None, ...] = ()
    select: str = ""


@dataclass(frozen=True)
class Program:
    """A workflow as data; its input may make `hops` hops. The first actor is the start."""

    actors: tuple[Actor, ...]
    links: tuple[Link, ...]
    hops: int = 2
    max_supersteps: int = 100
    strict: bool = False

    @property
    def message(self) -> Any:
        """The run's input."""
        return {"hops": self.hops, "seen": 1}


# -- what all programs share -------------------------------------------------------------------------------------------


def limited(total: int, more: int) -> int:
    """A reducer that refuses to go on at some point."""
    if total + more > 2000:
        raise Oops("too much")
    return total + more


Initial: TypeAlias = Any
ABSENT: Initial = object()
KEYS: dict[str, tuple[str, Initial, Callable[[Any, Any], Any] | None]] = {
    "s0": ("snapshot", [0, 0], None),
    "s1": ("snapshot", ABSENT, None),
    "sum": ("reducer", 0, operator.add),
    "log": ("reducer", [], operator.add),
    "last": ("reducer", ABSENT, last),
    "limit": ("reducer", 0, limited),
    "l0": ("live", [0, 0], None),
    "l1": ("live", ABSENT, None),
    "l2": ("live", ABSENT, None),
}
"""Access, initial value and reducer; "s2" is used undeclared, which makes it a snapshot key."""
SNAPSHOT, REDUCER, LIVE = ("s0", "s1", "s2"), ("sum", "log", "last", "limit"), ("l0", "l1", "l2")
DEFAULT = "absent"


def read(message: Any) -> tuple[int, int]:
    """Hops left and what was seen so far, of a message or of a fan-in's list of them."""
    if isinstance(message, list):
        parts = [read(one) for one in message]
        return min(hops for hops, _ in parts), mix(0, [seen for _, seen in parts])
    if isinstance(message, str):
        hops, seen = message.split()
        return int(hops), int(seen)
    return message["hops"], message["seen"]


def mix(seen: int, value: Any) -> int:
    """A small number that hangs on both."""
    return zlib.crc32(repr(value).encode(), seen) % 997


def _broken(message: Any) -> bool:
    if read(message)[1] % 6 == 0:
        raise Oops("a condition that fails")
    return True


def _some(message: Any, targets: list[str]) -> list[str]:
    seen = read(message)[1]
    return [target for index, target in enumerate(targets) if seen >> index & 1]


def _stray(message: Any, targets: list[str]) -> list[str]:
    return ["nobody"] if read(message)[1] % 4 == 0 else targets[::-1]


TESTS: dict[str, Callable[[Any], bool]] = {
    "even": lambda message: read(message)[1] % 2 == 0,
    "near": lambda message: read(message)[0] < 2,
    "broken": _broken,
}
SELECTIONS: dict[str, Callable[[Any, list[str]], list[str]]] = {
    "all": lambda _, targets: targets,
    "some": _some,
    "stray": _stray,
}
_FAILS = 4

# -- scripts -----------------------------------------------------------------------------------------------------------

Primitive: TypeAlias = tuple[Any, ...]
"""("pause",), ("get" | "delete", key), ("set" | "add", key, value), ("update", key, function), ("send", payload, target),
("output", value), ("enter", keys), ("leave", whether by an exception)."""
Script: TypeAlias = Generator[Primitive, Any, None]


class Player:
    """One delivery's run of a script."""

    def __init__(self, actor: Actor, message: Any) -> None:
        self.name = actor.name
        self.hops, self.seen = read(message)
        if isinstance(message, (list, dict)):
            message.clear()  # nobody else may notice (ORD-3)

    def play(self, steps: tuple[Step, ...]) -> Script:
        """Do the steps, with a pause before each and one at the end."""
        for step in steps:
            yield ("pause",)
            match step:
                case Use():
                    yield from self._use(step)
                case Send():
                    if self.hops > 0:
                        hops, seen = self.hops - 1, mix(self.seen, step.number)
                        payload = f"{hops} {seen}" if step.text else {"hops": hops, "seen": seen}
                        yield ("send", payload, step.target)
                case Give():
                    yield ("output", [self.name, self.seen, step.number])
                case Fail():
                    if self.seen % _FAILS == step.when:
                        raise Oops(self.name)
                case Hold():
                    yield from self._hold(step)
        yield ("pause",)

    def _use(self, step: Use) -> Script:
        """One operation on a key; the objects that go in and come out are changed afterwards (STA-8)."""
        key, number, seen = step.key, step.number, self.seen
        match step.verb:
            case "get":
                got = yield ("get", key)
                self._note(got)
            case "delete":
                yield ("delete", key)
            case "set":
                value = [seen, number]
                yield ("set", key, value)
                value.append(-1)
            case "add":
                item: Any = [seen] if key == "log" else seen if key in REDUCER else [seen, number]
                yield ("add", key, item)
                if isinstance(item, list):
                    item.append(-1)
            case "update":
                got = yield ("update", key, lambda old: [mix(seen, old), number])
                self._note(got)
            case "spoil":
                yield ("update", key, self._spoil)

    def _note(self, got: Any) -> None:
        self.seen = mix(self.seen, got)
        if isinstance(got, list):
            got.append(-1)

    def _spoil(self, old: Any) -> Any:
        if isinstance(old, list):
            old.append(-1)
        raise Oops("a function that fails")

    def _hold(self, step: Hold) -> Script:
        try:
            yield ("enter", step.keys)
            try:
                yield from self.play(step.steps)
            except GeneratorExit:
                raise
            except BaseException:
                yield ("leave", True)
                raise
            yield ("leave", False)
        except (Oops, WorkflowError):
            if not step.catches:
                raise
