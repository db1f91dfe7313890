"""What a person did wrong, in one sentence: it names the thing and the way out."""

from __future__ import annotations

import click


class Problem(click.ClickException):
    """Ends a command with one sentence on standard error and exit code 2."""

    exit_code = 2


def explain(error: Exception) -> str:
    """The one line to print for an error that a person can cause; for a mistake of ours, all there is to know."""
    from ..safe import safe

    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "stepscope"
        return safe(f"{command}: {one_line(error.format_message())} See '{command} --help'.")
    if isinstance(error, click.ClickException):
        return f"stepscope: {safe(one_line(error.format_message()))}"

    from stepscope.errors import WorkflowError

    if isinstance(error, WorkflowError):
        return f"stepscope: {safe(one_line(str(error)))}"
    if isinstance(error, OSError) and error.strerror:
        about = f"{error.filename!r}: " if error.filename is not None else ""
        return f"stepscope: {safe(about + error.strerror)}."

    import traceback

    told = "".join(traceback.format_exception(error))
    return f"{told}stepscope: this is a mistake of Stepscope itself; please report it with the lines above."


def one_line(text: str) -> str:
    """`text` with every run of white space as one space: messages of libraries may have line breaks."""
    return " ".join(text.split())
