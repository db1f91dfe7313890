"""Work for the time between two keys, in small pieces: whoever presses a key waits for one piece at most."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from stepscope.errors import WorkflowError

_SLICE_S = 0.002
"""How long pieces follow each other before keys have their turn."""
_PAUSE_S = 0.002
"""Long enough for a key that has come in to be answered: its answer begins other work, or none."""
_REST_S = 2.0


class Spare:
    """Does one thing at a time: what is begun ends what was going on.

    A piece that finds the recording damaged ends its work silently; the person is told on going there.
    """

    def __init__(self, at_rest: Callable[[], object]) -> None:
        """`at_rest` is called once nothing has been begun for two seconds after the last piece."""
        self._at_rest = at_rest
        self._work: Iterator[object] = iter(())
        self._handle: asyncio.TimerHandle | None = None

    def begin(self, work: Iterator[object]) -> None:
        """Go through `work`, whose every item is a piece done. Called in a running event loop."""
        self.end()
        self._work = work
        self._later()

    def end(self) -> None:
        """Leave the rest undone."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _later(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        until = time.monotonic() + _SLICE_S
        try:
            for _ in self._work:
                if time.monotonic() >= until:
                    self._later()
                    return
        except (WorkflowError, IndexError):
            pass
        self._handle = asyncio.get_running_loop().call_later(_REST_S, self._at_rest)
