"""What an adapter gives a handler to do: the operations of its engine, for one delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Protocol

from .observation import Report


class Unsupported(Exception):
    """The situation cannot be expressed in this engine. The message says, in a sentence, what it has not got."""


class ProgramError(Exception):
    """What a `raise` step raises: an error of the program's own."""


class Block(Protocol):
    """What `Operations.hold` gives."""

    def enter(self) -> Any:
        """Take the keys: an awaitable, or the result itself in a blocking handler."""
        ...

    def leave(self, error: BaseException | None) -> Any:
        """Leave the block, normally or because of `error`."""
        ...


class Operations:
    """What a handler can do in an engine, for one delivery. Everything not overridden is unsupported there.

    Each method returns an awaitable, or, in a blocking handler, the result. Errors that the engine raises are let
    through. `superstep` and `sources` are what the engine says of the delivery, None where it does not say.
    """

    superstep: int | None = None
    sources: list[str] | None = None
    blocking: ClassVar[bool] = False

    def send(self, value: Any, target: str | None) -> Any:
        """Send a message."""
        raise Unsupported("there is no way to send a message from within a handler")

    def output(self, value: Any) -> Any:
        """Yield an output of the workflow."""
        raise Unsupported("there are no outputs of a workflow")

    def get(self, key: str) -> Any:
        """Read a key; None where it is absent."""
        raise Unsupported("there is no shared state to read")

    def set(self, key: str, value: Any) -> Any:
        """Write a key."""
        raise Unsupported("there is no shared state to write")

    def delete(self, key: str) -> Any:
        """Make a key absent."""
        raise Unsupported("a key cannot be deleted")

    def add(self, key: str, value: Any) -> Any:
        """Contribute to a reducer key."""
        raise Unsupported("there are no reducers")

    def update(self, key: str, function: Callable[[Any], Any]) -> Any:
        """Read, change and write a key in one operation of the engine's."""
        raise Unsupported("there is no operation that reads, changes and writes")

    def hold(self, keys: list[str]) -> Block:
        """Exclusive use of keys."""
        raise Unsupported("there is no exclusive use of a key")

    def effect(self, function: Callable[[], Awaitable[Any]]) -> Any:
        """Start an effect through the engine, now; what is returned is awaited for its result, perhaps later."""
        raise Unsupported("there are no recorded effects")

    def draw(self, what: str) -> Any:
        """A random number, UUID or time by the engine's own means."""
        raise Unsupported("there are no recorded random numbers or times")

    def remember(self, value: Any) -> Any:
        """Keep a value in the executor."""
        raise Unsupported("an executor has no state of its own that a checkpoint would hold")

    def recall(self) -> Any:
        """What the executor keeps."""
        raise Unsupported("an executor has no state of its own that a checkpoint would hold")

    def describe(self, error: BaseException) -> Report:
        """What an error that a `try` step caught is about."""
        return Report(kind="handler-failed" if isinstance(error, ProgramError) else "other", text=str(error))
