"""What each operation of a handler does, at its place in the total order (ORD-7, STA-1..9, BAR-2, DET-3).

An operation of an invocation that has ended is refused here (the fence); one on a key that another invocation holds
becomes a ticket.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any

from ..errors import SuperstepOverError
from ..events import EffectEnded, EffectStarted, OutputYielded, Sent, StateRead, StateWritten
from ..journal import Journal
from ..values import Value
from .locks import Locks
from .model import HoldRecord, Invocation, Message, Ticket
from .ops import Acquire, Add, BeginEffect, EndEffect, Get, Op, Release, Send, Set, Update, Yield
from .report import Reporter
from .state import State

_SOURCE = attrgetter("source")
_RANK = itemgetter(0)


class Operations:
    """Carries out the operations of one scope."""

    def __init__(self, journal: Journal, scope: int, state: State, report: Reporter) -> None:
        self.journal = journal
        self.scope = scope
        self.state = state
        self.report = report
        self.locks = Locks(journal, scope, self._perform, report.deadlock)
        self.superstep = 0
        self._sent: list[Message] = []
        self._yielded: list[tuple[int, str, Value]] = []
        self._send_numbers: dict[int, int] = {}
        self._yield_numbers: dict[int, int] = {}
        self._apply: dict[type, Callable[[Invocation, Any], Any]] = {
            Send: self._send, Yield: self._yield, Get: self._get, Set: self._set, Add: self._add,
            Update: self._update, Acquire: self._acquire, Release: self._release,
            BeginEffect: self._begin_effect, EndEffect: self._end_effect,
        }  # fmt: skip

    def begin(self, superstep: int) -> None:
        """A superstep begins: nothing is sent and nothing yielded yet."""
        self.superstep = self.locks.superstep = superstep
        self._sent.clear()
        self._yielded.clear()
        self._send_numbers.clear()
        self._yield_numbers.clear()

    def sent(self) -> list[Message]:
        """What was sent in this superstep, in canonical order (ORD-2).

        An executor's own sends come in the order of their numbers (ORD-5), and the sort keeps it.
        """
        return sorted(self._sent, key=_SOURCE)

    def yielded(self) -> list[tuple[int, str, Value]]:
        """Rank, executor and value of this superstep's outputs, in canonical order (ORD-6)."""
        return sorted(self._yielded, key=_RANK)

    def apply(self, inv: Invocation, op: Op) -> Any:
        """Perform an operation at the next place in the total order; a `Ticket` means that it has to wait.

        Raises `SuperstepOverError` after the invocation ended (BAR-2), and what the operation itself may raise.
        """
        if inv.outcome is not None or not inv.started:
            raise self.refuse(inv, op)
        return self._apply[type(op)](inv, op)

    def refuse(self, inv: Invocation, op: Op) -> SuperstepOverError:
        """The fence's error, reported once an invocation (BAR-2)."""
        self.report.escaped(inv, op)
        return SuperstepOverError(
            f"executor {inv.executor!r}: an operation came after invocation {inv.id} had ended (superstep "
            f"{self.superstep} or before); await what a handler starts before it returns. Nothing was changed."
        )

    def _perform(self, ticket: Ticket) -> None:
        """A plain operation's turn has come; the key is not held at this moment."""
        try:
            ticket.result = self._apply[type(ticket.op)](ticket.inv, ticket.op)
        except BaseException as error:  # it is the waiting handler's, not that of whoever let the key go
            ticket.error = error
        ticket.done = True

    def _send(self, inv: Invocation, op: Send) -> None:
        rank = inv.rank
        number = self._send_numbers.get(rank, 0)
        self._send_numbers[rank] = number + 1
        journal = self.journal
        message = Message(journal.message(), rank, number, op.target, op.payload)
        self._sent.append(message)
        if journal.on:
            journal.append(
                Sent(
                    journal.seq(), journal.clock(), self.scope, self.superstep, inv.id, inv.executor, message.id,
                    number, op.target, op.payload, op.line,
                )
            )  # fmt: skip

    def _yield(self, inv: Invocation, op: Yield) -> None:
        number = self._yield_numbers.get(inv.rank, 0)
        self._yield_numbers[inv.rank] = number + 1
        self._yielded.append((inv.rank, inv.executor, op.value))
        journal = self.journal
        if journal.on:
            journal.append(
                OutputYielded(
                    journal.seq(), journal.clock(), self.scope, self.superstep, inv.id, inv.executor, number, op.value,
                    op.line,
                )
            )  # fmt: skip

    def _get(self, inv: Invocation, op: Get) -> Any:
        access = self.state.check(inv, "get", op.key)
        if access == "live" and self.locks.blocks(inv, op.key):
            return self._wait(inv, op, op.key)
        value = self.state.read(inv, op.key, access)
        journal = self.journal
        if journal.on:
            journal.append(
                StateRead(
                    journal.seq(), journal.clock(), self.scope, self.superstep, inv.id, inv.executor, op.key, access,
                    value, op.line,
                )
            )  # fmt: skip
        return op.default if value is None else value.fresh()

    def _set(self, inv: Invocation, op: Set) -> Ticket | None:
        verb = "set" if op.value is not None else "delete"
        access = self.state.check(inv, verb, op.key)
        if access == "live" and self.locks.blocks(inv, op.key):
            return self._wait(inv, op, op.key)
        self._write(inv, op.key, access, verb, op.value, op.line)
        return None

    def _update(self, inv: Invocation, op: Update) -> Any:
        access = self.state.check(inv, "update", op.key)
        if access == "live" and self.locks.blocks(inv, op.key):
            return self._wait(inv, op, op.key)
        before = self.state.read(inv, op.key, access)
        after = op.function(None if before is None else before.fresh())
        new = Value.of(after, "executor {!r} updated state key {!r}", inv.executor, op.key)
        self._write(inv, op.key, access, "update", new, op.line)
        return new.fresh()

    def _write(self, inv: Invocation, key: str, access: Any, verb: str, new: Value | None, line: int) -> None:
        old = self.state.write(inv, key, access, new)
        self._written(inv, key, access, verb, old, new, line)

    def _written(
        self, inv: Invocation, key: str, access: Any, verb: Any, old: Value | None, new: Value | None, line: int,
        given: Value | None = None,
    ) -> None:  # fmt: skip
        journal = self.journal
        if journal.on:
            journal.append(
                StateWritten(
                    journal.seq(), journal.clock(), self.scope, self.superstep, inv.id, inv.executor, key, access, verb,
                    old, new, line, given,
                )
            )  # fmt: skip

    def _add(self, inv: Invocation, op: Add) -> None:
        access = self.state.check(inv, "add", op.key)
        self.state.contribute(inv, op.key, op.value)
        self._written(inv, op.key, access, "add", None, None, op.line, op.value)

    def _acquire(self, inv: Invocation, op: Acquire) -> HoldRecord | Ticket:
        for key in op.keys:
            self.state.check(inv, "hold", key)
        return self.locks.acquire(inv, op)

    def _release(self, inv: Invocation, op: Release) -> None:
        record = op.record
        if not record.open:
            return
        if op.undo:
            for key, old, new in self.state.undo(inv, record):
                self._written(inv, key, "live", "undo", old, new, op.line)
        else:
            self.state.keep(inv, record)
        self.locks.release(inv, record, "error" if op.undo else "exit", op.line)

    def _wait(self, inv: Invocation, op: Op, key: str) -> Ticket:
        ticket = Ticket(inv, op, key)
        self.locks.wait(ticket)
        return ticket

    def _begin_effect(self, inv: Invocation, op: BeginEffect) -> int:
        inv.effects += 1
        journal = self.journal
        if journal.on:
            journal.append(
                EffectStarted(
                    journal.seq(), journal.clock(), self.scope, self.superstep, inv.id, inv.executor, inv.effects,
                    op.name, op.line,
                )
            )  # fmt: skip
        return inv.effects

    def _end_effect(self, inv: Invocation, op: EndEffect) -> None:
        journal = self.journal
        if journal.on:
            journal.append(
                EffectEnded(
                    journal.seq(), journal.clock(), self.scope, self.superstep, inv.id, inv.executor, op.number,
                    op.name, op.result, op.error,
                )
            )  # fmt: skip
