"""Declaring a key of shared state: how it may be used and what two executors' writes mean (STA)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import WorkflowError
from .events import Access
from .values import Value


class _Absent:
    """The key has no value until something is written."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()


def last(_before: Any, value: Any) -> Any:
    """Reducer for those who want the canonically last write: highest rank, then last sent (STA-2, ORD-6)."""
    return value


class StateKey:
    """A declared key of a workflow's shared state.

    `access` is "snapshot" (reads see the last barrier; two writers conflict: STA-1, STA-3), "live" (writes are
    visible at once; `update` and `hold` make them safe: STA-4..6), or "reducer", which `reducer=` implies
    (contributions merge at the barrier: STA-2). `reducer(merged, contribution)` returns the new merged value and
    must be a plain function; without `initial` the first contribution is the first merged value.

    Raises `WorkflowError` for an access that does not go with the reducer given, `UnstorableValueError` for an
    initial value that is not data.
    """

    __slots__ = ("access", "initial", "name", "reducer")

    def __init__(
        self,
        name: str,
        initial: Any = ABSENT,
        *,
        access: Access | None = None,
        reducer: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        """See the class."""
        if not isinstance(name, str) or not name:
            raise WorkflowError(f"a state key needs a name that is a non-empty string, not {name!r}.")
        if access is None:
            access = "snapshot" if reducer is None else "reducer"
        if access not in ("snapshot", "reducer", "live"):
            raise WorkflowError(f"state key {name!r}: access {access!r} is not one of 'snapshot', 'reducer', 'live'.")
        if (access == "reducer") != (reducer is not None):
            raise WorkflowError(
                f"state key {name!r}: access={access!r} "
                + ("needs a reducer." if reducer is None else "takes no reducer; leave access out, or the reducer.")
            )
        if reducer is not None and not callable(reducer):
            raise WorkflowError(f"state key {name!r}: the reducer {reducer!r} cannot be called.")
        self.name = name
        self.initial: Value | None = None if initial is ABSENT else Value.of(initial, "state key {!r}: initial", name)
        self.access: Access = access
        self.reducer = reducer

    def __repr__(self) -> str:
        """For messages."""
        return f"StateKey({self.name!r}, access={self.access!r})"
