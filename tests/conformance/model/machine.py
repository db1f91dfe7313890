"""The reference model: the clauses as a machine that does one operation of one invocation at a time.

Written from the semantics, to be checked by reading: dictionaries, lists, no event loop. Who goes next is not its
affair: `step` is told. It logs what happens as rows of plain data, in the order and the words of the event stream:

    ("superstep", k, executors, deliveries)         ("delivered", inv, executor, position, messages, sources, payload, group)
    ("started", inv)                                ("ended", inv, outcome, error's type)      ("arrived", executor, waiting)
    ("sent", inv, message, number, target, payload) ("output", inv, number, value)
    ("read", inv, key, value)                       ("written", inv, key, op, old, new, given)
    ("waiting", inv, key, op, holder, before it)    ("acquired", inv, key, waited)
    ("released", inv, key, reason, next, queue)     ("found", kind, executors, keys, locks)
    ("routed", message, source, edge, target, decision)        ("dropped", message, source, target, why)
    ("committed", changes, messages, outputs)       ("completed",)
    ("failed", types of errors, reverted)           ("over", status, supersteps, outputs, error's type)
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from stepscope.errors import (
    ConvergenceError,
    DeadlockError,
    StarvedFanInError,
    StateConflictError,
    WorkflowError,
)
from support.programs import DEFAULT, Oops, Player, Primitive, Program

from .holds import Holds, canonical
from .invocation import END, Cancelled, Invocation, Waiting
from .memory import Memory, check
from .routing import Buffers, Delivery, Sent, ranks, route


class Model(Holds):
    """One run. After `begin`, call `step` with any of `ready()` until `over`."""

    def __init__(
        self,
        program: Program,
        stayed: Callable[[int, str], list[int]] = lambda inv, key: [],
        left: Callable[[int], bool] = lambda inv: False,
    ) -> None:
        """`stayed` says who of the cancelled still waits for a key when an invocation lets it go.

        `left` says of one that is cancelled whether it had left a block before: to leave one whose keys an outer block
        holds shows nowhere.
        """
        self.program = program
        self.stayed = stayed
        self.left = left
        self.rank = ranks(program)
        super().__init__(Memory(self.rank))
        self.superstep = 0
        self.outputs: list[Any] = []
        self.buffers: Buffers = {}
        self.inboxes: dict[str, list[Invocation]] = {}
        self.failures: list[tuple[int, Exception]] = []
        self.numbers = [0, 0]
        self.over = False
        self.error: Exception | None = None

    # -- supersteps --------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Barrier 0, and the first superstep's deliveries."""
        start = Delivery([""], [0], self.program.message, False)
        self._open({self.program.actors[0].name: [start]})

    def _open(self, inboxes: dict[str, list[Delivery]]) -> None:
        """Deliver (ORD-7), or find the run quiescent (DLK-3) or endless (DLK-1)."""
        if not inboxes:
            self._quiescent()
            return
        if self.superstep == self.program.max_supersteps:
            self._end(ConvergenceError())
            return
        self.superstep += 1
        names = sorted(inboxes, key=self.rank.__getitem__)
        actors = {actor.name: actor for actor in self.program.actors}
        self.inboxes = {}
        for name in names:
            self.inboxes[name] = []
            for position, delivery in enumerate(inboxes[name]):
                self.numbers[0] += 1
                self.inboxes[name].append(Invocation(self.numbers[0], actors[name], position, delivery))
        everyone = self.everyone()
        self.log.append(("superstep", self.superstep, names, len(everyone)))
        for inv in everyone:
            one = inv.delivery
            self.log.append(
                ("delivered", inv.number, inv.name, inv.position, one.messages, one.sources, one.payload, one.group)
            )

    def everyone(self) -> list[Invocation]:
        """This superstep's invocations: by rank, then in inbox order."""
        return [inv for inbox in self.inboxes.values() for inv in inbox]

    def startable(self) -> list[int]:
        """The next of each executor that has none running (ORD-5), in rank order; nobody once something failed."""
        if self.failures:
            return []
        firsts = [next((inv for inv in inbox if not inv.outcome), None) for inbox in self.inboxes.values()]
        return [inv.number for inv in firsts if inv is not None and inv.script is None]

    def running(self) -> list[int]:
        """Started and not ended."""
        return [inv.number for inv in self.everyone() if inv.script is not None and not inv.outcome]

    def ready(self) -> list[int]:
        """Who may go next."""
        waiting = [inv.number for inv in self.everyone() if inv.waits is not None and not self.failures]
        return sorted({*self.startable(), *self.running()} - set(waiting))

    def _leave_queue(self, inv: Invocation, key: str) -> None:
        """Sync handlers that were cancelled leave a queue before their threads do anything: part of the schedule."""
        for waiting in list(self.queues.get(key, ())) if self.failures else ():
            if waiting.inv.actor.thread and waiting.inv.number not in self.stayed(inv.number, key):
                self._cancel(waiting.inv, let_go=False)

    def _close(self) -> None:
        """The barrier, once every started invocation has ended (BAR-1, BAR-3)."""
        if self.running() or self.startable():
            return
        sends = [message for inv in self.everyone() for message in inv.sends]
        outputs = [value for inv in self.everyone() for value in inv.outputs]
        if not self.failures:
            try:
                changes = self.memory.merge()
                routing = route(self.program, sends, self.buffers)
            except (Oops, WorkflowError) as error:
                if isinstance(error, StateConflictError):
                    self.log.append(("found", "write-conflict", list(error.executors), [error.key], []))
                self.failures.append((len(self.rank), error))
        if self.failures:
            errors = [error for _, error in sorted(self.failures, key=lambda failure: failure[0])]
            self.log.append(("failed", [type(error).__name__ for error in errors], self.memory.revert()))
            self.superstep -= 1
            self._end(errors[0], "failed")
            return
        self.memory.commit(changes)
        self.buffers = routing.buffers
        self.outputs += outputs
        self.log += routing.rows
        self.log.append(("committed", changes, len(sends), len(outputs)))
        for _, _, source, target, why in routing.lost:
            self.log.append(("found", "dropped-message", [source, target] if why == "no-handler" else [source], [], []))
        self.log.append(("completed",))
        self._open(routing.inboxes)

    def _quiescent(self) -> None:
        starved: Exception | None = None
        for at, sides in sorted(self.buffers.items()):
            if any(sides.values()):
                missing = [source for source, held in sides.items() if not held]
                target = self.program.links[at].targets[0]
                self.log.append(("found", "starved-fan-in", [target, *missing], [], []))
                starved = StarvedFanInError()
        self._end(starved if self.program.strict else None)

    def _end(self, error: Exception | None, kind: str = "") -> None:
        if isinstance(error, ConvergenceError):
            self.log.append(("found", "non-convergence", [], [], []))  # whom it names is for the reader to check
        self.over = True
        self.error = error
        status = "failed" if error is not None or kind else "completed"
        self.log.append(("over", status, self.superstep, len(self.outputs)))

    # -- one step ----------------------------------------------------------------------------------------------------

    def step(self, number: int, let_go: bool = False) -> None:
        """Let an invocation go on until it has done something that shows, or waits.

        `let_go` says that one who is cancelled had not yet noticed that the key it waited for was handed to it.
        """
        (inv,) = (one for one in self.everyone() if one.number == number)
        shown = len(self.log)
        if inv.script is None:
            assert number in self.startable(), f"invocation {number} may not start"
            inv.script = Player(inv.actor, deepcopy(inv.delivery.payload)).play(inv.actor.steps)
            self.log.append(("started", number))
            self._advance(inv, None, None)
            return
        assert not inv.outcome, f"invocation {number} has ended"
        if self.failures and not inv.cancelled:
            self._cancel(inv, let_go)
        elif inv.given is not None:
            given, inv.given = inv.given, None
            self._advance(inv, *given)
        assert inv.waits is None, f"invocation {number} waits for {inv.waits}"
        while len(self.log) == shown and not inv.outcome:
            self._perform(inv)
            if inv.waits is not None:
                return
        if inv.outcome:
            self._close()

    def _advance(self, inv: Invocation, result: Any, error: BaseException | None) -> None:
        """Give the script a result, and learn what it wants next."""
        assert inv.script is not None
        try:
            inv.pending = inv.script.send(deepcopy(result)) if error is None else inv.script.throw(error)
        except StopIteration:
            inv.pending = END
        except Cancelled:
            inv.pending = END
        except (Oops, WorkflowError) as raised:
            inv.pending, inv.error = END, raised

    def _cancel(self, inv: Invocation, let_go: bool) -> None:
        """A sibling failed (BAR-3): out of the queue, and what was handed over goes on to the next (STA-5)."""
        inv.cancelled = True
        while inv.waits is None and inv.given is None and self._left_unseen(inv):
            pass
        given, inv.given = inv.given, None
        if inv.waits is not None:
            waiting, inv.waits = inv.waits, None
            self.queues[waiting.key].remove(waiting)
            if waiting.op[0] == "enter":
                self._give_up(inv, [key for key in canonical(waiting.op[1]) if key not in waiting.lacks], "ended")
        elif given == (None, None) and inv.pending[0] == "enter":
            if let_go:
                self._give_up(inv, inv.blocks.pop().keys, "ended")
            else:
                self._advance(inv, *given)
        elif inv.pending[0] == "leave":  # whatever happens, a block that is being left is left
            self._leave(inv, failed=True)
        self._advance(inv, None, Cancelled())

    def _left_unseen(self, inv: Invocation) -> bool:
        """Let it leave its innermost block, if that shows nowhere and it is said to have done so before its end."""
        between = (("pause",), ("leave", False))
        if inv.pending not in between or not self.shows_nothing(inv) or not self.left(inv.number):
            return False
        while inv.pending == ("pause",):
            self._advance(inv, None, None)
        if inv.pending != ("leave", False):
            return False
        self._leave(inv, failed=False)
        self._advance(inv, None, None)
        return True

    def _perform(self, inv: Invocation) -> None:
        """The pending operation, now or when its key is handed over."""
        op = inv.pending
        if op == END:
            self._finish(inv)
            return
        try:
            if op[0] == "enter":
                self._enter(inv, op)
                if inv.waits is not None:
                    return
                result = None
            else:
                key = op[1] if op[0] in ("get", "set", "delete", "update") else ""
                if key and check(op[0], key) == "live" and self._holder(key) not in (None, inv):
                    self._wait(Waiting(inv, key, op))
                    return
                result = self._do(inv, op)
        except (Oops, WorkflowError) as error:
            self._advance(inv, None, error)
        else:
            self._advance(inv, result, None)

    def _finish(self, inv: Invocation) -> None:
        inv.outcome = "cancelled" if inv.cancelled else "failed" if inv.error is not None else "completed"
        failed = inv.outcome == "failed" and inv.error
        self.log.append(("ended", inv.number, inv.outcome, type(inv.error).__name__ if failed else None))
        if failed:
            self.failures.append((self.rank[inv.name], failed))
            if not isinstance(failed, DeadlockError):  # reported as it formed
                self.log.append(("found", "handler-failed", [inv.name], [], []))
        left = [one for one in self.inboxes[inv.name] if not one.outcome]
        if inv.outcome == "completed" and not left:
            waiting = [inbox for inbox in self.inboxes.values() if any(one.outcome != "completed" for one in inbox)]
            self.log.append(("arrived", inv.name, len(waiting)))

    # -- operations --------------------------------------------------------------------------------------------------

    def _do(self, inv: Invocation, op: Primitive) -> Any:
        """An operation that need not wait."""
        me, memory = inv.name, self.memory
        match op:
            case ("pause",):
                return None
            case ("get", key):
                check("get", key)
                value = memory.get(me, key)
                self.log.append(("read", inv.number, key, value))
                return DEFAULT if value is None else value
            case ("set" | "delete", key, *values):
                check(op[0], key)
                self._write(inv, op[0], key, values[0] if values else None)
            case ("update", key, function):
                check("update", key)
                new = function(memory.get(me, key))
                self._write(inv, "update", key, new)
                return new
            case ("add", key, item):
                check("add", key)
                memory.add(me, key, item)
                self.log.append(("written", inv.number, key, "add", None, None, deepcopy(item)))
            case ("send", payload, target):
                self.numbers[1] += 1
                number = sum(len(one.sends) for one in self.inboxes[me])
                inv.sends.append(Sent(self.numbers[1], me, target, deepcopy(payload)))
                self.log.append(("sent", inv.number, self.numbers[1], number, target, deepcopy(payload)))
            case ("output", value):
                number = sum(len(one.outputs) for one in self.inboxes[me])
                inv.outputs.append(deepcopy(value))
                self.log.append(("output", inv.number, number, deepcopy(value)))
            case ("leave", failed):
                self._leave(inv, failed)
        return None

    def _write(self, inv: Invocation, verb: str, key: str, new: Any) -> None:
        old = self.memory.get(inv.name, key)
        self.memory.put(inv.name, key, new)
        for block in inv.blocks[::-1]:
            if key in block.keys:
                block.wrote.add(key)
                break
        self.log.append(("written", inv.number, key, verb, old, deepcopy(new), None))
