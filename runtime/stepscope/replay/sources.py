"""Whether a handler's source has changed since a recording: recorded text against today's, as syntax trees.

Comments and layout do not count. The texts are parsed, never executed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from ..events import HandlerInfo
from .same import LEFT_OUT

Read: TypeAlias = Callable[[str], str | None]
"""Text of a source file by its name; None if there is none."""
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Sources:
    """Where sources come from: as they were when the run was recorded, and as they are."""

    recorded: Read = lambda file: None
    today: Read = lambda file: None

    def handler_changed(self, before: HandlerInfo, now: HandlerInfo) -> bool | None:
        """Whether a handler's own code is another; None if that cannot be told."""
        old = _function(self.recorded(before.file), before)
        new = _function(self.today(now.file), now)
        return None if old is None or new is None else ast.dump(old) != ast.dump(new)

    def changed_beside(self, before: HandlerInfo, now: HandlerInfo) -> list[str]:
        """Names of the functions and classes of the handler's file that are others now, added or gone."""
        old, new = _parsed(self.recorded(before.file)), _parsed(self.today(now.file))
        if old is None or new is None:
            return []
        was, is_now = dict(_parts(old)), dict(_parts(new))
        return [name for name in dict.fromkeys((*was, *is_now)) if was.get(name) != is_now.get(name)]


@lru_cache(maxsize=16)
def _parsed(text: str | None) -> ast.Module | None:
    try:
        return None if text is None or LEFT_OUT in text else ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _function(text: str | None, info: HandlerInfo) -> _Function | None:
    """The definition of a handler, by the line it begins at, decorators included."""
    module = _parsed(text)
    if module is None:
        return None
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            if first == info.line and node.name == info.name:
                return node
    return None


def _parts(module: ast.Module) -> Iterator[tuple[str, str]]:
    """What a module defines, and the rest of it under the name of its first word."""
    rest = []
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, ast.dump(node)
        else:
            rest.append(ast.dump(node))
    yield "the module's own statements", "\n".join(rest)
