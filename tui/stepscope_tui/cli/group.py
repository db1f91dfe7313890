"""The group of commands, each imported only when called for, and the shape of their help."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

COMMANDS: dict[str, str] = {
    "demo": "demo",
    "run": "run",
    "record": "record",
    "open": "open",
    "info": "info",
    "check": "check",
    "replay": "replay",
    "export": "export",
    "conformance": "conformance",
    "completion": "completion",
}
"""Name of each command, in the order of the help, and its module in `commands`, which calls it `command`."""


class Teaching(click.Command):
    """A command whose help ends with examples and exit codes."""

    def __init__(
        self, *args: Any, examples: Sequence[tuple[str, str]] = (), exits: Sequence[tuple[str, str]] = (), **kwargs: Any
    ) -> None:
        """`examples` are (command line, what it does), `exits` (code, when)."""
        super().__init__(*args, **kwargs)
        self.examples = list(examples)
        self.exits = list(exits)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, each on a line that can be copied, and the exit codes."""
        write_examples(formatter, self.examples)
        if self.exits:
            with formatter.section("Exit codes"):
                formatter.write_dl(self.exits)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[tuple[str, str]]) -> None:
    """A section of command lines, never wrapped."""
    if examples:
        with formatter.section("Examples"):
            for line, does in examples:
                formatter.write(f"{'':{formatter.current_indent}}# {does}\n")
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Commands(click.Group):
    """Finds commands by the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import it."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"stepscope_tui.cli.commands.{COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say what was probably meant by a name that is no command."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"the commands are {', '.join(COMMANDS)}."
            ctx.fail(f"there is no command {args[0]!r}; {meant}")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A first session."""
        write_examples(
            formatter,
            [
                ("stepscope demo", "see a lost update, a minute after installing"),
                ("stepscope record --record run.stepscope app.py", "record what a program of yours does"),
                ("stepscope open run.stepscope", "walk through it"),
                ("stepscope", "choose one of the recordings in this folder"),
            ],
        )


@click.command(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stepscope", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> int:
    """The debugger for superstep workflows: records a run, walks through it both ways, says what is wrong with it.

    Without a command it lists the recordings at hand and opens the chosen one.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from .recordings import choose_and_open

    return choose_and_open()
