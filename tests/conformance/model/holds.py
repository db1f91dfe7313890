"""The part of the reference machine that holds keys: queues, hand-over, undone writes, cycles of waits (STA-5, STA-6, DLK-2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import Any

from stepscope.errors import DeadlockError, WorkflowError
from support.programs import Oops, Primitive

from .invocation import Block, Invocation, Waiting
from .memory import Memory, check
from .routing import Row


class Holds(ABC):
    """Who holds which key and who waits for it. `machine.Model` is the rest."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.log: list[Row] = []
        self.held: dict[str, list[Invocation]] = {}
        """By key, who holds it, as often as it entered."""
        self.queues: dict[str, list[Waiting]] = {}
        self.freed: list[str] = []
        """Keys that were let go and are still to be handed on."""
        self.serving = False
        self.cycles: list[list[tuple[str, str, str]]] = []
        """Of each deadlock: along the cycle, who holds what and wants what."""

    @abstractmethod
    def _do(self, inv: Invocation, op: Primitive) -> Any:
        """Carry out a plain operation whose key is free."""

    @abstractmethod
    def _leave_queue(self, inv: Invocation, key: str) -> None:
        """`inv` lets the key go: whoever is gone already leaves its queue."""

    def _holder(self, key: str) -> Invocation | None:
        held = self.held.get(key)
        return held[0] if held else None

    def _wait(self, waiting: Waiting) -> None:
        """Join the key's queue, unless that closes a cycle."""
        inv, key, op = waiting.inv, waiting.key, waiting.op
        queue = self.queues.setdefault(key, [])
        holder = self._holder(key) or queue[0].inv
        name = "hold" if op[0] == "enter" else op[0]
        self.log.append(("waiting", inv.number, key, name, holder.number, [one.inv.number for one in queue]))
        along, at = [waiting], holder
        while at is not inv and at.waits is not None and self._holder(at.waits.key) is not None:
            along.append(at.waits)
            after = self._holder(at.waits.key)
            assert after is not None
            at = after
        if at is inv and self._holder(key) is not None:
            cycle = [(one.inv.name, along[i - 1].key, one.key) for i, one in enumerate(along)]
            self.cycles.append(cycle)
            names = list(dict.fromkeys(name for name, _, _ in cycle))
            self.log.append(("found", "deadlock", names, [], sorted({held for _, held, _ in cycle})))
            raise DeadlockError
        inv.waits = waiting
        queue.append(waiting)

    def _enter(self, inv: Invocation, op: Primitive) -> None:
        for key in canonical(op[1]):
            check("hold", key)
        self._take(Waiting(inv, "", op, canonical(op[1])))

    def _take(self, waiting: Waiting) -> bool:
        """Take keys in canonical order, as far as they are free; whether the block is entered.

        A key that was let go and has not been handed on yet is for those who wait for it.
        """
        inv, keys = waiting.inv, canonical(waiting.op[1])
        while waiting.lacks:
            key = waiting.lacks[0]
            others_first = self._holder(key) is None and self.queues.get(key) and waiting.key != key
            if others_first or self._holder(key) not in (None, inv):
                waiting.key = key
                try:
                    self._wait(waiting)
                except DeadlockError:
                    self._give_up(inv, [one for one in keys if one not in waiting.lacks], "ended")
                    raise
                return False
            if self._holder(key) is None:
                self.log.append(("acquired", inv.number, key, waiting.key == key))
            self.held.setdefault(key, []).append(inv)
            waiting.lacks.pop(0)
        inv.blocks.append(Block(keys, {key: self.memory.get(inv.name, key) for key in keys}))
        return True

    def shows_nothing(self, inv: Invocation) -> bool:
        """Whether leaving the innermost block well is no event, and yet something: an outer one answers for its writes."""
        if not inv.blocks:
            return False
        block = inv.blocks[-1]
        return bool(block.wrote) and all(len(self.held[key]) > 1 for key in block.keys)

    def _leave(self, inv: Invocation, failed: bool) -> None:
        """All or nothing: undo, or let the enclosing block answer for the writes."""
        block = inv.blocks.pop()
        for key in sorted(block.wrote):
            if failed:
                old = self.memory.get(inv.name, key)
                self.memory.put(inv.name, key, block.before[key])
                self.log.append(("written", inv.number, key, "undo", old, deepcopy(block.before[key]), None))
            else:
                outer = next((one for one in inv.blocks[::-1] if key in one.keys), None)
                if outer is not None:
                    outer.wrote.add(key)
        self._give_up(inv, block.keys, "error" if failed else "exit")

    def _give_up(self, inv: Invocation, keys: list[str], reason: str) -> None:
        """Let all keys go that no outer block holds, then hand each on, in canonical order (STA-5)."""
        freed = []
        for key in keys:
            self.held[key].pop()
            if not self.held[key]:
                self._leave_queue(inv, key)
                freed.append(key)
        for key in freed:
            queue = [one.inv.number for one in self.queues.get(key, [])]
            self.log.append(("released", inv.number, key, reason, queue[0] if queue else 0, queue))
        self.freed += freed
        if self.serving:
            return
        self.serving = True
        while self.freed:
            key = self.freed.pop(0)
            while self.queues.get(key) and self._holder(key) is None:
                self._serve(self.queues[key].pop(0))
        self.serving = False

    def _serve(self, waiting: Waiting) -> None:
        """It was its turn: a plain operation happens now, a hold owns the key from now on."""
        inv = waiting.inv
        inv.waits = None
        try:
            if waiting.op[0] != "enter":
                inv.given = (self._do(inv, waiting.op), None)
            elif self._take(waiting):
                inv.given = (None, None)
        except (Oops, WorkflowError) as error:
            inv.given = (None, error)


def canonical(keys: tuple[str, ...]) -> list[str]:
    """Every key once, in the one order in which keys are taken."""
    return sorted(set(keys))
