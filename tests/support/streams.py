"""Event streams made by hand: a builder that keeps the rules of the event stream, without a runtime.

`Stream` is told what handlers do, in the order it happens, and writes the events a run would have recorded:
numbers, inboxes, hand-overs of locks, pending writes, the barrier's decisions and its commit. Times are made up
but rising. `support.random_streams` drives it at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from stepscope import events as ev
from stepscope.values import Value


def value(obj: object) -> Value:
    """A stored value."""
    return Value.of(obj, "test")


def snapshot(name: str, initial: object = None) -> ev.KeyInfo:
    """A declared snapshot key; None: no initial value."""
    return ev.KeyInfo(name, "snapshot", "", None if initial is None else value(initial))


def live(name: str, initial: object = None) -> ev.KeyInfo:
    """A declared live key."""
    return ev.KeyInfo(name, "live", "", None if initial is None else value(initial))


def reducer(name: str, initial: object = 0) -> ev.KeyInfo:
    """A declared reducer key that adds."""
    return ev.KeyInfo(name, "reducer", "operator:add", value(initial))


@dataclass
class _Counters:
    events: list[ev.AnyEvent] = field(default_factory=list)
    t: int = 0
    inv: int = 0
    message: int = 0


@dataclass
class _Message:
    id: int
    source: str
    number: int
    target: str
    payload: Value


class Stream:
    """One scope of one run. Every method appends events to `events`; executors are in rank order."""

    def __init__(
        self,
        *executors: str,
        keys: Sequence[ev.KeyInfo] = (),
        edges: Sequence[ev.EdgeInfo] = (),
        payload: object = "go",
        run_id: str = "run-1",
        workflow: str = "hand",
        engine: str = "stepscope",
        mode: str = "concurrent",
        seed: int | None = None,
        file: str = "app.py",
        options: dict[str, Any] | None = None,
        parent: tuple[Stream, int] | None = None,
    ) -> None:
        """Begin the run. `parent` is for `sub`: the stream and the invocation that host this one."""
        self._count: _Counters = _Counters() if parent is None else parent[0]._count
        self.events = self._count.events
        self.scope = 0 if parent is None else parent[1]
        self.executors = list(executors or ("a", "b"))
        self.superstep = 0
        self.state: dict[str, Value] = {k.name: k.initial for k in keys if k.initial is not None}
        self.live: dict[str, Value | None] = {}
        self.pending: dict[tuple[str, str], Value | None] = {}
        self.given: list[tuple[str, str, Value]] = []
        self.running: dict[int, str] = {}
        self.holder: dict[str, int] = {}
        self.queue: dict[str, list[tuple[int, str, Callable[[], None]]]] = {}
        self._access: dict[str, ev.Access] = {k.name: k.access for k in keys}
        self._live_writers: dict[str, set[str]] = {}
        self.mail: list[_Message] = [_Message(0, "", 0, self.executors[0], value(payload))]
        self._sent: list[_Message] = []
        self._outputs = 0
        self._all_outputs = 0
        self._numbers: dict[tuple[str, int], int] = {}
        self._inbox: dict[str, set[int]] = {}
        self.executor_of: dict[int, str] = {}
        infos = [
            ev.ExecutorInfo(
                id, rank, "Executor", [ev.HandlerInfo("handle", "builtins:str", file, 10 * rank + 1, "task")]
            )
            for rank, id in enumerate(self.executors)
        ]
        graph = ev.GraphInfo(workflow, self.executors[0], infos, list(edges), list(keys))
        self._emit(
            ev.RunStarted, run_id, workflow, engine, "0.1.0", mode, seed, 1_700_000_000_000_000_000, graph, options or {},
            value(payload), "3.11.7",
        )  # fmt: skip

    def _emit(self, kind: type[Any], *fields: Any) -> int:
        self._count.t += 1_000 + 7 * (len(self.events) % 5)
        self.events.append(kind(len(self.events) + 1, self._count.t, self.scope, self.superstep, *fields))
        return len(self.events)

    def _next_number(self, executor: str, what: int) -> int:
        number = self._numbers.get((executor, what), 0)
        self._numbers[executor, what] = number + 1
        return number

    def access(self, key: str) -> ev.Access:
        """How a key is used; undeclared ones are snapshot keys."""
        return self._access.get(key, "snapshot")

    def blocked(self, inv: int) -> bool:
        """Whether an invocation waits for a key."""
        return any(waiter == inv for queue in self.queue.values() for waiter, _, _ in queue)

    # supersteps

    def sub(
        self,
        inv: int,
        *executors: str,
        keys: Sequence[ev.KeyInfo] = (),
        payload: object = "sub",
        file: str = "app.py",
    ) -> Stream:
        """Begin a sub-workflow inside invocation `inv`; ids get their parent's prefix (SUB-1)."""
        ids = [f"{self.executor_of[inv]}/{id}" for id in executors or ("x", "y")]
        return Stream(*ids, keys=keys, payload=payload, file=file, parent=(self, inv))

    def begin(self) -> list[int]:
        """Begin a superstep: deliver what was sent in the one before. The new invocations, in delivery order."""
        mail = sorted(self.mail, key=lambda m: (self.executors.index(m.target), self._rank(m.source), m.number))
        self.mail = []
        self.superstep += 1
        targets = list(dict.fromkeys(m.target for m in mail))
        self._emit(ev.SuperstepStarted, targets, len(mail))
        positions: dict[str, int] = {}
        invs = []
        for message in mail:
            self._count.inv += 1
            inv = self._count.inv
            position = positions.get(message.target, 0)
            positions[message.target] = position + 1
            self.executor_of[inv] = message.target
            self._inbox.setdefault(message.target, set()).add(inv)
            invs.append(inv)
            self._emit(
                ev.Delivered, inv, message.target, position, [message.id], [message.source], message.payload, False
            )
        return invs

    def _rank(self, source: str) -> int:
        return self.executors.index(source) if source in self.executors else -1

    def resume(self, superstep: int, state: dict[str, object], outputs: int = 0) -> None:
        """Instead of beginning with the input: go on after `superstep`, with a message that waits for the start (BAR-5).

        `state` is what changed from the initial one; None for a key that is absent.
        """
        new = {key: None if obj is None else value(obj) for key, obj in sorted(state.items())}
        changes = [
            ev.Change(key, self.state.get(key), one, self.access(key), [])
            for key, one in new.items()
            if one != self.state.get(key)
        ]
        self.state = {key: one for key, one in {**self.state, **new}.items() if one is not None}
        self.superstep, self._all_outputs = superstep, outputs
        self._count.inv, self._count.message = 3 * superstep, 2 * superstep
        target, source, payload = self.executors[0], self.executors[-1], value("again")
        self.mail = [_Message(2 * superstep, source, 0, target, payload)]
        waiting = [ev.Undelivered(target, "", [2 * superstep], [source], payload)]
        self._emit(
            ev.Resumed,
            f"run-0-{superstep:06}",
            "run-0",
            changes,
            waiting,
            outputs,
            3 * superstep,
            2 * superstep,
            "0" * 32,
        )

    def checkpoint(self, error: str = "") -> None:
        """A checkpoint was written, or could not be, which is reported."""
        info = ev.ErrorInfo("builtins:OSError", error, f"Traceback: {error}\n") if error else None
        self._emit(ev.Checkpointed, f"run-1-{self.superstep:06}", 512, 200, info)
        if error:
            self.found("checkpoint-failed", error)

    def commit(self, kept: bool = False, error: str = "") -> None:
        """Pass the barrier: route, drop, commit, complete. Every invocation must have ended.

        `kept`: with a checkpoint, which fails with `error` if that is given.
        """
        assert not self.running, f"still running: {self.running}"
        self._sent.sort(key=lambda m: (self._rank(m.source), m.number))
        for message in self._sent:
            if message.target in self.executors:
                edge = f"{message.source}->{message.target}"
                self._emit(ev.Routed, message.id, message.source, edge, message.target, "delivered", "")
                self.mail.append(message)
            else:
                self._emit(
                    ev.Dropped, message.id, message.source, None, "no-route", f"no edge leaves {message.source!r}"
                )
        self._emit(ev.Committed, self._changes(), len(self._sent), self._outputs)
        self._all_outputs += self._outputs
        self._clear()
        if kept:
            self.checkpoint(error)
        self._emit(ev.SuperstepCompleted)

    def _changes(self) -> list[ev.Change]:
        written: dict[str, tuple[Value | None, list[str]]] = {}
        for (executor, key), new in sorted(self.pending.items(), key=lambda item: self._rank(item[0][0])):
            _, writers = written.get(key, (None, []))
            written[key] = (new, [*writers, executor])
        for rank_executor in self.executors:
            for executor, key, given in self.given:
                if executor == rank_executor:
                    before, writers = written.get(key, (self.state.get(key), []))
                    assert before is not None
                    written[key] = (
                        value(before.tree() + given.tree()), list(dict.fromkeys([*writers, executor])),
                    )  # fmt: skip
        for key, new in self.live.items():
            written[key] = (new, sorted(self._live_writers[key], key=self._rank))
        changes = []
        for key, (new, writers) in sorted(written.items()):
            changes.append(ev.Change(key, self.state.get(key), new, self.access(key), writers))
            if new is None:
                self.state.pop(key, None)
            else:
                self.state[key] = new
        return changes

    def _clear(self) -> None:
        self.pending, self.given, self.live, self._live_writers = {}, [], {}, {}
        self._sent, self._outputs, self._numbers, self._inbox = [], 0, {}, {}

    def fail(self, message: str = "boom", status: Literal["failed", "cancelled"] = "failed") -> None:
        """End what still runs as cancelled, fail the superstep and end the run (BAR-3)."""
        for inv in list(self.running):
            self._withdraw(inv)
        for inv in list(self.running):
            self.end(inv, "cancelled")
        error = ev.ErrorInfo("builtins:ValueError", message, f"Traceback: {message}\n")
        reverted = [
            ev.Change(key, new, self.state.get(key), "live", sorted(self._live_writers[key], key=self._rank))
            for key, new in sorted(self.live.items())
        ]
        self._clear()
        self._emit(ev.SuperstepFailed, [error], reverted)
        self._emit(ev.RunEnded, status, self.superstep, self._all_outputs, error)

    def finish(self) -> list[ev.AnyEvent]:
        """End the run at quiescence; gives all events."""
        self._emit(ev.RunEnded, "completed", self.superstep, self._all_outputs)
        return self.events

    # what handlers do

    def start(self, inv: int) -> None:
        """An invocation's handler begins."""
        self.running[inv] = self.executor_of[inv]
        self._emit(ev.HandlerStarted, inv, self.executor_of[inv], "handle")

    def end(
        self,
        inv: int,
        outcome: Literal["completed", "failed", "cancelled", "abandoned"] = "completed",
        message: str = "",
    ) -> None:
        """An invocation ends; its holds are released (STA-7), and its executor arrives with its last one."""
        executor = self.running[inv]
        self._withdraw(inv)
        for key in sorted(k for k, holder in self.holder.items() if holder == inv):
            self.release(inv, key, reason="ended")
        del self.running[inv]
        error = ev.ErrorInfo("builtins:ValueError", message, f"Traceback: {message}\n", executor) if message else None
        self._emit(ev.HandlerEnded, inv, executor, outcome, error)
        self._inbox[executor].discard(inv)
        if not self._inbox[executor]:
            self._emit(ev.BarrierArrived, executor, sum(1 for left in self._inbox.values() if left))

    def send(self, inv: int, payload: object, target: str) -> int:
        """Send a message; a target that is no executor is dropped at the barrier."""
        executor = self.running[inv]
        self._count.message += 1
        message = _Message(self._count.message, executor, self._next_number(executor, 0), target, value(payload))
        self._sent.append(message)
        self._emit(ev.Sent, inv, executor, message.id, message.number, target, message.payload, 20)
        return message.id

    def output(self, inv: int, obj: object) -> None:
        """Yield an output."""
        executor = self.running[inv]
        self._outputs += 1
        self._emit(ev.OutputYielded, inv, executor, self._next_number(executor, 1), value(obj), 21)

    def effect(self, inv: int, name: str, result: object) -> None:
        """Ask for an effect and get its result at once."""
        executor = self.running[inv]
        number = self._next_number(f"{inv}", 2) + 1
        self._emit(ev.EffectStarted, inv, executor, number, name, 22)
        self._emit(ev.EffectEnded, inv, executor, number, name, value(result))

    def time_out(self, inv: int, seconds: float = 2.5) -> None:
        """A handler has taken its timeout; what it does then is up to it."""
        self._emit(ev.TimedOut, inv, self.running[inv], seconds, "effect fetch")

    def found(self, kind: str, message: str, *, executors: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        """The runtime reports something."""
        self._emit(ev.Found, kind, message, "do it differently", "STA-9", list(executors), list(keys), [], [])

    # state and locks

    def read(self, executor: str, key: str) -> Value | None:
        """What an executor sees."""
        access = self.access(key)
        if access == "live":
            return self.live[key] if key in self.live else self.state.get(key)
        if access == "snapshot":
            return self.pending[executor, key] if (executor, key) in self.pending else self.state.get(key)
        given = [g.tree() for e, k, g in self.given if e == executor and k == key]
        before = self.state.get(key)
        assert before is not None
        return value(before.tree() + sum(given)) if given else before

    def get(self, inv: int, key: str) -> None:
        """Read a key, waiting for it if another holds it."""
        self._when_free(inv, key, "get", lambda: self._get(inv, key))

    def set(self, inv: int, key: str, obj: object) -> None:
        """Set a snapshot or live key; None deletes it."""
        self._write(inv, key, "delete" if obj is None else "set", lambda _: None if obj is None else value(obj))

    def update(self, inv: int, key: str, fn: Callable[[Any], object]) -> None:
        """Update a snapshot or live key."""
        self._write(inv, key, "update", lambda old: value(fn(None if old is None else old.tree())))

    def add(self, inv: int, key: str, contribution: int) -> None:
        """Contribute to a reducer key."""
        executor, given = self.running[inv], value(contribution)
        self.given.append((executor, key, given))
        self._emit(ev.StateWritten, inv, executor, key, "reducer", "add", None, None, 23, given)

    def _get(self, inv: int, key: str) -> None:
        executor = self.running[inv]
        self._emit(ev.StateRead, inv, executor, key, self.access(key), self.read(executor, key), 24)

    def _write(self, inv: int, key: str, op: str, make: Callable[[Value | None], Value | None]) -> None:
        def write() -> None:
            executor = self.running[inv]
            old = self.read(executor, key)
            new = make(old)
            if self.access(key) == "live":
                self.live[key] = new
                self._live_writers.setdefault(key, set()).add(executor)
            else:
                self.pending[executor, key] = new
            self._emit(ev.StateWritten, inv, executor, key, self.access(key), op, old, new, 25)

        self._when_free(inv, key, op, write)

    def _when_free(self, inv: int, key: str, op: str, act: Callable[[], None]) -> None:
        if self.holder.get(key, inv) == inv:
            act()
        else:
            self._wait(inv, key, op, act)

    def _wait(self, inv: int, key: str, op: str, act: Callable[[], None]) -> None:
        holder = self.holder[key]
        queue = self.queue.setdefault(key, [])
        self._emit(
            ev.LockWaiting, inv, self.running[inv], key, op, holder, self.running[holder], [w for w, _, _ in queue], 26
        )
        queue.append((inv, op, act))

    def hold(self, inv: int, key: str) -> bool:
        """Hold a live key, or queue for it; whether it is held now. Entering again says nothing."""
        if self.holder.get(key) == inv:
            return True
        if key in self.holder:
            self._wait(inv, key, "hold", lambda: self._take(inv, key, waited=True))
            return False
        self._take(inv, key, waited=False)
        return True

    def _take(self, inv: int, key: str, *, waited: bool) -> None:
        self.holder[key] = inv
        self._emit(ev.LockAcquired, inv, self.running[inv], key, waited, 27)

    def release(self, inv: int, key: str, reason: Literal["exit", "error", "ended"] = "exit") -> None:
        """Let a key go: queued plain operations run, the first queued hold takes it."""
        assert self.holder.pop(key) == inv
        queue = self.queue.pop(key, [])
        heir = queue[0][0] if queue else 0
        self._emit(ev.LockReleased, inv, self.running[inv], key, reason, heir, [w for w, _, _ in queue], 28)
        while queue and key not in self.holder:
            queue.pop(0)[2]()
        if queue:
            self.queue[key] = queue

    def _withdraw(self, inv: int) -> None:
        for key in list(self.queue):
            self.queue[key] = [entry for entry in self.queue[key] if entry[0] != inv]
