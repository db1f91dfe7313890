"""How a run is watched: the protocol a recorder, a span exporter or a user's own observer implements.

The runtime knows only this protocol. A path given as `record=` is opened through the entry point group
``stepscope.recorders``, so that the runtime imports no recorder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Protocol, TypeAlias, runtime_checkable

from .errors import WorkflowError
from .events import AnyEvent, HandlerStarted, RunStarted


class RunSink(Protocol):
    """Takes the events of one run, on the event loop's thread, in `seq` order, sub-workflows' included."""

    @property
    def durable(self) -> int:
        """Highest `seq` that would survive the process being killed now; a sink that keeps nothing says `ALL`."""
        ...

    def append(self, event: AnyEvent) -> None:
        """Take one event. The hot path: must be cheap, and must not raise for any event."""
        ...

    def enter_handler(self, event: HandlerStarted) -> None:
        """Called in the invocation's own Context just before its handler: context variables may be set."""
        ...

    def flush(self, *, barrier: bool) -> None:
        """Offered at each barrier, and every 20 ms inside long supersteps: write what is due."""
        ...

    def close(self) -> None:
        """The run is over; afterwards `durable` covers all of it."""
        ...


@runtime_checkable
class Observer(Protocol):
    """Watches runs. One observer may be given to any number of runs, also at the same time."""

    def begin(self, started: RunStarted) -> RunSink:
        """A run begins; `started` is its first event, which `append` gets too. Raises `WorkflowError` if it can't."""
        ...


ALL = 1 << 62
"""`RunSink.durable` of a sink that keeps nothing."""

Record: TypeAlias = str | os.PathLike[str] | Observer | Sequence[str | os.PathLike[str] | Observer] | None

_everywhere: list[Observer] = []


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Give every run that begins in this process, while the block lasts, this observer too."""
    _everywhere.append(observer)
    try:
        yield
    finally:
        _everywhere.remove(observer)


def observers_for(record: Record) -> list[Observer]:
    """The observers that `record=` names, and those of `observing`.

    Raises `WorkflowError` if a path cannot be recorded to.
    """
    if record is None:
        given: Sequence[str | os.PathLike[str] | Observer] = ()
    elif isinstance(record, (str, os.PathLike, Observer)):
        given = (record,)
    else:
        given = record
    return [one if isinstance(one, Observer) else _open(os.fspath(one)) for one in given] + _everywhere


def _open(path: str) -> Observer:
    found = list(entry_points(group="stepscope.recorders"))
    if not found:
        raise WorkflowError(
            f"cannot record to {path!r}: no recorder is installed; install the 'stepscope' package whole."
        )
    observer = found[0].load()(path)
    assert isinstance(observer, Observer)
    return observer
