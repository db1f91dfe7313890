"""In what two graphs differ, in words."""

from __future__ import annotations

from ..events import EdgeInfo, ExecutorInfo, GraphInfo, KeyInfo
from ..values import text
from .same import same_type


def differences(before: GraphInfo, now: GraphInfo) -> list[str]:
    """Short clauses; empty if the graphs are the same but for where the source is."""
    found = []
    if before.name != now.name:
        found.append(f"it is workflow {now.name!r} and not {before.name!r}")
    if before.start != now.start:
        found.append(f"the input goes to {now.start!r} and not to {before.start!r}")
    found += _executors(before.executors, now.executors)
    found += _edges(before.edges, now.edges)
    found += _keys(before.keys, now.keys)
    return found


def _executors(before: list[ExecutorInfo], now: list[ExecutorInfo]) -> list[str]:
    then, today = {one.id: one for one in before}, {one.id: one for one in now}
    found = [f"executor {id!r} is gone" for id in then if id not in today]
    found += [f"executor {id!r} is new" for id in today if id not in then]
    if not found and list(then) != list(today):
        found.append(f"the executors are mentioned in another order: {', '.join(today)} and not {', '.join(then)}")
    for id, one in today.items():
        if id in then:
            found += _handlers(then[id], one)
    return found


def _handlers(before: ExecutorInfo, now: ExecutorInfo) -> list[str]:
    if before.kind != now.kind:
        return [f"executor {now.id!r} is a {now.kind} and not a {before.kind}"]
    then, today = [one.name for one in before.handlers], [one.name for one in now.handlers]
    if then != today:
        return [f"the handlers of {now.id!r} are {', '.join(today)} and not {', '.join(then)}"]
    found = []
    for was, one in zip(before.handlers, now.handlers, strict=True):
        where = f"handler {one.name!r} of {now.id!r}"
        if not same_type(was.message_type, one.message_type):
            found.append(f"{where} takes {one.message_type} and not {was.message_type}")
        if was.runs != one.runs:
            found.append(f"{where} runs as a {one.runs} and not as a {was.runs}")
        if was.timeout != one.timeout:
            found.append(f"{where} has the timeout {one.timeout} and not {was.timeout}")
    return found


def _edges(before: list[EdgeInfo], now: list[EdgeInfo]) -> list[str]:
    def shown(edge: EdgeInfo) -> str:
        labels = [f" if {label}" if label else "" for label in edge.labels]
        targets = [f"{target}{label}" for target, label in zip(edge.targets, labels, strict=False)]
        return f"{edge.kind} {' + '.join(edge.sources)} -> {', '.join(targets or edge.targets)}"

    then, today = [shown(one) for one in before], [shown(one) for one in now]
    found = [f"edge {one} is gone" for one in then if one not in today]
    found += [f"edge {one} is new" for one in today if one not in then]
    return found or (["the edges are in another order"] if then != today or _ids(before) != _ids(now) else [])


def _ids(edges: list[EdgeInfo]) -> list[str]:
    return [one.id for one in edges]


def _keys(before: list[KeyInfo], now: list[KeyInfo]) -> list[str]:
    def shown(key: KeyInfo) -> str:
        initial = "" if key.initial is None else f" = {text(key.initial.tree(), 60)}"
        return f"{key.access}{initial}{f', reducer {key.reducer}' if key.reducer else ''}"

    then, today = {one.name: shown(one) for one in before}, {one.name: shown(one) for one in now}
    found = [f"state key {name!r} is gone" for name in then if name not in today]
    found += [f"state key {name!r} is new" for name in today if name not in then]
    found += [
        f"state key {name!r} is {today[name]} and not {then[name]}"
        for name in then
        if today.get(name, then[name]) != then[name]
    ]
    return found
