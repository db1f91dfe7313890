"""Effects: what a handler has done outside the workflow, recorded at its admission (DET-3).

They overlap in every mode: n effects of t seconds in one superstep take about t (DET-5).
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import Any

from ..kernel.model import Invocation


class EffectFuture(asyncio.Future[Any]):
    """The future a handler gets. Knows whether anybody waits for it yet: that is how a controlled run can tell
    a handler that waits for effects from one that awaits something foreign.
    """

    watched = False
    on_watched: Callable[[], object] | None = None
    on_cancel: Callable[[], object] | None = None

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the effect itself too."""
        if not super().cancel(msg):
            return False
        if self.on_cancel is not None:
            self.on_cancel()
        return True

    def add_done_callback(self, fn: Callable[..., object], *, context: contextvars.Context | None = None) -> None:
        """Note that somebody waits."""
        super().add_done_callback(fn, context=context)
        self.watched = True
        if self.on_watched is not None:
            self.on_watched()


class Effect:
    """One effect in flight."""

    __slots__ = ("future", "inv", "name", "number", "task")

    def __init__(self, inv: Invocation, number: int, name: str, future: EffectFuture) -> None:
        self.inv = inv
        self.number = number
        self.name = name
        self.future = future
        self.task: asyncio.Future[Any] | None = None

    @property
    def over(self) -> bool:
        """Whether it has its result, which may not be admitted yet."""
        return self.task is not None and self.task.done()


async def perform(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    """Run an effect, an async function here, a plain one in a thread of its own; gives its result or its error.

    The error is given, not raised: what ends the process must reach it through the handler.
    """
    try:
        if inspect.iscoroutinefunction(function):
            return await function(*args), None
        result = await thread_future(lambda: function(*args), "stepscope effect")
        return (await result if inspect.isawaitable(result) else result), None
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        return None, error


def thread_future(call: Callable[[], Any], name: str) -> asyncio.Future[Any]:
    """Run `call` in a daemon thread: one that never returns must not keep the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def finish(result: Any, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        elif isinstance(error, StopIteration):  # a future refuses it
            done.set_exception(RuntimeError("raised StopIteration"))
        else:
            done.set_exception(error)

    def work() -> None:
        result: Any = None
        failure: BaseException | None = None
        try:
            result = context.run(call)
        except BaseException as error:
            failure = error
        try:
            loop.call_soon_threadsafe(finish, result, failure)
        except RuntimeError:  # the loop is closed: nobody waits any more
            pass

    threading.Thread(target=work, name=name, daemon=True).start()
    return done
