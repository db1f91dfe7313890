"""The port of sync handlers: plain calls in a worker thread, carried out on the event loop's thread (PAR-2)."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import SuperstepOverError
from ..kernel import Invocation
from ..kernel.ops import Op, Release
from .round import Answer

if TYPE_CHECKING:
    from .base import Driver

Question: TypeAlias = Callable[[Answer], None]
"""Put on the loop's thread; it answers at once or later."""


class ThreadPort:
    """Blocks the calling thread until the loop's thread has the answer."""

    blocking = True

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.traced = driver.traced

    def _ask(self, inv: Invocation, question: Question) -> Any:
        waiter: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def answer(result: Any, error: BaseException | None) -> None:
            if waiter.done():
                return
            if error is None:
                waiter.set_result(result)
            else:
                waiter.set_exception(error)

        def run() -> None:
            try:
                self._driver.tell(inv)
                question(answer)
            except BaseException as error:
                answer(None, error)

        try:
            self._driver.loop.call_soon_threadsafe(run)
        except RuntimeError:
            raise SuperstepOverError(f"executor {inv.executor!r}: the run is over; nothing was changed.") from None
        error = waiter.exception()
        if error is not None:
            raise error  # here, and not in `result()`: where in there it would be raised is a matter of timing
        return waiter.result()

    def perform(self, inv: Invocation, op: Op) -> Any:
        """An operation's result. A block that is left is left, also by one who learns there that it was cancelled."""
        try:
            return self._ask(inv, lambda answer: self._driver.submit(inv, op, answer))
        except asyncio.CancelledError:
            if isinstance(op, Release) and op.record.open:
                left = Release(op.record, True, op.line)
                self._ask(inv, lambda answer: answer(inv.kernel.apply(inv, left), None))
            raise

    def effect(self, inv: Invocation, name: str, line: int, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """An effect's result."""

        def start(answer: Answer) -> None:
            future = self._driver.effect(inv, name, line, function, args)

            def finish(_: Any) -> None:
                if future.cancelled():
                    answer(None, asyncio.CancelledError())
                else:
                    error = future.exception()
                    answer(None if error else future.result(), error)

            future.add_done_callback(finish)

        return self._ask(inv, start)

    def instant(self, inv: Invocation, name: str, line: int, make: Callable[[], Any]) -> Any:
        """An instant effect's result."""
        return self._ask(inv, lambda answer: answer(self._driver.instant(inv, name, line, make), None))

    def now(self) -> dt.datetime:
        """Wall clock time, UTC."""
        return self._driver.now()

    def draw(self, inv: Invocation) -> int:
        """See `Driver.draw`."""
        return self._driver.draw(inv)
