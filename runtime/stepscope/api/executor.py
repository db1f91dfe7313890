"""Executors: classes with `@handler` methods, and functions made executors by `@executor`."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints, overload

from ..context import SyncWorkflowContext
from ..drivers.options import seconds
from ..errors import WorkflowError
from ..events import HandlerInfo
from .matching import chooser, name_of, uncheckable

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__stepscope_handler__"
_TIMEOUT = "__stepscope_timeout__"


class HandlerSpec:
    """One handler: its function, message type, and how it runs."""

    __slots__ = (
        "call",
        "code",
        "function",
        "info",
        "message_type",
        "name",
        "outputs",
        "runs",
        "scope",
        "sends",
        "timeout",
        "wants_context",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        owner: str,
        scope: dict[str, Any],
        executor: Executor | None = None,
        timeout: float | None = None,
    ) -> None:
        """Read the annotations of a method of `executor`, or of a function where that is None.

        Raises `WorkflowError` naming what is missing.
        """
        bound = executor is not None
        self.function = function
        self.scope = scope
        self.name = function.__name__
        self.runs: Literal["task", "thread", "workflow"] = "task" if inspect.iscoroutinefunction(function) else "thread"
        where = f"handler {self.name!r} of {owner}"
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise WorkflowError(f"{where} is a generator; use ctx.send_message and ctx.yield_output instead of yield.")
        parameters = list(inspect.signature(function).parameters.values())[1 if bound else 0 :]
        if not 1 <= len(parameters) <= 2 or any(p.kind not in _POSITIONAL for p in parameters):
            raise WorkflowError(f"{where} must take a message, and may take a WorkflowContext after it.")
        try:
            hints = get_type_hints(function, localns=scope, include_extras=True)
        except NameError as error:
            raise WorkflowError(
                f"{where}: the annotation {error.name!r} cannot be resolved; define it before."
            ) from None
        if parameters[0].name not in hints:
            raise WorkflowError(
                f"{where}: annotate {parameters[0].name!r} with its message type; handlers are chosen by it."
            )
        self.message_type: Any = hints[parameters[0].name]
        if part := uncheckable(self.message_type):
            raise WorkflowError(
                f"{where}: no value can be checked against {part}; use a class, a TypedDict or a runtime_checkable Protocol."
            )
        self.wants_context = len(parameters) == 2
        call = function.__get__(executor) if bound else function
        self.call: Callable[[Any, Any], Any] = call if self.wants_context else lambda payload, _: call(payload)
        """Call the handler with a payload and a context; gives a coroutine for an async one."""
        context = hints.get(parameters[1].name) if self.wants_context else None
        if self.runs == "task" and SyncWorkflowContext in (context, get_origin(context)):
            raise WorkflowError(
                f"{where} is async, and a SyncWorkflowContext is what a plain `def` gets; annotate it with WorkflowContext."
            )
        args = get_args(context) if get_origin(context) is not None else ()
        self.sends: Any = args[0] if args else Any
        self.outputs: Any = args[1] if len(args) > 1 else Any
        self.code = function.__code__
        self.info = HandlerInfo(
            self.name,
            name_of(self.message_type),
            self.code.co_filename,
            self.code.co_firstlineno,
            self.runs,
            timeout,
        )
        self.timeout = timeout
        """Seconds, None where the run's option applies (PAR-4)."""

    def __str__(self) -> str:
        """The handler's name, as events carry it."""
        return self.name


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _locals_around(function: Callable[..., Any]) -> dict[str, Any]:
    """Names visible where a local handler is defined, so that annotations kept as text can be resolved."""
    if "<locals>" not in function.__qualname__:
        return {}
    names: dict[str, Any] = {}
    frame = sys._getframe(2)
    for _ in range(3):  # the class body, and the functions around it
        if frame is None or frame.f_code.co_name == "<module>":
            break
        names = {**frame.f_locals, **names}
        frame = frame.f_back  # type: ignore[assignment]
    return names


def _checked(timeout: float | None) -> float | None:
    if timeout is not None:
        seconds("timeout", timeout)
    return timeout


@overload
def handler(function: F, /) -> F: ...
@overload
def handler(*, timeout: float | None = None) -> Callable[[F], F]: ...
def handler(function: Callable[..., Any] | None = None, /, *, timeout: float | None = None) -> Any:
    """Make a method of an `Executor` the handler of the messages its first parameter is annotated with.

    ``async def`` runs as an asyncio task (PAR-5), ``def`` in a worker thread (PAR-2). The second parameter, if any,
    is a `WorkflowContext`, or in a ``def`` handler a `SyncWorkflowContext`: annotated so, its calls have the types that
    they have.

    ``@handler(timeout=30)``: a handler that takes more seconds is cancelled and fails its superstep (PAR-4, BAR-3).
    Raises `WorkflowError` for a `timeout` that is not a number above 0.
    """
    _checked(timeout)

    def mark(function: F) -> F:
        setattr(function, _MARK, _locals_around(function))
        setattr(function, _TIMEOUT, timeout)
        return function

    if function is None:
        return mark
    setattr(function, _MARK, _locals_around(function))
    return function


class Executor:
    """A node of a workflow. Subclasses have one or more `@handler` methods, one message type each.

    Raises `WorkflowError` for an id that is not a non-empty string, and for a class without handlers.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse handlers that would hide a part of `Executor`. Raises `WorkflowError`."""
        super().__init_subclass__(**kwargs)
        taken = [name for name, member in vars(cls).items() if hasattr(member, _MARK) and hasattr(Executor, name)]
        if taken:
            raise WorkflowError(
                f"{cls.__qualname__}: a handler cannot be named {', '.join(map(repr, taken))}, as Executor has that name "
                f"itself; call it something else."
            )

    def __init__(self, id: str) -> None:
        """`id` names the executor in the workflow; it must be unique there."""
        if not isinstance(id, str) or not id:
            raise WorkflowError(f"an executor's id is a non-empty string, not {id!r}.")
        if "/" in id:
            raise WorkflowError(
                f"executor id {id!r}: '/' separates a sub-workflow's executors from its own id; leave it out."
            )
        self.id = id

    @property
    def kind(self) -> str:
        """What sort of executor this is, for people."""
        return type(self).__name__

    @functools.cached_property
    def handlers(self) -> tuple[HandlerSpec, ...]:
        """Its handlers in the order of definition. Raises `WorkflowError` for one that cannot be read."""
        found: dict[str, HandlerSpec] = {}
        for cls in reversed(type(self).__mro__):
            for name, member in vars(cls).items():
                scope = getattr(member, _MARK, None)
                if scope is not None:
                    timeout = getattr(member, _TIMEOUT, None)
                    found[name] = HandlerSpec(member, f"{type(self).__name__} {self.id!r}", scope, self, timeout)
                else:
                    found.pop(name, None)
        if not found:
            raise WorkflowError(
                f"executor {self.id!r} ({type(self).__name__}) has no handler; decorate a method with @handler."
            )
        return tuple(found.values())

    async def on_checkpoint_save(self) -> dict[str, Any]:
        """What the executor itself has to remember, for a checkpoint; called at each barrier of a run that takes them.

        Override it to keep attributes across a resume; the dict holds what messages may hold. What it raises counts as
        a checkpoint that cannot be written (BAR-6).
        """
        return {}

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        """Take back what `on_checkpoint_save` gave; called before a resumed run goes on, finished runs included."""

    @functools.cached_property
    def match(self) -> Callable[[Any], HandlerSpec | None]:
        """The handler that takes a payload, or None."""
        return chooser([(spec.message_type, spec) for spec in self.handlers])

    def __repr__(self) -> str:
        """For messages."""
        return f"<{type(self).__name__} {self.id!r}>"


class FunctionExecutor(Executor):
    """An executor whose one handler is a function; made by `@executor`."""

    def __init__(self, function: Callable[..., Any], id: str | None = None, timeout: float | None = None) -> None:
        """`id` is the function's name where not given; `timeout` in seconds (PAR-4)."""
        super().__init__(id or function.__name__)
        self.timeout = _checked(timeout)
        self.function = function
        self._scope = _locals_around(function)
        self.__doc__ = function.__doc__

    @property
    def kind(self) -> str:
        """A function."""
        return "function"

    @functools.cached_property
    def handlers(self) -> tuple[HandlerSpec, ...]:
        """The function."""
        return (HandlerSpec(self.function, f"executor {self.id!r}", self._scope, timeout=self.timeout),)


@overload
def executor(function: Callable[..., Any], /) -> FunctionExecutor: ...
@overload
def executor(
    *, id: str | None = None, timeout: float | None = None
) -> Callable[[Callable[..., Any]], FunctionExecutor]: ...
def executor(
    function: Callable[..., Any] | None = None, /, *, id: str | None = None, timeout: float | None = None
) -> Any:
    """Make a function an executor: ``@executor`` or ``@executor(id="review", timeout=30)``; see `handler`.

    The first parameter is annotated with the message type, the second, if any, as one of a `handler` is.
    """
    if function is not None:
        if not callable(function):
            raise WorkflowError('write @executor(id="...") with the id by name.')
        return FunctionExecutor(function)
    return lambda inner: cast(Any, FunctionExecutor(inner, id, timeout))
