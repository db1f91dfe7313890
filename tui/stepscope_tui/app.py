"""The debugger: one cursor in one run, and the panels that show it. ``python -m stepscope_tui.app FILE`` opens it."""

from __future__ import annotations

from . import pace  # isort: skip  (before anything of Textual: it reads the rate on import)

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType

from stepscope.errors import WorkflowError

from .actions import ACTIONS
from .keymap import load
from .watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.command import Provider


def _actions() -> type[Provider]:
    """The palette's commands; not needed before somebody asks for the palette."""
    from .palette import Actions

    return Actions


class DebuggerApp(Watching):
    """Shows the recording at `recording_path`. Nothing of the recorded program is executed."""

    TITLE = "Stepscope"
    CSS_PATH = "debugger.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_actions}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(keys), f"do('{name}')", ACTIONS[name].help, show=False, id=name)
        for name, keys in load().items()
    ]

    def __init__(
        self,
        recording_path: str,
        seq: int | None = None,
        run_id: str | None = None,
        ascii: bool = False,
        keymap: str = "default",
        *,
        analyse: bool = True,
    ) -> None:
        """Open at `seq`, or at the start, of the run `run_id`, or the newest.

        `ascii`: draw with ASCII only. `analyse`: look for findings too, in a process of its own. Raises
        `WorkflowError` if the file is no recording, or has no such run, or there is no such keymap.
        """
        super().__init__(recording_path, seq, run_id, ascii, keymap)
        self.analyse = analyse

    def run(self, **options: Any) -> None:
        """As any application's; the recording is closed afterwards."""
        try:
            with pace.tuned():
                super().run(**options)
        finally:
            self.recording.close()

    def action_do(self, name: str) -> None:
        """Do the action called `name`; what a damaged recording cannot tell is said."""
        kind, _, argument = ACTIONS[name].target.partition(":")
        self.say("")
        act = getattr(self, f"do_{kind}")
        self.attempt(partial(act, argument) if argument else act)

    def do_help(self) -> None:
        """Show the help."""
        from .help import HelpScreen

        self.push_screen(HelpScreen(self.keys))

    def do_palette(self) -> None:
        """Show the command palette."""
        from textual.command import CommandPalette

        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder="a command", id="--command-palette"))

    def action_command_palette(self) -> None:
        """As the palette's key does."""
        self.do_palette()

    def do_quit_debugger(self) -> None:
        """Leave."""
        self.exit()


def run_app(
    recording_path: str, seq: int | None = None, run_id: str | None = None, ascii: bool = False, keymap: str = "default"
) -> None:
    """Open the debugger on the terminal and come back when the person leaves it.

    Raises `WorkflowError`, before anything is drawn, for what `DebuggerApp` refuses.
    """
    DebuggerApp(recording_path, seq, run_id, ascii, keymap).run()


if __name__ == "__main__":
    try:
        run_app(sys.argv[1], ascii="--ascii" in sys.argv[2:])
    except WorkflowError as error:
        sys.exit(f"{error}")
