"""How long the event loop has been in one step, worked out from looks alone: never more than it was, and soon enough.

The loop here is a queue of steps, as asyncio's is: a task has one step in it at a time, and a ping waits in it like any.
"""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from stepscope.drivers.pulse import Pulse
from support.workflows import full

INTERVAL = 1.0
TASKS = "abc"
lengths = st.sampled_from([0.0, 0.1, 0.9, 1.0, 1.5, 3.0, 7.5])
programs = st.fixed_dictionaries({name: st.lists(lengths, max_size=6) for name in TASKS})
gaps = st.lists(st.sampled_from([0.5, 1.0, 1.0, 1.0, 1.3, 2.5, 40.0]), min_size=1, max_size=40)


class Loop:
    """Runs the tasks' steps one after another, and lets somebody look whenever the next look is due."""

    def __init__(self, program: dict[str, list[float]], gaps: list[float]) -> None:
        self.left = {name: deque(steps) for name, steps in program.items()}
        self.queue: deque[str] = deque(name for name in TASKS if self.left[name])
        self.now = 0.0
        self.pulse: Pulse[str] = Pulse(INTERVAL, 0.0, 0.0)
        self.gaps = deque(gaps)
        self.due = 0.0
        self.claims: list[tuple[str, float, float]] = []
        """Task, how long its step was said to have lasted, how long it had."""
        self._next()

    def _next(self) -> None:
        self.due += self.gaps.popleft() if self.gaps else INTERVAL

    def run(self) -> None:
        while self.queue:
            name = self.queue.popleft()
            if name == "ping":
                self.pulse.answer(self.now)
                continue
            began, ends = self.now, self.now + self.left[name].popleft()
            while self.due <= ends:
                self.now = max(self.now, self.due)
                if self.pulse.look(name, self.now, 0.0):
                    self.queue.append("ping")
                assert self.pulse.task == name
                self.claims.append((name, self.pulse.lasted, self.now - began))
                self._next()
            self.now = ends
            if self.left[name]:
                self.queue.append(name)


@settings(max_examples=full(150, 3000), deadline=None)
@given(programs, gaps)
def test_a_step_is_never_said_to_be_longer_than_it_is(program: dict[str, list[float]], gaps: list[float]) -> None:
    loop = Loop(program, gaps)
    loop.run()
    for name, said, had in loop.claims:
        assert said <= had + 1e-9, name


@settings(max_examples=full(100, 2000), deadline=None)
@given(programs, st.floats(0, 0.99), st.integers(2, 12))
def test_a_long_step_is_seen_to_be_long_when_looks_come_in_time(
    program: dict[str, list[float]], phase: float, threshold: int
) -> None:
    loop = Loop({**program, "c": [*program["c"], threshold + 2.0]}, [phase + 0.01])
    loop.run()
    assert any(said >= threshold - 1e-9 for name, said, _ in loop.claims if name == "c")


def test_a_loop_that_is_idle_is_left_alone() -> None:
    pulse: Pulse[str] = Pulse(INTERVAL, 0.0, 0.0)
    assert [pulse.look(None, float(at), 0.0) for at in range(1, 5)] == [False] * 4
    assert pulse.lasted == 0.0


def test_a_process_that_was_stopped_did_not_block() -> None:
    pulse: Pulse[str] = Pulse(INTERVAL, 0.0, 0.0)
    assert pulse.look("a", 1.0, 0.0)
    assert not pulse.look("a", 3601.0, 0.0)
    assert pulse.lasted == 2 * INTERVAL


def test_code_that_lets_no_other_thread_in_is_found_out_by_its_work() -> None:
    pulse: Pulse[str] = Pulse(INTERVAL, 0.0, 0.0)
    assert pulse.look("a", 30.0, 29.5)
    assert pulse.lasted == 28.5, "the step began after the last look, at most an interval after"
    pulse = Pulse(INTERVAL, 0.0, 0.0)
    pulse.look("a", 1.0, 1.0)
    pulse.look("a", 31.0, 31.0)
    assert pulse.lasted == 29.0
