"""Random event streams that obey the rules: for properties (`streams`) and for size (`long_stream`)."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import strategies as st

from stepscope.events import AnyEvent

from .streams import Stream, live, reducer, snapshot

KEYS = [snapshot("note", "n0"), snapshot("plan"), reducer("hits", 0), live("ledger", 0), live("pool", [1, 2])]
# fmt: off
_VALUES: list[object] = [
    0, 1, -7, 2**70, "x", "größer", "long text " * 9, [1, [2]], {"a": {"b": None}},
    b"\x00\xff", (1,), 0.5,
]
# fmt: on


class _Driver:
    def __init__(self, rng: random.Random, stream: Stream, *, depth: int = 0, ring: bool = False) -> None:
        self.rng = rng
        self.stream = stream
        self.depth = depth
        self.ring = ring
        self.hosts: set[int] = set()
        self.acts: list[Callable[[int], None]] = [
            self._get, self._get, self._set, self._add, self._update, self._hold, self._hold, self._release, self._send,
            self._send, self._output, self._effect, self._time_out, self._sub,
        ]  # fmt: skip

    def superstep(self, acts: int) -> None:
        """One whole superstep with about `acts` operations an invocation; all of it commits."""
        rng, stream = self.rng, self.stream
        waiting = stream.begin()
        left = {inv: rng.randint(0, 2 * acts) for inv in waiting}
        busy: set[str] = set()
        while waiting or stream.running:
            ready = [i for i in stream.running if not stream.blocked(i)]
            startable = [i for i in waiting if stream.executor_of[i] not in busy]
            inv = rng.choice(ready + startable)
            if inv in waiting:
                waiting.remove(inv)
                busy.add(stream.executor_of[inv])
                stream.start(inv)
            elif left[inv] > 0:
                left[inv] -= 1
                rng.choice(self.acts)(inv)
            else:
                busy.discard(stream.executor_of[inv])
                if self.ring:
                    self._pass_on(inv)
                stream.end(inv)

    def _pass_on(self, inv: int) -> None:
        """Keep every executor busy for ever, with one message each."""
        names = self.stream.executors
        here = names.index(self.stream.executor_of[inv])
        for target in names if self.stream.superstep == 1 else [names[(here + 1) % len(names)]]:
            self.stream.send(inv, self.rng.choice(_VALUES), target)

    def _live(self, inv: int) -> list[str]:
        # in one order, so that no deadlock can form
        return ["pool"] if self.stream.holder.get("pool") == inv else ["ledger", "pool"]

    def _get(self, inv: int) -> None:
        self.stream.get(inv, self.rng.choice(["note", "plan", "hits", "nowhere", *self._live(inv)]))

    def _set(self, inv: int) -> None:
        executor = self.stream.running[inv]
        free = [k for k in ("note", "plan") if not any(k == key and e != executor for e, key in self.stream.pending)]
        key = self.rng.choice([*free, *self._live(inv)])
        self.stream.set(inv, key, self.rng.choice([None, *_VALUES]))

    def _update(self, inv: int) -> None:
        self.stream.update(inv, self.rng.choice(self._live(inv)), lambda old: [old] if isinstance(old, int) else 1)

    def _add(self, inv: int) -> None:
        self.stream.add(inv, "hits", self.rng.randint(1, 9))

    def _hold(self, inv: int) -> None:
        self.stream.hold(inv, self.rng.choice(self._live(inv)))

    def _release(self, inv: int) -> None:
        for key in sorted(k for k, holder in self.stream.holder.items() if holder == inv):
            self.stream.release(inv, key)

    def _send(self, inv: int) -> None:
        if not self.ring:
            self.stream.send(inv, self.rng.choice(_VALUES), self.rng.choice([*self.stream.executors, "nobody"]))

    def _output(self, inv: int) -> None:
        self.stream.output(inv, self.rng.choice(_VALUES))

    def _effect(self, inv: int) -> None:
        self.stream.effect(inv, self.rng.choice(["now", "fetch"]), self.rng.choice(_VALUES))

    def _time_out(self, inv: int) -> None:
        if self.rng.random() < 0.1:
            self.stream.time_out(inv, self.rng.choice([0.25, 1, 60.5]))

    def _sub(self, inv: int) -> None:
        if self.depth or inv in self.hosts or self.rng.random() < 0.8:
            return
        self.hosts.add(inv)
        child = _Driver(self.rng, self.stream.sub(inv, "x", "y", keys=KEYS), depth=1)
        for _ in range(self.rng.randint(1, 2)):
            if child.stream.mail:
                child.superstep(2)
                child.stream.commit()
        child.stream.finish()


def random_stream(
    rng: random.Random,
    *,
    supersteps: int = 4,
    executors: int = 3,
    acts: int = 4,
    kept: bool = False,
    resumed: bool = False,
    **run: str,
) -> list[AnyEvent]:
    """A whole run of at most `supersteps` supersteps; it may fail, find something, host sub-workflows.

    `kept`: with checkpoints, some of which fail; `resumed`: as one that was resumed.
    """
    names = [chr(ord("a") + i) if i < 26 else f"e{i}" for i in range(executors)]
    driver = _Driver(rng, Stream(*names, keys=KEYS, **run))  # type: ignore[arg-type]
    stream = driver.stream
    if resumed:
        changed = {key: rng.choice([None, *_VALUES]) for key in ("note", "plan", "pool") if rng.random() < 0.7}
        stream.resume(rng.randint(1, 5), changed, rng.randint(0, 3))
    elif kept:
        stream.checkpoint()
    for _ in range(supersteps):
        if not stream.mail:
            break
        driver.superstep(acts)
        if rng.random() < 0.1:
            stream.found("lost-update", "an update of 'ledger' was lost", keys=["ledger"])
        if rng.random() < 0.05:
            stream.fail()
            return stream.events
        stream.commit(kept, "no space left" if kept and rng.random() < 0.2 else "")
    return stream.finish()


def streams(**options: int) -> st.SearchStrategy[list[AnyEvent]]:
    """Whole runs, shrinking towards short ones; `options` as for `random_stream`."""
    return st.builds(
        lambda rng, kept, resumed: random_stream(rng, kept=kept, resumed=resumed, **options),  # type: ignore[arg-type]
        st.randoms(use_true_random=False),
        st.booleans(),
        st.booleans(),
    )


def long_stream(events: int, *, seed: int = 1, executors: int = 8, run_id: str = "run-1") -> list[AnyEvent]:
    """At least `events` events of a run that goes on and on: every executor always has mail."""
    rng = random.Random(seed)
    names = [f"agent{i}" for i in range(executors)]
    stream = Stream(*names, keys=KEYS, run_id=run_id)
    driver = _Driver(rng, stream, depth=1, ring=True)
    while len(stream.events) < events:
        driver.superstep(3)
        stream.commit()
    return stream.finish()
