"""``stepscope completion``: the script that teaches a shell to complete."""

from __future__ import annotations

import os
from pathlib import PurePath

import click

from ..group import Teaching
from ..problems import Problem

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    cls=Teaching,
    short_help="Print the script that makes a shell complete.",
    examples=[
        ('eval "$(stepscope completion bash)"', "in ~/.bashrc"),
        ('eval "$(stepscope completion zsh)"', "in ~/.zshrc, after compinit"),
        ("stepscope completion fish > ~/.config/fish/completions/stepscope.fish", "once"),
    ],
    exits=[("0", "the script is printed"), ("2", "the shell is not known")],
)
@click.argument("shell", required=False, type=click.Choice(_SHELLS))
def command(shell: str | None) -> int:
    """Print the script that makes a shell complete stepscope's commands, options and files.

    SHELL is the one of $SHELL where not given.
    """
    from click.shell_completion import get_completion_class

    from ..group import cli

    name = shell or PurePath(os.environ.get("SHELL", "")).name
    if name not in _SHELLS:
        raise Problem(f"completion is there for {', '.join(_SHELLS)}; name one, as in 'stepscope completion bash'.")
    complete = get_completion_class(name)
    assert complete is not None
    click.echo(complete(cli, {}, "stepscope", "_STEPSCOPE_COMPLETE").source())
    return 0
