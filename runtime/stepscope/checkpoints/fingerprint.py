"""Whether a workflow is the one a checkpoint was made by, and if not, what changed (BAR-4).

The graph is compared: executors with their handlers, edges, state keys, the start. What handlers do is not, nor
`max_supersteps`, nor a key's initial value: a bug may be mended, and a bound raised, before a run is resumed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ..events import EdgeInfo, GraphInfo

_LAMBDA = re.compile(r"lambda at line \d+")


class ExecutorPrint(msgspec.Struct, array_like=True, frozen=True):
    """An executor; `handlers` are names and message types."""

    id: str
    kind: str
    handlers: list[tuple[str, str]]


class EdgePrint(msgspec.Struct, array_like=True, frozen=True):
    """An edge group; `labels` name what decides for each target, without line numbers."""

    kind: str
    sources: list[str]
    targets: list[str]
    labels: list[str]


class KeyPrint(msgspec.Struct, array_like=True, frozen=True):
    """A declared state key."""

    name: str
    access: str
    reducer: str


class Fingerprint(msgspec.Struct, array_like=True, frozen=True):
    """A graph as far as a checkpoint depends on it; executors in rank order."""

    start: str
    executors: list[ExecutorPrint]
    edges: list[EdgePrint]
    keys: list[KeyPrint]


def fingerprint(graph: GraphInfo) -> Fingerprint:
    """Of a built workflow."""
    return Fingerprint(
        graph.start,
        [
            ExecutorPrint(one.id, one.kind, [(handler.name, handler.message_type) for handler in one.handlers])
            for one in sorted(graph.executors, key=lambda one: one.rank)
        ],
        [_edge(edge) for edge in graph.edges],
        [KeyPrint(key.name, key.access, _LAMBDA.sub("lambda", key.reducer)) for key in graph.keys],
    )


def _edge(edge: EdgeInfo) -> EdgePrint:
    return EdgePrint(edge.kind, edge.sources, edge.targets, [_LAMBDA.sub("lambda", label) for label in edge.labels])


def difference(before: Fingerprint, now: Fingerprint) -> str:
    """What changed from the checkpoint's graph to the present one, as a clause of a sentence; "" for nothing."""
    found = [*_executors(before, now), *_edges(before.edges, now.edges), *_keys(before.keys, now.keys)]
    if before.start != now.start:
        found.append(f"it starts at {now.start!r} and started at {before.start!r}")
    more = f" and {len(found) - _SHOWN} more such changes" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


_SHOWN = 4


def _executors(before: Fingerprint, now: Fingerprint) -> Iterator[str]:
    old, new = ({one.id: one for one in graph.executors} for graph in (before, now))
    yield from _membership("executor", old, new)
    for id, one in new.items():
        was = old.get(id, one)
        if was.kind != one.kind:
            yield f"executor {id!r} is a {one.kind} and was a {was.kind}"
        elif was.handlers != one.handlers:
            yield f"executor {id!r} {_handlers(dict(was.handlers), dict(one.handlers))}"
    if old.keys() == new.keys() and list(old) != list(new):
        moved = next(id for id, other in zip(new, old, strict=True) if id != other)
        yield f"executors are mentioned in another order, from {moved!r} on, so their ranks differ"


def _handlers(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    for name, taken in new.items():
        if name in old and old[name] != taken:
            return f"takes {taken} in its handler {name!r} and took {old[name]}"
    changes = list(_membership("handler", old, new))
    return f"changed: its {changes[0]}" if changes else "has its handlers in another order"


def _edges(before: list[EdgePrint], now: list[EdgePrint]) -> Iterator[str]:
    old, new = ({_arrow(edge): edge for edge in edges} for edges in (before, now))
    yield from _membership("edge", old, new, str)
    for arrow, edge in new.items():
        was = old.get(arrow, edge)
        if was.labels != edge.labels:
            yield f"the edge {arrow} is decided by {_labels(edge)} and was by {_labels(was)}"
    if old.keys() == new.keys() and list(old) != list(new):
        yield "its edges are added in another order"


def _arrow(edge: EdgePrint) -> str:
    kind = "" if edge.kind == "single" else f" ({edge.kind})"
    return f"{_several(edge.sources)} -> {_several(edge.targets)}{kind}"


def _several(ids: list[str]) -> str:
    return repr(ids[0]) if len(ids) == 1 else f"[{', '.join(map(repr, ids))}]"


def _labels(edge: EdgePrint) -> str:
    return ", ".join(label or "nothing" for label in dict.fromkeys(edge.labels))


def _keys(before: list[KeyPrint], now: list[KeyPrint]) -> Iterator[str]:
    old, new = ({key.name: key for key in keys} for keys in (before, now))
    yield from _membership("state key", old, new)
    for name, key in new.items():
        was = old.get(name, key)
        if was.access != key.access:
            yield f"state key {name!r} has access {key.access!r} and had {was.access!r}"
        elif was.reducer != key.reducer:
            yield f"state key {name!r} has the reducer {key.reducer} and had {was.reducer}"


def _membership(
    what: str, old: Mapping[str, Any], new: Mapping[str, Any], show: Callable[[str], str] = repr
) -> Iterator[str]:
    """Which names were added and which removed."""
    for verb, names in (
        ("added", [name for name in new if name not in old]),
        ("removed", [name for name in old if name not in new]),
    ):
        if names:
            yield f"{_plural(what, names)} {_listed(names, show)} {'was' if len(names) == 1 else 'were'} {verb}"


def _plural(what: str, names: list[str]) -> str:
    return what if len(names) == 1 else f"{what}s"


def _listed(names: Iterable[str], show: Callable[[str], str]) -> str:
    return ", ".join(map(show, names))
