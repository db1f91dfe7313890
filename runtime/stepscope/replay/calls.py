"""What a sync handler asks for reaches the replay like an operation: its thread waits until the recording comes to it."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from ..drivers.base import Driver
from ..drivers.round import Answer
from ..drivers.threads import Question, ThreadPort
from ..kernel import Invocation


class Holder(Protocol):
    """Who keeps the questions."""

    def hold(self, inv: Invocation, question: Question, answer: Answer) -> None:
        """Keep a question that a handler's thread asks."""
        ...


class HeldThreadPort(ThreadPort):
    """Hands questions to the holder instead of putting them at once."""

    def __init__(self, driver: Driver, holder: Holder) -> None:
        """`holder` is the driver, as one who keeps questions."""
        super().__init__(driver)
        self._holder = holder

    def _ask(self, inv: Invocation, question: Question) -> Any:
        return super()._ask(inv, lambda answer: self._holder.hold(inv, question, answer))


class HeldCall:
    """A question whose turn has not come."""

    __slots__ = ("_answer", "_question")

    def __init__(self, question: Question, answer: Answer) -> None:
        self._question = question
        self._answer = answer

    def put(self) -> None:
        """Its turn has come."""
        try:
            self._question(self._answer)
        except BaseException as error:
            self._answer(None, error)

    def cancel(self) -> None:
        """The handler was cancelled while it waited here."""
        self._answer(None, asyncio.CancelledError())
