"""Recorded errors of effects, raised again (DET-3).

A recording has an exception's class name and text, and no name from a file is imported or looked up in other modules. The
class is one of Python's own, one of ours, or one that the module of the handler, or of the effect's function, can name:
a global of it, or an attribute of a module that is a global of it. Anything else becomes a `RecordedError` of that name.
No constructor runs.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from .. import errors
from ..errors import RecordedError
from ..events import ErrorInfo


def raised_again(info: ErrorInfo, scopes: Sequence[Mapping[str, Any]]) -> BaseException:
    """The exception; `scopes` are the globals of the handler that gets it, and of the function that raised it."""
    if info.type == "CancelledError":
        return asyncio.CancelledError()
    for cls in _classes(info.type, scopes):
        try:
            error = cls.__new__(cls, info.message)
        except TypeError:  # it wants more than a text, as a group of exceptions does
            continue
        error.args = (info.message,)
        return error if _says(error, info.message) else _saying(cls, info.message)
    name = info.type if info.type.isidentifier() else RecordedError.__name__
    return _saying(type(name, (RecordedError,), {"__module__": __name__}), info.message)


def _classes(name: str, scopes: Sequence[Mapping[str, Any]]) -> Iterator[type[Exception]]:
    """Exception classes of this name, the likeliest first."""
    found = [*(names.get(name) for names in scopes), getattr(builtins, name, None), getattr(errors, name, None)]
    for names in scopes:
        found += [cls for cls in names.values() if isinstance(cls, type) and cls.__name__ == name]
        found += [vars(module).get(name) for module in names.values() if isinstance(module, ModuleType)]
    for cls in found:
        if isinstance(cls, type) and issubclass(cls, Exception) and cls.__name__ == name:
            yield cls


def _says(error: Exception, message: str) -> bool:
    try:
        return str(error) == message
    except Exception:  # its own __str__ misses what its constructor would have set
        return False


def _saying(cls: type[Exception], message: str) -> Exception:
    """An instance whose text is the recorded one, whatever the class makes of its arguments."""
    body = {"__str__": lambda self: message, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    made: type[Exception] = type(cls.__name__, (cls,), body)
    error = made.__new__(made, message)
    error.args = (message,)
    return error
