"""The one total order of a run: numbers events, invocations and messages, and hands events to the sinks.

A run and its sub-workflows share one journal (SUB-1). The clock is given from outside, so that the kernel
knows no time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from .events import AnyEvent, Found
from .observe import ALL, RunSink


class Journal:
    """Numbers what happens and passes it on.

    `on` is False when nobody listens: the kernel then builds no events at all. Findings are always kept.
    """

    __slots__ = ("_keeping", "announce", "append", "clock", "findings", "invocation", "message", "on", "seq", "sinks")

    def __init__(self, clock: Callable[[], int], sinks: Sequence[RunSink] = ()) -> None:
        """`clock` gives nanoseconds since the run began."""
        self.clock = clock
        self.findings: list[Found] = []
        self.announce: Callable[[int], None] | None = None
        """Told after each flush how far events are durable."""
        self.seq: Callable[[], int] = count(1).__next__
        """The next sequence number."""
        self.invocation: Callable[[], int] = count(1).__next__
        """The next invocation's number."""
        self.message: Callable[[], int] = count(1).__next__
        """The next message's number."""
        self.listen(sinks, ())

    def numbers(self) -> tuple[int, int]:
        """How many invocations and messages have been numbered."""
        invocations, messages = self.invocation() - 1, self.message() - 1
        self.number_from(invocations, messages)
        return invocations, messages

    def number_from(self, invocations: int, messages: int) -> None:
        """Go on after this many invocations and messages, as a resumed run does."""
        self.invocation = count(invocations + 1).__next__
        self.message = count(messages + 1).__next__

    def listen(self, keeping: Sequence[RunSink], others: Sequence[RunSink]) -> None:
        """Pass events to these from now on; only `keeping` count for what is durable."""
        self.sinks = [*keeping, *others]
        self._keeping = list(keeping)
        self.on = bool(self.sinks)
        self.append: Callable[[AnyEvent], None] = self.sinks[0].append if len(self.sinks) == 1 else self._fan
        """Pass an event to every sink."""

    def found(self, event: Found) -> None:
        """Keep a finding for the run's result, and pass it on."""
        self.findings.append(event)
        if self.on:
            self.append(event)

    def _fan(self, event: AnyEvent) -> None:
        for sink in self.sinks:
            sink.append(event)

    @property
    def durable(self) -> int:
        """Highest `seq` that every sink has safely kept."""
        return min((sink.durable for sink in self._keeping), default=ALL)

    def flush(self, *, barrier: bool) -> None:
        """Offer the sinks to write what is due."""
        for sink in self.sinks:
            sink.flush(barrier=barrier)
        if self.announce is not None:
            self.announce(self.durable)
