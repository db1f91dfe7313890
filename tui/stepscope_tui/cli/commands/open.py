"""``stepscope open``: the terminal debugger on a recording."""

from __future__ import annotations

import click

from ..group import Teaching


@click.command(
    "open",
    cls=Teaching,
    short_help="Walk through a recording in the terminal.",
    examples=[
        ("stepscope open run.stepscope", "the newest run of a recording, from its start"),
        ("stepscope open 'run.stepscope#seq=120'", "at event 120"),
        ("stepscope open 'run.stepscope#run=3f2a&seq=120'", "in another run than the newest"),
        ("stepscope open --ascii --keymap vscode run.stepscope", "on a plain terminal, with other keys"),
    ],
    exits=[("0", "left with q"), ("2", "not a recording, no such run, no terminal, or too small a one")],
)
@click.argument("source", type=click.Path(), metavar="SOURCE[#seq=N]")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters only.")
@click.option("--keymap", default="default", metavar="NAME", help="default, vscode, pudb or gdb.")
def command(source: str, ascii_only: bool, keymap: str) -> int:
    """Walk through a recorded run in the terminal, forwards and backwards.

    Nothing of the recorded program is executed, and none of its code is needed. Press ? there for the keys.
    """
    from ..recordings import parse_source
    from ..show import show

    return show(parse_source(source), ascii_only=ascii_only, keymap=keymap)
