"""LangGraph behind the vectors: programs in its own idioms, what it says on its documented channels.

A message goes into the target's inbox, a `Topic` channel, with a `Command` that goes to the target, so that a node
handles its whole inbox in one task; a fan-in is a join edge, its members a list that merges. Snapshot keys are plain
channels, reducer keys annotated ones, live keys live in the `Store`, whose writes are seen at once. Outputs are a list
that merges, and go to the stream writer as they come. What a node wrote itself it knows, as a programmer would keep it
in a variable. What the engine says is: its streams, the errors it raises, log records from WARNING up, and warnings.
"""

from __future__ import annotations

import logging
import operator
import warnings
from collections.abc import Iterable
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.channels import Topic
from langgraph.graph import START, StateGraph
from langgraph.store.memory import InMemoryStore

from .. import program as p
from ..adapter import unless_stopped
from ..interpret import handle, handle_blocking
from ..observation import Ran, Report
from ..operations import Unsupported
from ..stage import Stage
from ..steps import Add, Delete, Get, Set, Update
from ..vector import Run
from .langgraph_saver import Saver
from .langgraph_turn import REDUCERS, SHARED, Turn, described, inbox, operations

TYPES: dict[str, Any] = {"sum": float, "max": float, "concat": list, "last": Any}
MODES = ["tasks", "checkpoints", "custom"]


def make() -> LangGraphAdapter:
    """The adapter."""
    return LangGraphAdapter()


class LangGraphAdapter:
    """Builds graphs with the public API, and watches their streams."""

    async def run(self, program: p.Program, message: Any, how: Run, stage: Stage) -> Ran:
        """See `Adapter`."""
        _refuse(how)
        saver = Saver(stage, how.checkpoints)
        one = _OneRun(program, stage, InMemoryStore(), [])
        heard = _Heard(stage)
        logger = logging.getLogger("langgraph")
        logger.addHandler(heard)
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                graph = one.tried(saver)
            for said in warned:
                stage.report("other", str(said.message))
            if graph is not None:
                await unless_stopped(how, one.watch(graph, one.initial(message), one.config(how), how))
            if graph is not None and (how.resume_from is not None or (how.resume and not one.completed)):
                config = await saver.config_of(how.resume_from, one.config(how))
                saver.tamper(how.tamper)
                one = _OneRun(how.changed or program, stage, one.store, one.terminals)
                if (graph := one.tried(saver)) is not None:
                    await one.watch(graph, None, config, how)
            return await one.ran(saver, one.config(how))
        finally:
            logger.removeHandler(heard)


def _refuse(how: Run) -> None:
    """Raises `Unsupported` for what the engine has not got."""
    if how.mode == "deterministic":
        raise Unsupported("there is no deterministic mode")
    if how.strict:
        raise Unsupported("there is no strict mode")
    if how.on_stall != "report":
        raise Unsupported("there is no choice of what a stalled superstep does")
    if how.on_checkpoint_error == "continue":
        raise Unsupported("a run does not go on without its checkpoints")
    if how.replay:
        raise Unsupported("there is no replay of a run that compares it with what was recorded")


class _OneRun:
    """One graph, and what it says while it runs."""

    def __init__(
        self, program: p.Program, stage: Stage, store: InMemoryStore, terminals: list[tuple[str, str]]
    ) -> None:
        self.program = program
        self.stage = stage
        self.keys = {key.name: key for key in program.keys}
        self.store = store
        self.terminals = terminals
        self.error: Report | None = None
        self.completed = False
        self._superstep = 0
        self.joins = [edge for edge in program.edges if isinstance(edge, p.FanIn)]

    # -- the program

    def tried(self, saver: Saver) -> Any:
        """The program as a graph, or None, and why in `error`."""
        try:
            return self.compiled(checkpointer=saver)
        except Unsupported:
            raise
        except Exception as error:
            self.error = Report(kind="refused", text=f"{type(error).__name__}: {error}")
            return None

    def compiled(self, **options: Any) -> Any:
        """The program as a graph."""
        fields: dict[str, Any] = {"outputs": Annotated[list[Any], operator.add]}
        for node in self.program.executors:
            fields[inbox(node.id)] = Annotated[list[Any], Topic]
        for index in range(len(self.joins)):
            fields[f"group_{index}"] = Annotated[list[Any], operator.add]
            fields[f"taken_{index}"] = int
        for key in self.program.keys:
            if key.access == "snapshot":
                fields[key.name] = Any
            elif key.reducer is not None:
                fields[key.name] = Annotated[TYPES[key.reducer], REDUCERS[key.reducer]]
        for name in sorted(_undeclared(self.program) - fields.keys() - self.keys.keys()):
            fields[name] = Any
        graph: Any = StateGraph(TypedDict("State", fields))  # type: ignore[operator]
        for node in self.program.executors:
            if node.takes in ("number", "text"):
                raise Unsupported("messages have no types that a node is chosen by")
            limit = {} if node.timeout is None else {"timeout": node.timeout}
            graph.add_node(node.id, self._node(node), **limit)
        graph.add_edge(START, self.program.executors[0].id)
        for edge in self.joins:
            graph.add_edge(list(edge.sources), edge.target)
        return graph.compile(store=self.store, **options)

    def initial(self, message: Any) -> dict[str, Any]:
        """The input of the graph: the message, and the keys' initial values."""
        given = {inbox(self.program.executors[0].id): [message]}
        for key in self.program.keys:
            if "initial" in key.model_fields_set:
                if key.access == "live":
                    self.store.put(SHARED, key.name, {"value": key.initial})
                else:
                    given[key.name] = key.initial
        return given

    def _node(self, node: p.Node) -> Any:
        if node.workflow is not None:
            return self._subgraph(node, node.workflow)
        if node.form == "sync":

            def blocking(state: Any, config: RunnableConfig) -> Any:
                turn = Turn(self, node, state, config)
                for message in turn.messages:
                    handle_blocking(self.stage, node, operations(turn, blocking=True), message)
                return turn.command()

            return blocking

        async def act(state: Any, config: RunnableConfig) -> Any:
            turn = Turn(self, node, state, config)
            for message in turn.messages:
                await handle(self.stage, node, operations(turn, blocking=False), message)
            return turn.command()

        return act

    def _subgraph(self, node: p.Node, program: p.Program) -> Any:
        """A graph as a node, called with an input of its own; its outputs are sent on."""

        async def call(state: Any, config: RunnableConfig) -> Any:
            turn = Turn(self, node, state, config)
            for message in turn.messages:
                inner = _OneRun(program, self.stage, InMemoryStore(), [])
                given = inner.initial(message)
                came = await inner.compiled().ainvoke(given, {"recursion_limit": program.max_supersteps})
                for value in came["outputs"]:
                    turn.send(value, None)
            return turn.command()

        return call

    # -- what it says

    def config(self, how: Run) -> dict[str, Any]:
        """How the engine is called."""
        bound = {} if how.max_concurrency is None else {"max_concurrency": how.max_concurrency}
        return {"configurable": {"thread_id": "1"}, "recursion_limit": self.program.max_supersteps, **bound}

    async def watch(self, graph: Any, given: Any, config: dict[str, Any], how: Run) -> None:
        """Take the streams to their end, or to the error that ends the run."""
        try:
            async for mode, event in graph.astream(given, config, stream_mode=MODES, durability="sync"):
                self._take(mode, event, how)
            self.completed = True
        except Unsupported:
            raise
        except OSError as raised:
            self.error = Report(kind="checkpoint-failed", text=f"{raised}")
        except Exception as raised:
            self.error = described(raised)

    async def ran(self, saver: Saver, config: dict[str, Any]) -> Ran:
        """What it came to: the committed state."""
        kept = None
        try:
            kept = await saver.aget_tuple(config)  # `aget_state` raises where the last superstep conflicted
        except Exception as raised:
            self.error = self.error or described(raised)
        values = {} if kept is None else kept.checkpoint["channel_values"]
        state = {name: values[name] for name in values if name in self.keys or name in _undeclared(self.program)}
        for item in self.store.search(SHARED, limit=1000):
            state[item.key] = item.value["value"]
        return Ran(
            outputs=values.get("outputs", []),
            state=state,
            supersteps=self._superstep,
            error=self.error,
            terminals=self.terminals,
        )

    def _take(self, mode: str, event: Any, how: Run) -> None:
        if mode == "custom" and how.stream:
            self.stage.stream(f"output {event}")
        elif mode == "checkpoints":
            step = event["metadata"]["step"]
            if step > self._superstep:
                self._superstep = step
                self.stage.say("barrier", str(step))
                if how.stream:
                    self.stage.stream(f"completed {step}")
        elif mode == "tasks" and "triggers" not in event:  # the end of a task
            self.terminals.append((event["name"], "failed" if event.get("error") else "completed"))


def _undeclared(program: p.Program) -> set[str]:
    """Keys that steps use and nobody declared: a graph has to know them all."""
    found: set[str] = set()

    def look(steps: Iterable[Any]) -> None:
        for step in steps:
            if isinstance(step, Get | Set | Delete | Add | Update):
                found.add(step.key)
            for part in ("steps", "otherwise"):
                look(getattr(step, part, ()))
            for one in getattr(step, "tasks", ()):
                look(one)

    for node in program.executors:
        look(node.steps)
    return found


class _Heard(logging.Handler):
    """Log records from WARNING up, as reports."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(logging.WARNING)
        self._stage = stage

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self._stage.report("dropped-message" if "ignoring it" in text else "other", text)
