"""What the stepping, panel and selection keys do."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial

from stepscope.errors import WorkflowError

from .messages import Goto, Inspect, Say, SelectKey
from .panel import Moves, Zooms
from .shell import Shell
from .widgets.rows import Motion
from .widgets.titles import Titles

_PLAY_S = 0.25


class Stepping(Shell):
    """Each `do_` method is the target of an action of the registry."""

    _player: Callable[[], None] | None = None

    def do_step(self, step: str) -> None:
        """Move the cursor."""
        self.shown(self.session.step(step))

    def do_motion(self, motion: Motion) -> None:
        """Let the focused panel move. Where they mean nothing, left and right step, and Enter inspects the event."""
        focused = self.focused
        if isinstance(focused, Moves) and focused.motion(motion):
            return
        if motion == "open" and focused in self.panels.values():
            self.do_panel("inspector")
        if motion in ("left", "right"):
            self.do_step("previous_event" if motion == "left" else "next_event")

    def do_panel(self, panel: str) -> None:
        """Bring a panel up and give it the focus."""
        self.arrangement.reveal(panel)
        self.arrange()
        self.panels[panel].focus()

    def do_order(self) -> None:
        """Turn the log between events and messages."""
        self.say(self.log_panel.toggle_order())

    def do_maximise(self) -> None:
        """Give the focused panel the whole screen, or take it back."""
        name = next((name for name, panel in self.panels.items() if panel is self.focused), self.arrangement.active)
        self.arrangement.toggle_maximised(name)
        self.arrange()

    def do_zoom(self, by: str) -> None:
        """Zoom the diagram."""
        diagram = self.panels["diagram"]
        if isinstance(diagram, Zooms):
            diagram.zoom(int(by))
            self.prepare()

    def do_bookmark(self) -> None:
        """Set or remove a bookmark."""
        self.say(self.session.toggle_bookmark())
        self.scrubber.repaint()

    def do_copy_link(self) -> None:
        """Put a link to this moment on the clipboard (OSC 52), and say it, for terminals that refuse."""
        runs, run_id = self.recording.runs, self.session.run.info.run_id
        run = f"run={run_id}&" if run_id != runs[-1].run_id else ""
        link = shlex.quote(f"{self.recording.path}#{run}seq={self.session.seq}")
        self.copy_to_clipboard(f"stepscope open {link}")
        self.say(f"Copied: stepscope open {link}")

    @property
    def playing(self) -> bool:
        """Whether it steps by itself."""
        return self._player is not None

    def do_play(self) -> None:
        """Step by itself, or stop doing so."""
        if self._player is None:
            self._player = self.set_interval(_PLAY_S, self._play_on).stop
            self.say("Playing; space pauses.")
        else:
            self._pause("Paused.")

    def _play_on(self) -> None:
        try:
            sentence = self.session.next_event()
        except WorkflowError as error:
            sentence = str(error)
        if sentence:
            self._pause(sentence)
        else:
            self.show()

    def _pause(self, sentence: str) -> None:
        if self._player is not None:
            self._player()
            self._player = None
        self.say(sentence)

    def do_close(self) -> bool:
        """Undo the last thing that covers something, then go back to the log; False if there is nothing to undo."""
        if self.arrangement.maximised is not None:
            self.do_maximise()
        elif self._player is not None:
            self._pause("Paused.")
        elif self.focused in self.panels.values() and self.focused is not self.log_panel:
            self.do_panel("events")
        else:
            return False
        return True

    # what panels ask for

    def on_goto(self, message: Goto) -> None:
        """A panel asks for another moment."""
        self.attempt(partial(self.session.goto, message.seq))
        self.show()

    def on_select_key(self, message: SelectKey) -> None:
        """A key was selected."""
        self.session.select_key(message.key, message.scope)
        self.say(f"{message.key} is selected: }} and {{ go to its writes.")

    def on_inspect(self, message: Inspect) -> None:
        """A panel asks to show a value whole."""
        self.do_panel("inspector")
        self.inspector.show_value(message.title, message.tree)

    def on_say(self, message: Say) -> None:
        """A panel has something to say."""
        self.say(message.sentence, error=message.error)

    def on_titles_picked(self, message: Titles.Picked) -> None:
        """A title was clicked."""
        self.do_panel(message.panel)
