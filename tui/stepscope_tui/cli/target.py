"""TARGET on the command line: ``path.py:name`` or ``package.module:name`` to a workflow."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from .problems import Problem, one_line

if TYPE_CHECKING:
    from stepscope import Workflow

FORM = "TARGET is path.py:name or package.module:name"


def load(target: str) -> object:
    """Import what `target` names, as Python itself would from its folder. Raises `Problem`."""
    head, colon, name = target.rpartition(":")
    if not (head and colon and name):
        raise Problem(f"{FORM}, not {target!r}; name the workflow inside the module.")
    is_path = head.endswith(".py") or "/" in head or "\\" in head
    module = _import_file(head) if is_path else _import_module(head)
    found: object = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Problem(f"{head!r} has no {name!r}; {_offers(module, head)}.") from None
    return found


async def workflow_of(target: str, found: object) -> Workflow:
    """The workflow that `found` is, or makes when called without arguments. Raises `Problem`."""
    from stepscope import Workflow
    from stepscope.errors import WorkflowError

    if isinstance(found, Workflow):
        return found
    if not callable(found):
        raise Problem(f"{target!r} is a {type(found).__name__}, neither a workflow nor a function that makes one.")
    if not _takes_nothing(found):
        raise Problem(f"{target!r} takes arguments; name a workflow, or a function without arguments that makes one.")
    try:
        made = found()
        if inspect.isawaitable(made):
            made = await made
    except WorkflowError as error:
        raise Problem(f"{target!r} could not make its workflow: {one_line(str(error))}") from error
    except Exception as error:
        raise Problem(f"{target!r} could not make its workflow: {_what(error)}.") from error
    if not isinstance(made, Workflow):
        raise Problem(f"{target!r} made a {type(made).__name__}, not a workflow; let it return what build() gives.")
    return made


def _import_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return _importing(name, lambda: importlib.import_module(name))


def _import_file(head: str) -> ModuleType:
    path = Path(head)
    if not path.is_file():
        raise Problem(f"there is no file {head!r}; {FORM}.")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_target"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise Problem(f"{head!r} is not a Python file; {FORM}.")
    module, loader = importlib.util.module_from_spec(spec), spec.loader

    def execute() -> ModuleType:
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    return _importing(head, execute)


def _importing(name: str, execute: Callable[[], ModuleType]) -> ModuleType:
    try:
        return execute()
    except SystemExit as error:
        raise Problem(
            f"{name!r} exits when it is imported (code {error.code!r}); put what it runs under "
            f"`if __name__ == '__main__':`."
        ) from error
    except Exception as error:
        raise Problem(f"{name!r} cannot be imported: {_what(error)}.") from error


def _what(error: Exception) -> str:
    """An exception as Python's last line, and the innermost place of the person's own code."""
    said = one_line("".join(traceback.format_exception_only(error)).strip().splitlines()[-1]).rstrip(".")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{said} ({error.filename}, line {error.lineno})"
    return f"{said} ({frames[-1].filename}, line {frames[-1].lineno})" if frames else said


def _is_machinery(filename: str) -> bool:
    """Whether a frame is ours or the import system's."""
    folders = Path(__file__).parent, Path(importlib.__file__).parent
    return filename.startswith("<") or any(Path(filename).is_relative_to(folder) for folder in folders)


def _takes_nothing(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


def _offers(module: ModuleType, head: str) -> str:
    from stepscope import Workflow

    names = [name for name, value in vars(module).items() if isinstance(value, Workflow)]
    return f"it has {', '.join(f'{head}:{name}' for name in names)}" if names else "no workflow is defined there"
