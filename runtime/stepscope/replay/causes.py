"""The likely cause of a divergence, and the way out (DET-4)."""

from __future__ import annotations

import sys
from typing import TypeAlias

from ..events import (
    AnyEvent,
    EffectEnded,
    EffectStarted,
    Event,
    GraphInfo,
    HandlerEnded,
    HandlerInfo,
    LockAcquired,
    OutputYielded,
    RunStarted,
    Sent,
    StateRead,
    StateWritten,
)
from ..values import Value
from .checker import Mismatch
from .graphs import differences
from .same import Comparison
from .script import Script, owner
from .sources import Sources

Graphs: TypeAlias = list[tuple[GraphInfo, GraphInfo]]
_MADE_BY_HANDLERS = (Sent, StateRead, StateWritten, LockAcquired, EffectStarted, OutputYielded, HandlerEnded)


class Causes:
    """Looks for the likeliest cause, the surest first."""

    def __init__(self, python: str, graphs: Graphs, sources: Sources) -> None:
        """`python` is the recorded version; `graphs` those of the run and its sub-workflows, then and now."""
        self._python_then = python
        self._graphs = graphs
        self._sources = sources

    def of(self, found: Mismatch, script: Script) -> str:
        """A sentence or two."""
        recorded, now = found.recorded, found.now
        if isinstance(recorded, RunStarted) and isinstance(now, RunStarted):
            return self._start(recorded, now)
        executor = getattr(recorded, "executor", "") or getattr(now, "executor", "")
        changed = self._changed(executor)
        if changed:
            return changed
        rest = script.rest_of(owner(recorded)) if recorded is not None else []
        if now is not None and recorded is not None and _only_order_differs(recorded, now, rest):
            return (
                "The same things happen in another order, and the handler's code is the same as far as is known: it "
                "probably goes through a set, or something else without an order; go through sorted(...) instead."
            )
        if isinstance(now, EffectStarted) or isinstance(recorded, EffectStarted):
            return f"An effect was asked for differently.{self._unrecorded(executor)}"
        if isinstance(recorded, EffectEnded) or found.now is None:
            return (
                "The handler waits for something that does not come this time, outside the runtime or in another order; "
                "let it go through ctx.effect, which is recorded." + self._unrecorded(executor)
            )
        if isinstance(now, HandlerEnded) and now.error is not None:
            return f"The handler raises this time.{self._unrecorded(executor)}"
        if isinstance(recorded, _MADE_BY_HANDLERS) or isinstance(now, _MADE_BY_HANDLERS):
            what = "The value differs" if type(recorded) is type(now) else "Another operation comes"
            return f"{what}.{self._unrecorded(executor)}"
        return f"A condition, a selection function, a reducer or the builder's options have changed.{self._python()}"

    def _start(self, recorded: RunStarted, now: RunStarted) -> str:
        found = differences(recorded.graph, now.graph)
        if found:
            return f"The graph is another than the recorded one: {'; '.join(found)}."
        return "The input is not stored as it was: its class has changed."

    def _changed(self, executor: str) -> str:
        """A sentence if the executor's code is known to be another."""
        for before, now in self._handlers(executor):
            if self._sources.handler_changed(before, now):
                return f"The code of handler {now.name!r} of {executor!r} has changed since the recording."
        for before, now in self._handlers(executor):
            beside = self._sources.changed_beside(before, now)
            if beside:
                return (
                    f"The handler of {executor!r} is as it was, but its file has changed since the recording, in "
                    f"{', '.join(beside[:5])}{', …' if len(beside) > 5 else ''}."
                )
        return ""

    def _unrecorded(self, executor: str) -> str:
        known = [self._sources.handler_changed(before, now) for before, now in self._handlers(executor)]
        if known and all(one is False for one in known):
            first = " The handler's code is as it was, so what it does hangs on something that is not recorded"
        else:
            first = " The code has changed since the recording, or what it does hangs on something that is not recorded"
        return (
            f"{first}: the time, randomness, a file or the network; use ctx.now, ctx.random, ctx.uuid and ctx.effect for "
            f"these.{self._python()}"
        )

    def _handlers(self, executor: str) -> list[tuple[HandlerInfo, HandlerInfo]]:
        """An executor's handlers, then and now."""
        found = []
        for before, now in self._graphs:
            then = {one.id: one.handlers for one in before.executors}.get(executor, [])
            today = {one.id: one.handlers for one in now.executors}.get(executor, [])
            found += [pair for pair in zip(then, today, strict=False) if pair[0].file]
        return found

    def _python(self) -> str:
        now = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
        then = self._python_then
        return f" It was recorded with Python {then}; this is {now}." if then and then != now else ""


def _only_order_differs(recorded: Event, now: AnyEvent, rest: list[AnyEvent]) -> bool:
    """Whether what happens now was recorded for later, or is the recorded value with its items in another order."""
    if type(recorded) is not type(now) or isinstance(now, HandlerEnded):
        return False
    pairs = ((getattr(recorded, name), getattr(now, name)) for name in recorded.__struct_fields__)
    if any(isinstance(was, Value) and isinstance(value, Value) and _permuted(was, value) for was, value in pairs):
        return True
    known = Comparison()  # sends and outputs are numbered in their order
    return any(not set(known.differing(later, now)) - {"message", "number"} for later in rest[1:])


def _permuted(before: Value, after: Value) -> bool:
    a, b = before.tree(), after.tree()
    return isinstance(a, list) and isinstance(b, list) and a != b and sorted(map(repr, a)) == sorted(map(repr, b))
