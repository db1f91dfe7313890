"""Observers that commands give to runs beside the recorder: what began, and how it ended."""

from __future__ import annotations

from msgspec.structs import replace

from stepscope.events import AnyEvent, ErrorInfo, HandlerEnded, HandlerStarted, RunEnded, RunStarted, SuperstepFailed
from stepscope.observe import ALL, RunSink


class Watch:
    """Remembers of every run its id, and of the last one how it ended and what its handlers raised."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self.run_ids: list[str] = []
        self.ended: RunEnded | None = None
        self.errors: list[ErrorInfo] = []

    def begin(self, started: RunStarted) -> RunSink:
        """A run begins."""
        self.run_ids.append(started.run_id)
        return _Sink(self)


class _Sink:
    durable = ALL

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._raised: dict[ErrorInfo, str] = {}

    def append(self, event: AnyEvent) -> None:
        if event.scope != 0:
            return
        if isinstance(event, HandlerEnded):
            if event.error is not None:
                self._raised[event.error] = event.executor
        elif isinstance(event, SuperstepFailed):
            self._watch.errors = [
                replace(error, executor=error.executor or self._raised.get(error, "")) for error in event.errors
            ]
        elif isinstance(event, RunEnded):
            self._watch.ended = event

    def enter_handler(self, event: HandlerStarted) -> None:
        pass

    def flush(self, *, barrier: bool) -> None:
        pass

    def close(self) -> None:
        pass
