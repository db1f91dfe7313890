"""Every error the runtime raises. All derive from `WorkflowError`; messages name the thing and the way out."""

from __future__ import annotations

from collections.abc import Sequence


class WorkflowError(Exception):
    """Base of every error that Stepscope raises on purpose."""


class UnstorableValueError(WorkflowError):
    """A message, state value, output or effect result cannot be stored as data."""

    def __init__(self, what: str, path: str, type_name: str, reason: str = "") -> None:
        """`what` names the place (executor, key), `path` the spot inside the value."""
        self.what = what
        self.path = path
        self.type_name = type_name
        at = f" at {path}" if path else ""
        because = reason or "it is not data"
        super().__init__(
            f"{what}: the value{at} is a {type_name}, which cannot be stored ({because}); use JSON values, dataclasses, "
            f"pydantic models, enums, dates, UUIDs, Decimals, bytes, tuples or sets."
        )


class StateUsageError(WorkflowError):
    """A state operation that this key's access does not allow (STA); the message names the remedy."""


class SuperstepError(WorkflowError, ExceptionGroup[Exception]):
    """A superstep failed and nothing of it was committed (BAR-3).

    Its `exceptions` are what the handlers raised, in rank order. When the only failure is an error
    of the runtime's own, such as a `StateConflictError`, the raised object is an instance of that
    type as well, so it can be caught by either name.
    """

    superstep: int = 0

    def __init__(self, message: str, exceptions: Sequence[Exception]) -> None:
        """Stop the search for an `__init__` here: the second base of a mixed type may take other arguments."""
        Exception.__init__(self, message, exceptions)

    def derive(self, excs: Sequence[Exception]) -> SuperstepError:  # type: ignore[override]
        """Keep the type when `except*` splits the group."""
        return superstep_error(self.message, excs, self.superstep)


class StateConflictError(WorkflowError):
    """Two executors wrote one snapshot key in one superstep (STA-3)."""

    key: str
    executors: tuple[str, ...]
    values: tuple[object, ...]


class SuperstepOverError(WorkflowError):
    """An operation came from an invocation that has ended (BAR-2); it changed nothing."""


class DeadlockError(WorkflowError):
    """A cycle formed in the lock wait-for graph (DLK-2)."""

    cycle: tuple[tuple[str, str, str], ...]


class HandlerTimeoutError(WorkflowError):
    """A handler took longer than its `timeout` (PAR-4)."""

    executor: str
    seconds: float
    waiting_for: str


class ConvergenceError(WorkflowError):
    """The run was not quiescent after `max_supersteps` (DLK-1)."""

    executors: tuple[str, ...]


class RecordedError(WorkflowError):
    """In a replay: an effect failed in the recorded run, with an exception of a class that the code at hand does not name.

    What is raised is of a subclass with the recorded class's name, and has the recorded text (DET-3).
    """


class ReplayDivergence(WorkflowError):
    """Replaying a recording came to something else than was recorded (DET-4).

    `step` is the recorded event's number (`seq`), `expected` what it says and `actual` what happened instead, in words;
    `cause` is the likely reason and the way out.
    """

    def __init__(self, step: int, expected: str, actual: str, cause: str) -> None:
        """See the class."""
        self.step = step
        self.expected = expected
        self.actual = actual
        self.cause = cause
        super().__init__(f"replay diverged at step {step}: expected {expected}; actually {actual}. {cause}")


class StarvedFanInError(WorkflowError):
    """A fan-in holds messages it can never deliver, in a strict run (DLK-3)."""


class DroppedMessageError(WorkflowError):
    """A message had no route or no handler, in a strict run (ORD-8)."""


class CheckpointError(WorkflowError):
    """A checkpoint could not be written (BAR-6), read, or used by this workflow (BAR-4)."""


_mixed: dict[type[WorkflowError], type[SuperstepError]] = {}


def _both(kind: type[WorkflowError]) -> type[SuperstepError]:
    if kind not in _mixed:
        _mixed[kind] = type(f"Superstep{kind.__name__}", (SuperstepError, kind), {"__module__": __name__})
    return _mixed[kind]


def superstep_error(message: str, failures: Sequence[Exception], superstep: int) -> SuperstepError:
    """Build the error a failed superstep raises (BAR-3)."""
    only = failures[0] if len(failures) == 1 else None
    if isinstance(only, WorkflowError) and type(only).__module__ == __name__ and not isinstance(only, SuperstepError):
        error = _both(type(only))(message, [only])
        vars(error).update({name: value for name, value in vars(only).items() if name != "__notes__"})
    else:
        error = SuperstepError(message, list(failures))
    error.superstep = superstep
    return error
