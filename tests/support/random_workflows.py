"""Random workflows with snapshot and reducer state: a hypothesis strategy for data, and the workflow made of it.

What the executors do is drawn; when they do it is up to a `Jitter`, which must not matter (DET-2). Each writes a
snapshot key of its own and reads everybody's; reducer keys take everybody's contributions, one of them in a way that
shows their order. Messages carry how many more hops they may make, so every run ends.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from hypothesis import strategies as st

from stepscope import Executor, StateKey, Workflow, WorkflowBuilder, last

from .workflows import Context, Jitter, Node, ThreadNode, build

Kind: TypeAlias = Literal["send", "output", "set", "update", "delete", "get", "add"]


@dataclass(frozen=True)
class Action:
    """One thing a handler does; `number` picks the key it uses or the value it gives."""

    kind: Kind
    number: int


@dataclass(frozen=True)
class Link:
    """One edge group, by executors' numbers; a "parity" edge lets even hop counts through."""

    kind: Literal["single", "parity", "fan-out", "fan-in", "multi-selection"]
    sources: tuple[int, ...]
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Drawn:
    """A workflow as data."""

    actions: tuple[tuple[Action, ...], ...]
    threads: tuple[bool, ...]
    links: tuple[Link, ...]
    hops: int

    def workflow(self, jitter: Jitter) -> Workflow:
        """Build it; handlers call `jitter` between any two things they do."""
        nodes = [self._node(number, jitter) for number in range(len(self.actions))]
        builder = WorkflowBuilder(nodes[0], name="drawn", state=STATE)
        for link in self.links:
            sources = [nodes[number] for number in link.sources]
            targets = [nodes[number] for number in link.targets]
            if link.kind == "fan-in":
                builder.add_fan_in_edges(sources, targets[0])
            elif link.kind == "fan-out":
                builder.add_fan_out_edges(sources[0], targets)
            elif link.kind == "multi-selection":
                builder.add_multi_selection_edge_group(sources[0], targets, selection_func=_select)
            else:
                builder.add_edge(sources[0], targets[0], _even if link.kind == "parity" else None)
        return build(builder)

    def _node(self, number: int, jitter: Jitter) -> Executor:
        actions = self.actions[number]
        name = f"e{number}"

        async def act(message: Any, ctx: Context) -> None:
            for action in actions:
                await jitter()
                for step in _steps(action, name, message, ctx):
                    result = await step()
                    if result is not None:
                        await ctx.yield_output([name, result])
            await jitter()

        def thread_act(message: Any, ctx: Context) -> None:
            for action in actions:
                jitter.thread()
                for step in _steps(action, name, message, ctx):
                    result = step()
                    if result is not None:
                        ctx.yield_output([name, result])

        return ThreadNode(name, thread_act) if self.threads[number] else Node(name, act)


STATE = [
    StateKey("sum", initial=0, reducer=operator.add),
    StateKey("log", initial=[], reducer=operator.add),
    StateKey("last", reducer=last),
]


def _hops(message: Any) -> int:
    """How many more hops a message, or a group of them, may make."""
    return min(map(_hops, message)) if isinstance(message, list) else int(message)


def _even(message: Any) -> bool:
    return _hops(message) % 2 == 0


def _select(message: Any, targets: list[str]) -> list[str]:
    return targets[_hops(message) % len(targets) :]


def _steps(action: Action, name: str, message: Any, ctx: Context) -> list[Callable[[], Any]]:
    """The calls of an action: to be awaited in an async handler, plain in a sync one."""
    state, number, hops = ctx.state, action.number, _hops(message)
    match action.kind:
        case "send":
            return [lambda: ctx.send_message(hops - 1)] if hops > 0 else []
        case "output":
            return [lambda: ctx.yield_output([name, message, number])]
        case "set":
            return [lambda: state.set(f"of {name}", [number, hops])]
        case "update":
            return [lambda: state.update(f"of {name}", lambda old: [old, number][-2:] if old else [number])]
        case "delete":
            return [lambda: state.delete(f"of {name}")]
        case "get":
            return [lambda: state.get(("sum", "log", "last", "of e0", "of e1", "of e2")[number])]
        case "add":
            return [
                lambda: state.add("sum", number),
                lambda: state.add("log", [f"{name}:{number}"]),
                lambda: state.add("last", [name, number]),
            ]


_ACTIONS: st.SearchStrategy[Action] = st.builds(
    Action,
    st.sampled_from(("send", "send", "send", "output", "set", "update", "delete", "get", "add", "add")),
    st.integers(0, 5),
)


@st.composite
def drawn_workflows(draw: st.DrawFn, threads: bool = False) -> Drawn:
    """Workflows of 2 to 6 executors: a tree from the start, and more edges of every kind, cycles included.

    `threads` makes some handlers sync.
    """
    count = draw(st.integers(2, 6))
    taken: set[tuple[int, int]] = set()
    links: list[Link] = []
    for target in range(1, count):
        sources = draw(st.lists(st.integers(0, target - 1), min_size=1, max_size=3, unique=True))
        kind: Any = "fan-in" if len(sources) > 1 else draw(st.sampled_from(("single", "parity")))
        links.append(Link(kind, tuple(sources), (target,)))
        taken.update((source, target) for source in sources)
    for _ in range(draw(st.integers(0, 3))):
        source = draw(st.integers(0, count - 1))
        targets = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3, unique=True))
        targets = [target for target in targets if (source, target) not in taken]
        if targets:
            kind = draw(st.sampled_from(("fan-out", "multi-selection")))
            links.append(Link(kind, (source,), tuple(targets)))
            taken.update((source, target) for target in targets)
    actions = tuple(tuple(draw(st.lists(_ACTIONS, min_size=1, max_size=5))) for _ in range(count))
    in_threads = tuple(threads and draw(st.booleans()) for _ in range(count))
    return Drawn(actions, in_threads, tuple(links), draw(st.integers(1, 3)))
