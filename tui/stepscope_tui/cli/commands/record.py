"""``stepscope record``: a Python program as it is, with every workflow it runs recorded."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from ...safe import safe
from ..group import Teaching

if TYPE_CHECKING:
    from ..destination import Destination


@click.command(
    "record",
    cls=Teaching,
    short_help="Run a Python program and record its workflows.",
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
    examples=[
        ("stepscope record app.py --verbose", "like 'python app.py --verbose', into app.stepscope"),
        ("stepscope record --record run.stepscope app.py", "into a file of this name"),
        ("stepscope record --redact 'state.token' --redact '*.password' app.py", "without some values"),
    ],
    exits=[("the program's", "as it would be under python"), ("2", "no such program, or the file cannot be written")],
)
@click.option(
    "--record", "file", type=click.Path(), metavar="FILE", help="Default: the program's name with .stepscope."
)
@click.option(
    "--redact", multiple=True, metavar="PLACE", help="Leave values out: state.KEY, message.*, *.password, ..."
)
@click.argument("script", type=click.Path(), metavar="SCRIPT")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(file: str | None, redact: tuple[str, ...], script: str, args: tuple[str, ...]) -> Callable[[], int]:
    """Run a Python program unchanged; every workflow that it runs is recorded.

    The program sees the arguments after its name, standard input and output, and ends with its own exit code. What
    Stepscope says goes to standard error. An existing recording gains runs.
    """
    from .. import script as scripts
    from ..destination import Destination
    from ..recordings import SUFFIX

    source = scripts.read(script)
    destination = Destination(file or PurePath(script).stem + SUFFIX, redact)
    return partial(_run, script, source, args, destination)


def _run(script: str, source: bytes, args: tuple[str, ...], destination: Destination) -> int:
    import atexit
    from contextlib import ExitStack

    from stepscope.observe import observing

    from ..script import run_as_main

    stack = ExitStack()
    stack.enter_context(observing(destination.recorder))
    stack.enter_context(observing(destination.watch))
    owner = os.getpid()

    def finish() -> None:
        if os.getpid() == owner:  # a forked child ends with the same handlers
            stack.close()
            _tell(destination)

    # Registered before the program's own, so called after them, and after its threads have ended.
    atexit.register(finish)
    run_as_main(script, source, args)
    return 0


def _tell(destination: Destination) -> None:
    """Said while the interpreter ends: nothing may be imported now, as an import that runs source text would make it
    forget that it was interrupted, and end with another exit code than under ``python``.
    """
    runs = destination.close()
    print(
        f"stepscope: recorded {runs} {'run' if runs == 1 else 'runs'}; open with: {safe(destination.how_to_open)}"
        if runs
        else "stepscope: the program ran no workflow, so there is nothing recorded.",
        file=sys.stderr,
    )
