"""Running a Python program as ``python script.py`` would, in this process."""

from __future__ import annotations

import builtins
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

from .problems import Problem

_kept: list[ModuleType] = []
"""The module that was `__main__`: its globals must live on, as our own frames return into it."""


def read(path: str) -> bytes:
    """The source of a program. Raises `Problem` if there is none."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise Problem(f"there is no program {path!r}.") from None
    except IsADirectoryError:
        raise Problem(f"{path!r} is a folder; name a Python file in it.") from None
    except OSError as error:
        raise Problem(f"{path!r} cannot be read: {error.strerror}.") from None


def run_as_main(path: str, source: bytes, args: Sequence[str]) -> None:
    """Run `source`, which was read from `path`, as the program ``__main__`` with `args`.

    Its exceptions, `SystemExit` and `KeyboardInterrupt` go through, so that the interpreter ends as it would without
    us; the traceback it then prints begins with the program's own frame.
    """
    full = os.path.abspath(path)  # noqa: PTH100 - as the interpreter makes it: links in the path are kept
    sys.argv[:] = [path, *args]
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))  # noqa: PTH120
    module = ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", full)
    vars(module).update(
        __file__=full, __builtins__=builtins, __loader__=loader, __spec__=None, __package__=None, __cached__=None
    )
    vars(module)["__annotations__"] = {}
    _kept.append(sys.modules["__main__"])
    sys.modules["__main__"] = module
    code: CodeType | None = None
    try:
        code = compile(source, full, "exec", dont_inherit=True)
        exec(code, vars(module))
    except SystemExit:
        raise
    except BaseException:
        _hide_our_frames(code)
        raise


def _hide_our_frames(code: CodeType | None) -> None:
    """Have the traceback of what ends the process printed from the frame of `code` on, by whatever hook there is."""
    hook = sys.excepthook

    def print_from_program(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        begin = trace
        while begin is not None and begin.tb_frame.f_code is not code:
            begin = begin.tb_next
        own = begin if code is not None else None
        hook(kind, error.with_traceback(own), own)

    sys.excepthook = print_from_program
