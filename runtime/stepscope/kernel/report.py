"""What the runtime itself finds wrong with a run, said once and in one shape (ORD-8, DLK-1..3, STA-3, STA-7, BAR-2)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ..errors import ConvergenceError, DeadlockError, StateConflictError
from ..events import ErrorInfo, Found
from ..findings import Kind
from ..journal import Journal
from ..values import text
from .locks import DEADLOCK_REMEDY
from .model import Group, HoldRecord, Invocation, Plan
from .ops import Op, describe
from .pool import Buffers, Pool
from .route import Drop
from .snapshot import Grown
from .state import CONFLICT_REMEDY

_GROWING = 64
"""A fan-in buffer of this many left-over messages is reported, and again at each doubling (ORD-4)."""


class Reporter:
    """Makes findings of one scope."""

    def __init__(self, journal: Journal, scope: int) -> None:
        self._journal = journal
        self._scope = scope
        self.superstep = 0
        self.heir: Reporter | None = None
        """Who reports what comes after this scope has ended: the scope that hosted it (SUB-1)."""
        self._grown: dict[tuple[str, int], int] = {}
        self._escaped: set[int] = set()

    def grown(self) -> list[Grown]:
        """Which buffers were reported as growing (ORD-4)."""
        return [Grown(group, source, limit) for (group, source), limit in self._grown.items()]

    def grew(self, grown: Iterable[Grown]) -> None:
        """These were reported before."""
        self._grown = {(one.group, one.source): one.limit for one in grown}

    def found(
        self,
        kind: Kind,
        clause: str,
        message: str,
        remedy: str,
        *,
        executors: list[str] | None = None,
        keys: list[str] | None = None,
        locks: list[str] | None = None,
    ) -> None:
        """Report a finding, as an event and in the run's result."""
        if self.heir is not None:
            self.heir.found(kind, clause, message, remedy, executors=executors, keys=keys, locks=locks)
            return
        journal = self._journal
        event = Found(
            journal.seq(), journal.clock(), self._scope, self.superstep, kind, message, remedy, clause,
            executors or [], keys or [], locks or [], [],
        )  # fmt: skip
        journal.found(event)

    def deadlock(self, error: DeadlockError) -> None:
        """DLK-2."""
        self.found(
            "deadlock", "DLK-2", str(error).removesuffix(DEADLOCK_REMEDY).rstrip(), DEADLOCK_REMEDY,
            executors=list(dict.fromkeys(executor for executor, _, _ in error.cycle)),
            locks=sorted({held for _, held, _ in error.cycle}),
        )  # fmt: skip

    def not_released(self, inv: Invocation, record: HoldRecord) -> None:
        """STA-7."""
        keys = ", ".join(map(repr, record.keys))
        self.found(
            "lock-not-released", "STA-7", f"{inv.executor!r} ended while it still held {keys}; it was released.",
            "Use `async with ctx.state.hold(...)` and let the block end before the handler returns.",
            executors=[inv.executor], locks=list(record.keys),
        )  # fmt: skip

    def handler_failed(self, inv: Invocation, info: ErrorInfo) -> None:
        """BAR-3."""
        self.found(
            "handler-failed", "BAR-3", f"{inv.executor!r} raised {info.type}: {info.message}",
            "The superstep was not committed; mend the handler and run again.",
            executors=[inv.executor],
        )  # fmt: skip

    def conflict(self, error: StateConflictError) -> None:
        """STA-3."""
        self.found(
            "write-conflict", "STA-3", str(error).removesuffix(CONFLICT_REMEDY).rstrip(),
            CONFLICT_REMEDY,
            executors=list(error.executors), keys=[error.key],
        )  # fmt: skip

    def dropped(self, drop: Drop, source: str) -> None:
        """ORD-8."""
        wrong_type = drop.why == "no-handler"
        self.found(
            "dropped-message", "ORD-8",
            f"a message from {source!r} ({text(drop.message.payload.tree(), 60)}) was dropped: {drop.reason}.",
            f"Give {drop.target!r} a handler for this type." if wrong_type else "Add the edge, or do not send.",
            executors=[source, drop.target] if drop.target and wrong_type else [source],
        )  # fmt: skip

    def growing(self, plan: Plan, names: list[str], buffers: Buffers) -> None:
        """ORD-4: sources that fire unequally leave messages behind."""
        for group in plan.groups:
            if group.id not in buffers or not buffers[group.id].filled:
                continue
            for source, held in zip(group.sources, buffers[group.id].queues, strict=True):
                limit = self._grown.get((group.id, source), _GROWING)
                if len(held) >= limit:
                    self._grown[group.id, source] = 2 * limit
                    self.found(
                        "starved-fan-in", "ORD-4",
                        f"the fan-in into {names[group.targets[0]]!r} holds {len(held)} messages of {names[source]!r} that "
                        f"have no partner, and the number grows.",
                        "Let every source send as often as the others; pairing is by count.",
                        executors=[names[source], names[group.targets[0]]],
                    )  # fmt: skip

    def starved(self, group: Group, names: list[str], pool: Pool) -> str:
        """DLK-3; gives the sentence."""
        held = dict(zip(group.sources, pool.queues, strict=True))
        missing = [names[source] for source in group.sources if not held[source]]
        left = ", ".join(
            f"{len(held[source])} of {names[source]!r} ({', '.join(text(m.payload.tree(), 30) for m in islice(held[source], 3))}"
            f"{', …' if len(held[source]) > 3 else ''})"
            for source in group.sources
            if held[source]
        )
        target = names[group.targets[0]]
        message = (
            f"the fan-in into {target!r} waits for {', '.join(map(repr, missing))} for ever; it still holds {left}."
        )
        self.found(
            "starved-fan-in", "DLK-3", message, "Let every source of the fan-in send equally often, or use plain edges.",
            executors=[target, *missing],
        )  # fmt: skip
        return message

    def convergence(self, plan: Plan, active: list[str], superstep: int) -> ConvergenceError:
        """DLK-1."""
        from .cycles import active_cycle

        cycle = active_cycle(plan.info, active)
        where = (
            f"the cycle {' -> '.join([*cycle, cycle[0]])} is still active"
            if cycle
            else "no cycle of the graph is active"
        )
        error = ConvergenceError(
            f"workflow {plan.name!r} is not quiescent after {superstep} supersteps: {where}; to be handled next: "
            f"{', '.join(active)}. Let the loop end, or raise max_supersteps."
        )
        error.executors = tuple(cycle or active)
        self.found(
            "non-convergence", "DLK-1", str(error), "Give the loop a condition that ends it, or raise max_supersteps.",
            executors=list(error.executors),
        )  # fmt: skip
        return error

    def not_kept(self, message: str) -> None:
        """BAR-6."""
        self.found("checkpoint-failed", "BAR-6", message, "Mend what failed, so that the run can be resumed from here.")

    def escaped(self, inv: Invocation, op: Op) -> None:
        """BAR-2, once an invocation."""
        if inv.id in self._escaped:
            return
        self._escaped.add(inv.id)
        self.found(
            "escaped-task", "BAR-2",
            f"{inv.executor!r}: {describe(op)} came after the handler (invocation {inv.id}) had ended; it was refused.",
            "Await every task a handler starts before the handler returns.",
            executors=[inv.executor],
        )  # fmt: skip

    def nondeterministic(self, inv: Invocation, why: str) -> None:
        """DET-1: the run can no longer promise to repeat itself."""
        self.found(
            "nondeterminism", "DET-1", f"{inv.executor!r}: {why}; this run may not repeat itself.",
            "Let the handler itself await each operation, one after another, and use ctx.effect for outside work.",
            executors=[inv.executor],
        )  # fmt: skip

    def stalled_superstep(self, invocations: list[Invocation], seconds: float, table: str) -> None:
        """DLK-4."""
        self.found(
            "stalled", "DLK-4", f"nothing has happened in superstep {self.superstep} for {seconds:g} s: {table}.",
            "Wrap outside work in ctx.effect, give it a timeout, and let executors meet by messages or held keys only.",
            executors=list(dict.fromkeys(inv.executor for inv in invocations)),
            locks=sorted({ticket.key for inv in invocations for ticket in inv.tickets}),
        )  # fmt: skip

    def blocked(self, inv: Invocation, what: str, seconds: float, stack: str) -> None:
        """PAR-3."""
        self.found(
            "blocked-loop", "PAR-3", f"{what} blocked the event loop for {seconds:.2f} s: {stack}.",
            "Make the handler a plain def, which runs in a thread, or give the work to ctx.effect as a plain function.",
            executors=[inv.executor],
        )  # fmt: skip

    def stalled(self, inv: Invocation, seconds: float, awaits: str, others: str, *, passed: bool) -> None:
        """DET-1, DLK-4."""
        what = "its turn was passed on" if passed else "it keeps its turn"
        if others:
            what = f"{what}, while {others}"
        self.found(
            "stalled", "DET-1", f"{inv.executor!r} has awaited {awaits} for {seconds:g} s; {what}.",
            "Wrap outside work in ctx.effect, or give it a timeout of its own.",
            executors=[inv.executor],
        )  # fmt: skip
