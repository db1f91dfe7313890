"""The ``stepscope`` command.

`main` is the console script. Commands are imported when they are called for, and each imports what it needs inside
its function, so that ``stepscope --help`` and ``stepscope open`` do not wait for what they do not use.
"""

from __future__ import annotations

from collections.abc import Sequence

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, the shells' convention."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args`, those of the process where None; the exit code.

    What a person did wrong is one sentence on standard error and 2. Only ``stepscope record`` lets exceptions out:
    those of the recorded program.
    """
    import click

    from .group import cli
    from .problems import explain

    try:
        outcome = cli.main(None if args is None else list(args), prog_name="stepscope", standalone_mode=False)
    except click.exceptions.Abort:
        return INTERRUPTED
    except Exception as error:
        click.echo(explain(error), err=True)
        return 2
    # A program to run goes outside click, which would turn its Ctrl-C and its exit codes into click's own.
    return int(outcome() if callable(outcome) else outcome or 0)
