"""One scope of a run, superstep by superstep: deliver, run, meet at the barrier, commit (ORD-5..8, BAR-1..3, DLK-1..3).

A driver calls `begin` or `restore` once, then for each superstep `open`, `start`/`apply`/`end` of its invocations, and
`close`, or with a checkpoint in between `commit` and `announce`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..digest import Digest
from ..errors import (
    DeadlockError,
    DroppedMessageError,
    StarvedFanInError,
    StateConflictError,
    SuperstepError,
    WorkflowError,
    superstep_error,
)
from ..events import (
    BarrierArrived,
    Committed,
    Delivered,
    Dropped,
    ErrorInfo,
    HandlerEnded,
    HandlerStarted,
    Routed,
    SuperstepCompleted,
    SuperstepFailed,
    SuperstepStarted,
    TimedOut,
)
from ..journal import Journal
from ..values import Value, text
from .model import Invocation, Message, Outcome, Plan, Ticket
from .operations import Operations
from .ops import Op
from .pool import Buffers
from .report import Reporter
from .route import Decision, Drop, Parcel, Router, Routing
from .snapshot import Snapshot, buffered, parcels, pools, waiting
from .state import State

Inboxes: TypeAlias = list[list[Invocation]]
"""A superstep's invocations: one list an executor, in rank order, each in inbox order (ORD-2)."""

Describe: TypeAlias = Callable[[BaseException], ErrorInfo]


class Kernel:
    """The semantics of one scope. See the module's docstring for the order of calls."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        *,
        scope: int = 0,
        prefix: str = "",
        strict: bool = False,
        describe: Describe,
    ) -> None:
        """`describe` turns an exception into data; `prefix` goes before executor ids of a sub-workflow (SUB-1)."""
        self.plan = plan
        self.place = ""
        """Which delivery of the surrounding scopes this one runs in: its random streams differ by it (DET-3)."""
        self.journal = journal
        self.scope = scope
        self.names = [prefix + node.id for node in plan.nodes]
        self.superstep = 0
        self.outputs: list[Value] = []
        self.report = Reporter(journal, scope)
        self.state = State(plan.keys)
        self._strict = strict
        self._describe = describe
        self._router = Router(plan, self.names)
        self._operations = Operations(journal, scope, self.state, self.report)
        self._locks = self._operations.locks
        self.apply: Callable[[Invocation, Op], Any] = self._operations.apply
        """Perform an operation; see `Operations.apply`."""
        self.withdraw: Callable[[Ticket], None] = self._locks.withdraw
        """The one who waits for a ticket was cancelled (STA-5)."""
        self._buffers: Buffers = {}
        self._next: dict[int, list[Parcel]] = {}
        self._inboxes: Inboxes = []
        self._left: dict[int, int] = {}
        self._arrivals = 0
        self.failures: list[tuple[int, Exception]] = []
        """What failed the superstep, with ranks; if there is any, it can no longer commit (BAR-3)."""
        self._digest: Digest | None = None
        self._open = False

    # -- the run -------------------------------------------------------------------------------------------------

    def check_input(self, payload: Value) -> Any:
        """The start executor's handler for the input. Raises `WorkflowError` if none takes it."""
        start = self.plan.nodes[self.plan.start]
        handler = start.match(payload.peek)
        if handler is None:
            raise WorkflowError(
                f"workflow {self.plan.name!r}: its start executor {start.id!r} takes {start.takes}, not the input "
                f"{text(payload.tree(), 80)}."
            )
        return handler

    def begin(self, payload: Value) -> None:
        """Barrier 0: the input has arrived, nothing has run. Raises as `check_input` does."""
        handler = self.check_input(payload)
        initial = sorted(self.state.committed.items())
        self._digest = Digest(self.names[self.plan.start], payload, initial)
        self._next = {self.plan.start: [Parcel(-1, payload, [0], [""], handler)]}

    def snapshot(self) -> Snapshot:
        """All that `restore` needs to go on from this barrier (BAR-4)."""
        assert self._digest is not None
        assert not self._open, "a checkpoint is taken only at a barrier"
        invocations, messages = self.journal.numbers()
        return Snapshot(
            superstep=self.superstep,
            chain=self._digest.chain,
            invocations=invocations,
            messages=messages,
            state=[(key, value) for key, value in sorted(self.state.committed.items()) if value is not None],
            outputs=list(self.outputs),
            waiting=waiting(self._next),
            buffered=buffered(self._buffers),
            grown=self.report.grown(),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Instead of `begin`: be where the kernel was that gave the snapshot (BAR-5). Its plan must have been alike.

        Raises `WorkflowError` for a waiting message that no handler takes.
        """
        self.superstep = self.report.superstep = snapshot.superstep
        self._digest = Digest.continued(snapshot.chain)
        self.state.committed = dict(snapshot.state)
        self.outputs = list(snapshot.outputs)
        self.journal.number_from(snapshot.invocations, snapshot.messages)
        self.report.grew(snapshot.grown)
        self._next = parcels(self.plan, snapshot.waiting)
        self._buffers = pools(self.plan, snapshot.buffered)

    @property
    def digest(self) -> str:
        """Of what is committed so far (DET-1)."""
        return "" if self._digest is None else self._digest.hex()

    def open(self) -> Inboxes:
        """Deliver what the last superstep sent (ORD-7); an empty answer means the run is quiescent.

        Raises `ConvergenceError` (DLK-1), and in a strict run `StarvedFanInError` (DLK-3).
        """
        if not self._next:
            self._starved()
            return []
        if self.superstep >= self.plan.max_supersteps:
            raise self.report.convergence(self.plan, [self.names[rank] for rank in sorted(self._next)], self.superstep)
        self.superstep += 1
        self.report.superstep = self.superstep
        self._operations.begin(self.superstep)
        journal, names = self.journal, self.names
        inboxes: Inboxes = []
        for rank in sorted(self._next):
            name = names[rank]
            inbox: list[Invocation] = []
            for position, p in enumerate(self._next[rank]):
                number = journal.invocation()
                inbox.append(
                    Invocation(self, number, rank, name, position, p.payload, p.messages, p.sources, p.handler)
                )
            inboxes.append(inbox)
        self._inboxes = inboxes
        self._open = True
        self._left = {inbox[0].rank: len(inbox) for inbox in inboxes}
        self._arrivals = len(inboxes)
        if journal.on:
            step, scope, now = self.superstep, self.scope, journal.clock()
            journal.append(
                SuperstepStarted(
                    journal.seq(), now, scope, step, [inbox[0].executor for inbox in inboxes],
                    sum(map(len, inboxes)),
                )
            )  # fmt: skip
            for inbox in inboxes:
                for inv in inbox:
                    journal.append(
                        Delivered(
                            journal.seq(), now, scope, step, inv.id, inv.executor, inv.position,
                            inv.messages, inv.sources, inv.payload, len(inv.messages) > 1,
                        )
                    )  # fmt: skip
        return inboxes

    def start(self, inv: Invocation) -> Any:
        """The invocation begins (ORD-5: the driver starts an executor's next only after the last ended).

        Gives an isolated copy of the payload (ORD-3); `inv.handler` was chosen when it was routed.
        """
        inv.started = True
        journal = self.journal
        if journal.on:
            event = HandlerStarted(
                journal.seq(), journal.clock(), self.scope, self.superstep, inv.id, inv.executor, inv.handler.name
            )
            journal.append(event)
            inv.begun = event
        return inv.payload.fresh()

    def end(self, inv: Invocation, outcome: Outcome, error: BaseException | None = None) -> None:
        """The invocation has its terminal outcome; it is fenced from now on (BAR-2, STA-7)."""
        if inv.outcome is not None:
            return
        if inv.holds or inv.tickets:
            self._let_go(inv, outcome)
        inv.outcome = outcome
        journal = self.journal
        info = None if error is None else self._failed(inv, error)
        now = 0
        if journal.on:
            now = journal.clock()
            told = info if outcome == "failed" else None
            journal.append(
                HandlerEnded(journal.seq(), now, self.scope, self.superstep, inv.id, inv.executor, outcome, told)
            )
        if info is not None and not isinstance(error, DeadlockError):  # that one was reported when it formed
            self.report.handler_failed(inv, info)
        self._left[inv.rank] -= 1
        if not self._left[inv.rank] and outcome == "completed":
            self._arrivals -= 1
            if journal.on:
                journal.append(
                    BarrierArrived(journal.seq(), now, self.scope, self.superstep, inv.executor, self._arrivals)
                )

    def _failed(self, inv: Invocation, error: BaseException) -> ErrorInfo:
        """The superstep cannot commit because of this invocation."""
        if isinstance(error, Exception):
            self.failures.append((inv.rank, error))
        else:
            said = f"executor {inv.executor!r}: the handler ended with {type(error).__name__}"
            self.failures.append((inv.rank, WorkflowError(said)))
        return self._describe(error)

    def timed_out(self, inv: Invocation, seconds: float, waiting_for: str) -> None:
        """Its timeout fires here; it has still to end (PAR-4)."""
        journal = self.journal
        if journal.on:
            journal.append(
                TimedOut(
                    journal.seq(), journal.clock(), self.scope, self.superstep, inv.id, inv.executor, float(seconds),
                    waiting_for,
                )
            )  # fmt: skip

    def _let_go(self, inv: Invocation, outcome: Outcome) -> None:
        """Take it out of every queue, release what it holds (STA-7), refuse what waits for it still (BAR-2)."""
        tickets = inv.tickets
        for ticket in tickets:
            self._locks.withdraw(ticket)
        for record in reversed(inv.holds):
            if outcome == "completed":
                self.report.not_released(inv, record)
            self._locks.release(inv, record, "ended", 0)
        inv.outcome = outcome
        for ticket in tickets:  # a task that the handler left behind waits there
            ticket.error = self._operations.refuse(inv, ticket.op)
            ticket.done = True
            if ticket.wake is not None:
                ticket.wake()

    def fail(self, error: Exception) -> None:
        """The superstep cannot commit for a reason outside every handler."""
        self.failures.append((len(self.names), error))

    def table(self) -> list[tuple[str, Invocation, list[Invocation]]]:
        """Held keys: key, owner, who waits (DLK-4's table)."""
        return self._locks.table()

    # -- the barrier ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Pass the barrier: `commit`, with no checkpoint to take, and `announce`. Raises `SuperstepError`."""
        self.commit()
        self.announce()

    def announce(self) -> None:
        """The superstep is over and committed, and its checkpoint, if any, is kept (BAR-1)."""
        journal = self.journal
        if journal.on:
            journal.append(SuperstepCompleted(journal.seq(), journal.clock(), self.scope, self.superstep))

    def commit(self) -> None:
        """Every started invocation has ended: merge and commit (BAR-1), or commit nothing and raise (BAR-3).

        Raises `SuperstepError`; the kernel is then as it was at the last barrier.
        """
        if not self.failures:
            try:
                changes = self.state.prepare()
                sends = self._operations.sent()
                routing = self._router.route(sends, self._buffers, explain=self.journal.on)
                if self._strict and routing.drops:
                    raise self._dropped(routing.drops)
            except Exception as error:
                if isinstance(error, StateConflictError):
                    self.report.conflict(error)
                self.failures.append((len(self.names), error))
            except BaseException as error:
                what = f"a condition, selection function or reducer ended with {type(error).__name__}"
                self.fail(WorkflowError(f"{what} at the barrier of superstep {self.superstep}."))
                failure = self._abandon()
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
                raise failure from error
            else:
                self._commit(changes, sends, routing)
                return
        raise self._abandon()

    def cancel(self) -> None:
        """The scope was cancelled from outside: nothing of a superstep that was under way is committed."""
        if self._open:
            self._abandon(cancelled=True)

    def _commit(self, changes: list[Any], sends: list[Message], routing: Routing) -> None:
        assert self._digest is not None
        self._open = False
        names = self.names
        self.state.adopt(changes)
        outputs = self._operations.yielded()
        self.outputs.extend([value for _, _, value in outputs])
        self._buffers.update(routing.buffers)
        self._next = routing.inboxes
        self._digest.add(
            self.superstep,
            [(names[message.source], message.target, message.payload.canonical()) for message in sends],
            [(change.key, None if change.new is None else change.new.canonical()) for change in changes],
            [(executor, value.canonical()) for _, executor, value in outputs],
        )
        journal = self.journal
        if journal.on:
            self._routed(routing)
            step, scope = self.superstep, self.scope
            journal.append(Committed(journal.seq(), journal.clock(), scope, step, changes, len(sends), len(outputs)))
        for drop in routing.drops:
            self.report.dropped(drop, names[drop.message.source])
        if routing.buffers:
            self.report.growing(self.plan, names, routing.buffers)

    def _routed(self, routing: Routing) -> None:
        journal, scope, step, names = self.journal, self.scope, self.superstep, self.names
        now = journal.clock()
        for one in routing.steps:
            message = one.message
            if isinstance(one, Decision):
                journal.append(
                    Routed(
                        journal.seq(), now, scope, step, message.id, names[message.source], one.group.id,
                        names[one.target], one.decision, one.reason,  # type: ignore[arg-type]
                    )
                )  # fmt: skip
            else:
                journal.append(
                    Dropped(
                        journal.seq(), now, scope, step, message.id, names[message.source], one.target,
                        one.why, one.reason,  # type: ignore[arg-type]
                    )
                )  # fmt: skip

    def _abandon(self, cancelled: bool = False) -> SuperstepError:
        self.failures.sort(key=lambda item: item[0])
        self._open = False
        failures = [error for _, error in self.failures]
        self.failures = []
        reverted = self.state.abandon()
        journal = self.journal
        if journal.on:
            infos = [self._describe(error) for error in failures]
            journal.append(SuperstepFailed(journal.seq(), journal.clock(), self.scope, self.superstep, infos, reverted))
        failed_at, self.superstep = self.superstep, self.superstep - 1
        if cancelled:
            failures = failures or [WorkflowError("cancelled")]
        first = self._describe(failures[0])
        more = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
        return superstep_error(
            f"superstep {failed_at} of workflow {self.plan.name!r} failed and committed nothing: "
            f"{first.type}: {first.message}{more}",
            failures,
            failed_at,
        )

    def _dropped(self, drops: list[Drop]) -> DroppedMessageError:
        rows = "; ".join(
            f"from {self.names[drop.message.source]!r}, {text(drop.message.payload.tree(), 40)}: {drop.reason}"
            for drop in drops
        )
        return DroppedMessageError(f"{len(drops)} message(s) would be dropped, and the run is strict: {rows}.")

    def _starved(self) -> None:
        errors = []
        for group in self.plan.groups:
            held = self._buffers.get(group.id)
            if held is not None and held.filled:
                errors.append(self.report.starved(group, self.names, held))
        if errors and self._strict:
            raise StarvedFanInError(" ".join(errors))
