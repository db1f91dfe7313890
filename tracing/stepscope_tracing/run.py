"""One run of a recording, and every question that can be asked about it. Time is a parameter: a `seq`.

What needs only the run's frame (events by number, supersteps, lanes, state, overview) is answered from the file's
tables. Questions about executors, invocations, messages and locks need the index, which is built by the first of
them, or beforehand by `build_index`. A run may be shared between threads.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from stepscope.digest import digest_of_events
from stepscope.events import AnyEvent, BarrierArrived, Checkpointed, Found, GraphInfo, OutputYielded, RunStarted
from stepscope.findings import Finding, of_event

from . import database as db
from . import locks, state, timeline, traffic
from .blocks import BATCH, Blocks, Payloads
from .codec import CODES, codes_for
from .errors import RecordingError, because
from .eventlog import EventLog, Where
from .index import Index
from .model import (
    Arrival,
    Bucket,
    Cell,
    Counts,
    Invocation,
    Lane,
    LockState,
    LockUse,
    Message,
    RunInfo,
    StateChange,
    SuperstepSpan,
    Write,
)
from .recorder import BlockSink
from .runs import run_info
from .search import Searched, search
from .store import Store

_MAX_SCOPES = 64


class Run:
    """Asks one run. Every method raises `RecordingError` if the recording turns out to be damaged."""

    def __init__(self, database: db.Database, run: int, info: RunInfo, payloads: Payloads, *, redacted: bool) -> None:
        """`run` is the row's number in the table of runs. Made by `Recording.run` and `Run.of_events`."""
        self.info = info
        self._database = database
        self._blocks = Blocks(database, run, payloads)
        self._payloads = payloads
        self._redacted = redacted
        self._state = state.StateQueries(self._blocks, payloads)
        self._supersteps: dict[int, timeline.Supersteps] = {}
        self._index = Index()
        self._index_lock = threading.RLock()
        self._log = EventLog(self._blocks, self.index, self._spans)
        self.started: RunStarted = self._blocks.started()

    @classmethod
    def of_events(cls, events: Iterable[AnyEvent]) -> Run:
        """A run that no file holds, from its events in `seq` order. Raises `RecordingError` if they are no run's."""
        database = db.in_memory()
        try:
            row = _write(Store(database), events)
            info, redacted = run_info(database, row)
            run = cls(database, row, info, Payloads(database), redacted=redacted)
        except BaseException:
            database.close()
            raise
        weakref.finalize(run, database.close)
        return run

    def refresh(self) -> bool:
        """See what was written since; whether there was anything."""
        grown = self._blocks.refresh()
        info, self._redacted = run_info(self._database, self._blocks.run)
        changed = grown or info != self.info
        self.info = info
        if grown:
            for supersteps in list(self._supersteps.values()):
                supersteps.refresh()
        return changed

    # the run as a whole

    @property
    def graph(self) -> GraphInfo:
        """The workflow, as data."""
        return self.started.graph

    @property
    def last(self) -> int:
        """The highest `seq`."""
        return self._blocks.last

    @property
    def duration_ns(self) -> int:
        """Time of the last event, in nanoseconds since the run began."""
        return self._blocks.t

    def lanes(self) -> list[Lane]:
        """Executors in rank order, those of a sub-workflow after the executor that hosts it."""
        return timeline.lanes(self._database, self._blocks.run)

    def counts(self) -> Counts:
        """The run in numbers, as `stepscope info` gives them."""
        spans = self._spans(0)
        codes = self._blocks.codes

        def count(kind: str) -> int:
            return sum(codes.count(code) for code in codes_for([kind]))

        return Counts(
            supersteps=len(spans),
            deliveries=count("delivered"),
            messages=count("sent"),
            lock_acquisitions=count("lock-acquired"),
            barriers=spans.committed(),
            checkpoints=codes.count(CODES[Checkpointed]),
            state_writes=codes.count(codes_for(["state-written"])[0]),
            events=self.last,
        )

    def digest(self) -> str | None:
        """The digest of the committed history, recomputed from the events (DET-1); None if values were left out."""
        if self._redacted:
            return None
        try:
            return digest_of_events(self.iter_events())
        except (KeyError, ValueError, TypeError) as error:
            raise RecordingError(f"{self._database.name} is damaged: it has no digest: {because(error)}.") from None

    def source(self, file: str) -> str | None:
        """Text of a handler's source file as it was when the run was recorded; None if it was not kept."""
        row = self._database.row("SELECT payload FROM sources WHERE run = ? AND file = ?", self._blocks.run, file)
        value = None if row is None else self._payloads.optional(row[0])
        text = None if value is None else value.tree()
        return text if isinstance(text, str) else None

    # events

    def event(self, seq: int) -> AnyEvent:
        """One event. Raises `IndexError` if the run has none of that number."""
        return self._blocks.event(seq)

    def iter_events(self, first: int = 1, last: int | None = None) -> Iterator[AnyEvent]:
        """Events from `first` to `last`, both included."""
        return self._blocks.iterate(first, self.last if last is None else last)

    def events(
        self,
        first: int = 1,
        n: int | None = None,
        *,
        kinds: Collection[str] = (),
        executor: str | None = None,
        superstep: int | None = None,
        scope: int | None = None,
        inv: int | None = None,
    ) -> list[AnyEvent]:
        """At most `n` events from `first` on, in order; only those that match what is given.

        `superstep` without a `scope` is one of the run itself. Raises `ValueError` for an unknown kind.
        """
        where = Where(frozenset(kinds), executor, superstep, scope, inv)
        return self._log.events(first, n, where)

    def next(self, seq: int, *, kinds: Collection[str] = (), executor: str | None = None) -> int | None:
        """The nearest matching event after `seq`. Raises `ValueError` for an unknown kind."""
        return self._log.next(seq, Where(frozenset(kinds), executor))

    def previous(self, seq: int, *, kinds: Collection[str] = (), executor: str | None = None) -> int | None:
        """The nearest matching event before `seq`. Raises `ValueError` for an unknown kind."""
        return self._log.previous(seq, Where(frozenset(kinds), executor))

    def search(
        self,
        text: str,
        start: int,
        *,
        backwards: bool = False,
        limit_s: float | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Searched:
        """Look for a text in events from `start` on, `start` included; see `search.search`."""
        return search(self._blocks, text, start, backwards=backwards, limit_s=limit_s, stop=stop)

    def find(self, text: str, start: int, *, backwards: bool = False, limit_s: float | None = None) -> int | None:
        """The nearest event from `start` on that contains a text; None if there is none, or none within `limit_s`."""
        return self.search(text, start, backwards=backwards, limit_s=limit_s).hit

    def findings(self) -> list[Finding]:
        """What the runtime reported while the run went on."""
        events = self.events(kinds=(Found.kind,))
        return [of_event(event, self.info.run_id) for event in events if isinstance(event, Found)]

    # supersteps

    def _spans(self, scope: int) -> timeline.Supersteps:
        spans = self._supersteps.get(scope)
        if spans is None:
            while len(self._supersteps) >= _MAX_SCOPES:
                self._supersteps.pop(next(one for one in list(self._supersteps) if one))
            spans = self._supersteps[scope] = timeline.Supersteps(self._blocks, scope)
        return spans

    def supersteps(self, scope: int = 0) -> Sequence[SuperstepSpan]:
        """The supersteps of the run, or of the sub-workflow that invocation `scope` hosts, in order."""
        return self._spans(scope)

    def superstep_at(self, seq: int, scope: int = 0) -> SuperstepSpan | None:
        """The superstep that contains an event; None before the first, and for what comes after one's completion."""
        spans = self._spans(scope)
        position = spans.position_at(seq)
        return None if position is None else spans[position]

    def overview(self, width: int, first: int = 1, last: int | None = None) -> list[Bucket]:
        """The run, or a stretch of it, counted in at most `width` buckets."""
        last = self.last if last is None else min(last, self.last)
        return timeline.overview(self._blocks.codes, width, max(first, 1), last)

    def arrivals(self, superstep: int, scope: int = 0) -> list[Arrival]:
        """Who arrived at a barrier, in order, and how long each then waited for the last."""
        found = [
            event
            for event in self.events(kinds=(BarrierArrived.kind,), superstep=superstep, scope=scope)
            if isinstance(event, BarrierArrived)
        ]
        latest = found[-1].t if found else 0
        return [Arrival(event.executor, event.seq, event.t, latest - event.t) for event in found]

    def outputs(self) -> list[OutputYielded]:
        """The run's committed outputs in canonical order: superstep, rank, number (ORD-6)."""
        ranks = {executor.id: executor.rank for executor in self.graph.executors}
        events = [e for e in self.events(kinds=(OutputYielded.kind,), scope=0) if isinstance(e, OutputYielded)]
        spans = self._spans(0)

        def committed(event: OutputYielded) -> bool:
            position = spans.numbered(event.superstep)
            return position is not None and spans[position].committed > 0

        return sorted(
            filter(committed, events), key=lambda e: (e.superstep, ranks.get(e.executor, len(ranks)), e.number)
        )

    # the index

    @property
    def index_ready(self) -> bool:
        """Whether questions that need the index are answered at once."""
        return self._index.last >= self.last

    def build_index(self, progress: Callable[[float], bool] | None = None) -> bool:
        """Build the index, or what is missing of it; whether it is whole.

        `progress` is told the share that is done, 0 to 1, and stops the work by returning False; what was built
        is kept.
        """
        while not self.index_ready:
            with self._index_lock:
                self._feed()
            if progress is not None and not progress(self._index.last / self.last):
                return self.index_ready
        return True

    def _feed(self) -> None:
        """Take the next few blocks in."""
        for taken, events in enumerate(self._blocks.without_values(self._index.last + 1), 1):
            self._index.feed(events)
            if taken == BATCH:
                return

    def index(self) -> Index:
        """The index, built if need be."""
        self.build_index()
        return self._index

    # invocations and messages

    def invocation(self, inv: int) -> Invocation:
        """One invocation. Raises `IndexError` if the run has none of that number."""
        index = self.index()
        row = index.inv_row.get(inv)
        if row is None:
            raise IndexError(f"there is no invocation {inv} in this run")
        return traffic.invocation(self._blocks, index, row)

    def invocations(self, first: int, last: int, executor: str | None = None) -> list[Invocation]:
        """Those that lay in an inbox or ran at some time in [first, last], in the order of their delivery."""
        index = self.index()
        rows = index.invocations_between(self._spans(0).start_before(first, 0), first, last)
        found = (traffic.invocation(self._blocks, index, row) for row in rows)
        return [one for one in found if executor is None or one.executor == executor]

    def deliveries(
        self, executor: str | None = None, superstep: int | None = None, scope: int | None = None
    ) -> list[Invocation]:
        """All invocations, or those of an executor or superstep; `superstep` alone is one of the run itself."""
        delivered = self.events(kinds=("delivered",), executor=executor, superstep=superstep, scope=scope)
        index = self.index()
        rows = [index.inv_row[event.inv] for event in delivered]  # type: ignore[union-attr]
        return [traffic.invocation(self._blocks, index, row) for row in rows]

    def message(self, message_id: int) -> Message:
        """One message; 0 is the run's input. Raises `IndexError` if the run has none of that number."""
        index = self.index()
        row = index.message_row.get(message_id)
        if row is None:
            raise IndexError(f"there is no message {message_id} in this run")
        return traffic.message(self._blocks, index, row)

    def messages(self, first: int, last: int) -> list[Message]:
        """Those that were under way, from their sending to their last delivery, at some time in [first, last]."""
        index = self.index()
        rows = index.messages_between(self._spans(0).start_before(first, 1), first, last)
        return [traffic.message(self._blocks, index, row) for row in rows]

    # state

    def keys(self, scope: int = 0) -> list[str]:
        """Every state key that was declared or ever written, in order."""
        return self._state.keys(scope)

    def writes(
        self, key: str, *, before: int | None = None, after: int | None = None, n: int | None = None, scope: int = 0
    ) -> list[Write]:
        """Writes of a key in order, between two events (neither included).

        With `n`, the latest `n` if `before` is given, else the first `n`.
        """
        return self._state.writes(key, scope, before, after, n)

    def state_at(self, seq: int, executor: str | None = None, scope: int = 0) -> dict[str, Cell]:
        """The state once the event at `seq` has happened: committed values, and live keys as they are then.

        With `executor`, as that executor sees it: its own pending writes too, marked. Absent keys are not in it.
        """
        return self._state.at(seq, scope, executor, self.superstep_at(seq, scope))

    def changes_at(self, seq: int) -> list[StateChange]:
        """What the event at `seq` did to what a person sees of the state."""
        event = self._blocks.event(seq)
        span = self.superstep_at(seq, event.scope)
        return self._state.changes(event, seq if span is None else span.first)

    # locks

    def locks(self) -> list[LockUse]:
        """Every hold, and every plain operation that had to wait, in the order they began."""
        index = self.index()
        return [locks.use(self._blocks, index, row) for row in range(len(index.locks))]

    def locks_at(self, seq: int, scope: int = 0) -> dict[str, LockState]:
        """The keys that are held or waited for once the event at `seq` has happened, by name.

        A key is held from its `LockAcquired` to before its `LockReleased`; `LockReleased.next` tells the heir.
        """
        low = self._spans(0).start_before(seq, 0)
        return locks.at(self._blocks, self.index(), seq, low, scope)


def _write(store: Store, events: Iterable[AnyEvent]) -> int:
    """Record a whole run; gives its row in the table of runs."""
    sink: BlockSink | None = None
    for seq, event in enumerate(events, 1):
        if sink is None:
            if not isinstance(event, RunStarted):
                raise RecordingError("these events are no run: the first is not a run's start.")
            sink = BlockSink(store, event)
        if event.seq != seq:
            raise RecordingError(f"these events are no run: number {event.seq} stands where {seq} should.")
        sink.append(event)
    if sink is None:
        raise RecordingError("these events are no run: there are none.")
    sink.close()
    return sink.run
