"""``stepscope record``: a Python program as it is, with every workflow it runs recorded."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import click

from ..group import Teaching


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
    from ..recordings import SUFFIX, open_for

    source = scripts.read(script)
    path = file or os.path.splitext(os.path.basename(script))[0] + SUFFIX  # noqa: PTH119, PTH122
    existed = os.path.exists(path)  # noqa: PTH110
    recorder = open_for(path, redact)
    return partial(_run, script, source, args, path, recorder, existed)


def _run(script: str, source: bytes, args: tuple[str, ...], path: str, recorder: object, existed: bool) -> int:
    import atexit
    from contextlib import ExitStack

    from stepscope.observe import Observer, observing

    from ..script import run_as_main
    from ..watch import Watch

    assert isinstance(recorder, Observer)
    watch, stack = Watch(), ExitStack()
    stack.enter_context(observing(recorder))
    stack.enter_context(observing(watch))
    owner = os.getpid()

    def finish() -> None:
        if os.getpid() == owner:  # a forked child ends with the same handlers
            stack.close()
            _tell(path, len(watch.run_ids), existed)

    # Registered before the program's own, so called after them, and after its threads have ended.
    atexit.register(finish)
    run_as_main(script, source, args)
    return 0


def _tell(path: str, runs: int, existed: bool) -> None:
    from pathlib import Path
    from shlex import quote

    from ..out import Out, count

    out = Out(stderr=True)
    if runs:
        out.line(f"stepscope: recorded {count(runs, 'run')}; open with: stepscope open {quote(path)}")
        return
    if not existed:
        Path(path).unlink(missing_ok=True)
    out.line("stepscope: the program ran no workflow, so there is nothing recorded.")
