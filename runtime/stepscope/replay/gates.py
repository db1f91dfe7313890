"""Gates: a handler that wakes from something the runtime does not control goes on only when its turn has come.

Whatever a handler does between two suspensions happens in one step of its task. A driver can hold an operation back, but
not a call that is no schedule point (`ctx.now()`, the start of an effect), nor its end. So it holds the step back: an
invocation's whole coroutine is driven from here, and the result of what it awaited reaches it behind the gate.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

from ..kernel import Invocation


class Keeper(Protocol):
    """Who decides."""

    def suspended(self, inv: Invocation, awaited: Any) -> None:
        """The invocation's task is suspended on this; None means for one round of the event loop."""
        ...

    def may_go_on(self, inv: Invocation, awaited: Any) -> bool:
        """What it awaited is there: whether it may go on at once."""
        ...

    def gate(self, inv: Invocation, *, at_end: bool) -> asyncio.Future[None]:
        """A gate that it waits at until the future is done."""
        ...


async def gated(keeper: Keeper, inv: Invocation, coroutine: Coroutine[Any, Any, None]) -> None:
    """Run an invocation's coroutine behind gates."""
    await _steps(keeper, inv, coroutine)


@types.coroutine
def _steps(keeper: Keeper, inv: Invocation, coroutine: Coroutine[Any, Any, None]) -> Generator[Any, None, None]:
    error: BaseException | None = None
    while True:
        try:
            awaited = coroutine.send(None) if error is None else coroutine.throw(error)
        except StopIteration:
            return
        except (KeyboardInterrupt, SystemExit):  # raised again once its invocation has ended: here the process goes on
            return
        error = None
        keeper.suspended(inv, awaited)
        try:
            yield awaited
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as raised:
            error = raised
        if keeper.may_go_on(inv, awaited):
            continue
        while True:
            gate = keeper.gate(inv, at_end=False)
            try:
                yield from gate
                break
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as raised:  # cancelled at the gate: it is told behind it
                error = raised


class EndGate:
    """An async handler that has returned, or raised, ends only when its turn has come."""

    def __init__(self, spec: Any, keeper: Keeper, inv: Invocation) -> None:
        """`spec` is the handler as the workflow has it."""
        self._spec = spec
        self._keeper = keeper
        self._inv = inv
        self.call: Callable[[Any, Any], Coroutine[Any, Any, None]] = self._call

    def __getattr__(self, name: str) -> Any:
        """All else is the handler's own."""
        return getattr(self._spec, name)

    def __str__(self) -> str:
        """The handler's name, as events carry it."""
        return str(self._spec)

    async def _call(self, payload: Any, context: Any) -> None:
        try:
            await self._spec.call(payload, context)
        finally:
            await self._keeper.gate(self._inv, at_end=True)
