"""One task of a LangGraph node: what it got, what its handler does, and the `Command` it returns."""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Protocol

from langgraph.config import get_store, get_stream_writer
from langgraph.errors import GraphRecursionError, InvalidUpdateError, NodeTimeoutError
from langgraph.func import task
from langgraph.types import Command

from .. import program as p
from ..observation import Report
from ..operations import Operations, ProgramError, Unsupported
from ..vector import Kind

REDUCERS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": operator.add,
    "max": max,
    "concat": operator.add,
    "last": lambda before, added: added,
}
KINDS: dict[type[BaseException], Kind] = {
    ProgramError: "handler-failed",
    GraphRecursionError: "non-convergence",
    InvalidUpdateError: "state-conflict",
    NodeTimeoutError: "timeout",
}
SHARED = ("live",)
"""Where in the store live keys are."""


class Graph(Protocol):
    """What a turn knows of its graph: the program, its keys by name, its fan-ins."""

    program: p.Program
    keys: dict[str, p.Key]
    joins: list[p.FanIn]


def inbox(node: str) -> str:
    """The channel of a node's messages."""
    return f"inbox_{node}"


def described(error: BaseException) -> Report:
    """What an error is about, in the words of the suite."""
    kind: Kind = next((kind for type_, kind in KINDS.items() if isinstance(error, type_)), "other")
    return Report(kind=kind, text="\n".join([f"{error}", *getattr(error, "__notes__", ())]))


class Turn:
    """One task of a node: what it got, and what it will return."""

    def __init__(self, run: Graph, node: p.Node, state: Any, config: Any) -> None:
        self.run = run
        self.node = node
        self.state = state
        self.superstep: int = config["metadata"]["langgraph_step"]
        self.update: dict[str, Any] = {}
        self.goto: list[str] = []
        self.messages = list(state.get(inbox(node.id)) or [])
        for index, edge in enumerate(run.joins):
            if edge.target == node.id and any("join:" in one for one in config["metadata"]["langgraph_triggers"]):
                taken = state.get(f"taken_{index}") or 0
                members = (state.get(f"group_{index}") or [])[taken:]
                self.update[f"taken_{index}"] = taken + len(members)
                self.messages.append(members)

    def send(self, value: Any, to: str | None) -> None:
        """Into the inboxes of those that the edges lead to."""
        reached = False
        for edge in self.run.program.edges:
            match edge:
                case p.FanIn():
                    if self.node.id in edge.sources and to in (None, edge.target):
                        self._append(f"group_{self.run.joins.index(edge)}", value)
                        reached = True
                    continue
                case p.Single():
                    targets = [edge.target] if edge.when is None or edge.when(value) else []
                    possible = [edge.target]
                case p.FanOut():
                    targets = possible = list(edge.targets)
                case p.Switch():
                    possible = [*(case.target for case in edge.cases), *([edge.default] if edge.default else [])]
                    passed = [case.target for case in edge.cases if case.when(value)]
                    targets = [*passed, *([edge.default] if edge.default else [])][:1]
                case p.Selection():
                    possible = list(edge.targets)
                    targets = [one for one in edge.targets if one in value]
            if edge.source != self.node.id:
                continue
            for target in possible if to is not None else targets:
                if to in (None, target):
                    self._append(inbox(target), value)
                    self.goto.append(target)
                    reached = True
        if to is not None and not reached:
            if to in {node.id for node in self.run.program.executors}:
                raise Unsupported("a node may go to any other, whatever the edges are")
            self.goto.append(to)

    def _append(self, channel: str, value: Any) -> None:
        self.update.setdefault(channel, []).append(value)

    def contribute(self, key: str, value: Any) -> None:
        """One more contribution to a reducer key: a node returns what its own come to."""
        reducer = REDUCERS[self.run.keys[key].reducer or "last"]
        self.update[key] = reducer(self.update[key], value) if key in self.update else value

    def command(self) -> Any:
        """What the node returns."""
        return Command(update=self.update, goto=list(dict.fromkeys(self.goto)))


def operations(turn: Turn, *, blocking: bool) -> Operations:
    """What a handler can do in its turn."""
    return _BlockingOperations(turn) if blocking else _Operations(turn)


class _Operations(Operations):
    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.superstep = turn.superstep

    def _key(self, name: str) -> p.Key:
        return self._turn.run.keys.get(name) or p.Key(name=name)

    def send(self, value: Any, target: str | None) -> Any:
        self._turn.send(value, target)

    def output(self, value: Any) -> Any:
        get_stream_writer()(value)
        self._turn._append("outputs", value)

    def get(self, key: str) -> Any:
        declared = self._key(key)
        if declared.access == "live":
            found = get_store().get(SHARED, key)
            return None if found is None else found.value["value"]
        if declared.reducer is not None and key in self._turn.update:
            if key not in self._turn.state:
                return self._turn.update[key]
            return REDUCERS[declared.reducer](self._turn.state[key], self._turn.update[key])
        return self._turn.update[key] if key in self._turn.update else self._turn.state.get(key)

    def set(self, key: str, value: Any) -> Any:
        if self._key(key).access == "live":
            get_store().put(SHARED, key, {"value": value})
        else:
            self._turn.update[key] = value

    def delete(self, key: str) -> Any:
        if self._key(key).access != "live":
            raise Unsupported("a key of the state cannot be deleted")
        get_store().delete(SHARED, key)

    def add(self, key: str, value: Any) -> Any:
        if self._key(key).reducer is None:
            self._turn.update[key] = value
        else:
            self._turn.contribute(key, value)

    def update(self, key: str, function: Callable[[Any], Any]) -> Any:
        self.set(key, function(self.get(key)))

    def hold(self, keys: list[str]) -> Any:
        raise Unsupported("there are no locks")

    def effect(self, function: Callable[[], Awaitable[Any]]) -> Any:
        return task(function)()

    def describe(self, error: BaseException) -> Report:
        return described(error)


class _BlockingOperations(_Operations):
    blocking: ClassVar[bool] = True
