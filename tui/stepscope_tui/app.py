"""The debugger: one cursor in one run, and the panels that show it. ``python -m stepscope_tui.app FILE`` opens it."""

from __future__ import annotations

import stepscope_tui.pace  # noqa: F401  isort: skip  (before anything of Textual: it reads the rate on import)

import asyncio
import gc
import os
import shlex
import sys
import threading
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.theme import Theme
from textual.widget import Widget

from stepscope.errors import WorkflowError
from stepscope_tracing import Recording

from . import background
from .actions import ACTIONS
from .arrangement import ABOVE, BELOW, Arrangement
from .keymap import load
from .looks import Looks
from .messages import Filtered, Found, Goto, Inspect, Say, SelectKey, Studied
from .panel import Moves, Panel, Zooms
from .panels.contention import ContentionPanel
from .panels.events import EventsPanel
from .panels.findings import FindingsPanel
from .panels.inspector import InspectorPanel
from .panels.source import SourcePanel
from .panels.state import StatePanel
from .safe import plain
from .session import Session
from .thrifty import ThriftyDiagram
from .widgets.footer import Footer
from .widgets.lines import Motion
from .widgets.rule import Rule
from .widgets.scrubber import Scrubber
from .widgets.small import TooSmall
from .widgets.status import StatusLine
from .widgets.titles import Titles

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.command import Provider

    from .widgets.prompt import Prompt

_PLAY_S = 0.25
_FOLLOW_S = 0.2
_SWITCH_S = 0.0005
"""How long a thread that indexes or searches keeps the screen waiting; Python's default is 5 ms, a third of a frame."""
_COLLECT = (20_000, 20, 50)
"""Thresholds of the garbage collector: decoding one block of events makes more objects than the default allows."""


def _actions() -> type[Provider]:
    """The palette's commands; not needed before somebody asks for the palette."""
    from .palette import Actions

    return Actions


class DebuggerApp(App[None]):
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
        self.keys = load(keymap)
        self.looks = Looks(ascii)
        self.recording = Recording.open(recording_path)
        self.session = Session(self.recording.run(run_id), seq)
        self._themes_found: dict[str, Theme | None] = {}
        # Without this, Textual's NO_COLOR means shades of grey; https://no-color.org means no colour at all.
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self.animation_level = "none"
        self.analyse = analyse
        self.panels: dict[str, Widget] = {}
        self.arrangement = Arrangement()
        self._prompt: Prompt | None = None
        self._back_to: Widget | None = None
        self._player: Callable[[], None] | None = None
        self._follower: Callable[[], None] | None = None
        if keymap != "default":
            self.set_keymap({name: ",".join(keys) for name, keys in self.keys.items()})

    def get_theme(self, theme_name: str) -> Theme | None:
        """As any application's, looked up once: it is asked for with each line that is painted."""
        if theme_name not in self._themes_found:
            self._themes_found[theme_name] = super().get_theme(theme_name)
        return self._themes_found[theme_name]

    # what is on the screen

    def compose(self) -> ComposeResult:
        """The widgets, in reading order."""
        self.panels = {
            "diagram": ThriftyDiagram(id="diagram"),
            "state": StatePanel(id="state"),
            "events": EventsPanel(id="events"),
            "contention": ContentionPanel(id="contention"),
            "findings": FindingsPanel(id="findings"),
            "source": SourcePanel(id="source"),
            "inspector": InspectorPanel(id="inspector"),
        }
        yield StatusLine(self.session, id="status")
        yield Scrubber(self.session, id="scrubber")
        yield Titles(id="titles-above")
        yield Horizontal(self.panels["diagram"], Rule(id="rule-above"), self.panels["state"], id="upper")
        yield Titles(id="titles-below")
        log, *others = (self.panels[name] for name in BELOW)
        yield Horizontal(log, Rule(id="rule-below"), *others, id="lower")
        yield Footer(self.keys, id="footer")
        yield TooSmall(id="small")

    def on_mount(self) -> None:
        """Show the first screen, and then look deeper."""
        self.set_class(self.looks.ascii, "-ascii")
        self.query_one(FindingsPanel).put(self.session.findings, complete=not self.analyse)
        self.arrangement.width, self.arrangement.height = self.size
        self.arrange()
        self.panels["events"].focus()
        self.call_after_refresh(self._after_first_screen)

    def on_resize(self, event: events.Resize) -> None:
        """The arrangement depends on the size."""
        self.arrangement.width, self.arrangement.height = event.size
        self.arrange()

    def arrange(self) -> None:
        """Show the panels that belong on the screen, and no others."""
        plan = self.arrangement
        visible = plan.visible()
        self.screen.set_class(plan.wide, "-wide")
        displayed = {
            "#small": plan.small,
            "#upper": any(name in ABOVE for name in visible),
            "#lower": any(name in BELOW for name in visible),
            "#rule-above": plan.maximised is None,
            "#rule-below": plan.maximised is None and plan.wide,
            "#titles-above": plan.maximised is None and not plan.small,
        } | dict.fromkeys(("#status", "#scrubber", "#titles-below", "#footer"), not plan.small)
        for selector, display in displayed.items():
            self.query_one(selector).display = display
        for name, panel in self.panels.items():
            panel.display = name in visible
        state = self.panels["state"]
        alone = plan.maximised == "state"
        state.styles.width = "1fr" if alone else plan.state_width()
        self.retitle()
        self.show()

    def show(self) -> None:
        """Show the moment of the cursor everywhere."""
        run, seq = self.session.run, self.session.seq
        for name in self.arrangement.visible():
            panel = self.panels[name]
            assert isinstance(panel, Panel)
            panel.show(run, seq)
        self.query_one(StatusLine).repaint()
        self.query_one(Scrubber).repaint()

    def retitle(self) -> None:
        """The titles show the focus and the counts."""
        focused = self.screen_stack[0].focused
        count = len(self.session.findings)
        notes = {"findings": f"{self.looks.glyph('finding')}{count}"} if count else {}
        name = next((name for name, panel in self.panels.items() if panel is focused), None)
        above, below = self.arrangement.titles(name, notes)
        self.query_one("#titles-above", Titles).put(above)
        self.query_one("#titles-below", Titles).put(below)

    def say(self, sentence: str, *, error: bool = False) -> None:
        """Say something in the bottom line until the next key."""
        self.query_one(Footer).say(plain(sentence, self.looks.ascii), error=error)

    # what a key does: each target of the action registry

    def action_do(self, name: str) -> None:
        """Do the action called `name`."""
        kind, _, argument = ACTIONS[name].target.partition(":")
        self.say("")
        act = getattr(self, f"do_{kind}")
        if argument:
            act(argument)
        else:
            act()

    def do_step(self, step: str) -> None:
        """Move the cursor; a person who steps wants to stay there, so following ends."""
        if self._follower is not None and step != "last":
            self._unfollow("")
        if step in ("next_match", "previous_match"):
            self._search(backwards=step == "previous_match")
            return
        self._moved(self.session.step(step))

    def _moved(self, sentence: str) -> None:
        if sentence:
            self.say(sentence)
        else:
            self.show()

    def do_motion(self, motion: Motion) -> None:
        """Let the focused panel move; left and right step where they mean nothing."""
        focused = self.focused
        if isinstance(focused, Moves) and focused.motion(motion):
            return
        if motion in ("left", "right") and focused is not self._prompt:
            self.do_step("previous_event" if motion == "left" else "next_event")

    def do_panel(self, panel: str) -> None:
        """Bring a panel up and give it the focus."""
        self.arrangement.reveal(panel)
        self.arrange()
        self.panels[panel].focus()

    def do_order(self) -> None:
        """Turn the log between events and messages."""
        self.say(self.query_one(EventsPanel).toggle_order())

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

    def do_bookmark(self) -> None:
        """Set or remove a bookmark."""
        self.say(self.session.toggle_bookmark())
        self.query_one(Scrubber).repaint()

    def do_copy_link(self) -> None:
        """Put a link to this moment on the clipboard (OSC 52), and say it, for terminals that refuse."""
        link = shlex.quote(f"{self.recording.path}#seq={self.session.seq}")
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
        sentence = self.session.next_event()
        if sentence:
            self._pause(sentence)
        else:
            self.show()

    def _pause(self, sentence: str) -> None:
        if self._player is not None:
            self._player()
            self._player = None
        self.say(sentence)

    def do_close(self) -> None:
        """Undo the last thing that covers something: prompt, maximised panel, search, filter."""
        log = self.query_one(EventsPanel)
        if self._prompt is not None and self._prompt.is_attached:
            (self._back_to or self.panels["events"]).focus()
        elif self.arrangement.maximised is not None:
            self.do_maximise()
        elif self._player is not None:
            self._pause("Paused.")
        elif self.session.needle:
            self.session.needle = ""
            self.workers.cancel_group(self, "search")
            self.say("The search is forgotten.")
        elif log.seqs is not None:
            log.only(None)
            self.say("All events are shown again.")

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

    # questions

    def do_ask_goto(self) -> None:
        """Ask where to go."""
        self._ask("goto", "an event (120), a superstep (k3), or 50%")

    def do_ask_search(self) -> None:
        """Ask what to search for."""
        self._ask("search", "text to search for in events")

    def do_ask_filter(self) -> None:
        """Ask what to show only."""
        self._ask("filter", f"{', '.join(background.GROUPS)}, a kind or an executor; nothing shows all")

    def _ask(self, kind: str, question: str) -> None:
        from .widgets.prompt import Prompt

        back = self.focused
        self._prompt = Prompt(kind, question)
        self.mount(self._prompt)
        self._prompt.focus()
        self._back_to = back

    def on_prompt_left(self) -> None:
        """The panel that had the focus has it again, unless another one took it; the prompt goes."""
        back, prompt = self._back_to, self._prompt
        if back is not None and back.screen.focused in (None, prompt):
            back.screen.set_focus(back)
        if prompt is not None:
            prompt.remove()

    def on_prompt_answered(self, message: Prompt.Answered) -> None:
        """Do what was asked for."""
        if self._back_to is not None:
            self._back_to.focus()
        if message.kind == "goto":
            self._moved(self.session.goto_text(message.text))
        elif message.kind == "search":
            self.session.needle = message.text
            self._search(backwards=False)
        else:
            self._filter(message.text)

    def _search(self, *, backwards: bool) -> None:
        session = self.session
        if not session.needle:
            self.say("Nothing was searched for yet.")
            return
        self.say(f"Searching for “{session.needle}”…")
        self.run_worker(self._find(session.copy(), session.needle, backwards), group="search", exclusive=True)

    async def _find(self, session: Session, needle: str, backwards: bool) -> None:
        stopped = threading.Event()
        try:
            found = await asyncio.to_thread(session.find, backwards=backwards, stop=stopped.is_set)
            self.post_message(Found(needle, found))
        finally:
            stopped.set()

    def on_found(self, message: Found) -> None:
        """A search has ended."""
        if message.needle != self.session.needle:
            return
        if message.seq is None:
            self.say(f"“{message.needle}” is not in this run.", error=True)
        else:
            self.say("" if self.session.goto(message.seq) == "" else f"“{message.needle}” is only here.")
            self.show()

    def _filter(self, text: str) -> None:
        log = self.query_one(EventsPanel)
        if not text.strip():
            log.only(None)
            self.say("All events are shown.")
            return
        try:
            kinds, executors = background.parse_filter(self.session.run, text)
        except WorkflowError as error:
            self.say(str(error), error=True)
            return
        self.run_worker(self._match(text, kinds, executors), group="filter", exclusive=True)

    async def _match(self, text: str, kinds: frozenset[str], executors: frozenset[str]) -> None:
        seqs = await asyncio.to_thread(background.matching, self.session.run, kinds, executors)
        self.post_message(Filtered(text, seqs))

    def on_filtered(self, message: Filtered) -> None:
        """A filter has been through the run."""
        if message.seqs:
            self.query_one(EventsPanel).only(message.seqs)
            self.say(f"{len(message.seqs)} of {self.session.run.last} events are shown; Esc shows all.")
        else:
            self.say(f"No event matches {message.text}.", error=True)

    # what panels ask for

    def on_goto(self, message: Goto) -> None:
        """A panel asks for another moment."""
        self.session.goto(message.seq)
        self.show()

    def on_select_key(self, message: SelectKey) -> None:
        """A key was selected."""
        self.session.select_key(message.key, message.scope)
        self.say(f"{message.key} is selected: }} and {{ go to its writes.")

    def on_inspect(self, message: Inspect) -> None:
        """A panel asks to show a value whole."""
        self.do_panel("inspector")
        self.query_one(InspectorPanel).show_value(message.title, message.tree)

    def on_say(self, message: Say) -> None:
        """A panel has something to say."""
        self.say(message.sentence, error=message.error)

    def on_titles_picked(self, message: Titles.Picked) -> None:
        """A title was clicked."""
        self.do_panel(message.panel)

    def on_descendant_focus(self) -> None:
        """The titles show the focus."""
        self.retitle()

    # what comes later

    def _after_first_screen(self) -> None:
        self.run_worker(self._study(), group="study", exclusive=True)

    async def _study(self) -> None:
        run = self.session.run
        await asyncio.to_thread(run.build_index)
        errors = await asyncio.to_thread(background.error_seqs, run)
        found = None
        if self.analyse:
            from .analyse import findings_of

            found = await findings_of(str(self.recording.path), run.info.run_id)
        self.post_message(Studied(errors, found))

    def on_studied(self, message: Studied) -> None:
        """The whole run has been looked at."""
        gc.freeze()  # what is there now stays: collections need not walk the index with each jump
        self.query_one(Scrubber).set_errors(message.errors)
        if message.findings is not None:
            self.session.set_findings(message.findings)
        self.query_one(FindingsPanel).put(self.session.findings, complete=message.findings is not None)
        self.retitle()
        self.show()

    def do_follow(self) -> None:
        """Follow a recording that is still being written, or stop."""
        if self._follower is not None:
            self._unfollow("No longer following.")
        elif self.session.run.info.complete:
            self.say("This run is over: there is nothing to follow.")
        else:
            self._follower = self.set_interval(_FOLLOW_S, self._follow_on).stop
            self.query_one(StatusLine).live = True
            self.session.last()
            self.show()
            self.say("Following; F stops.")

    def _unfollow(self, sentence: str) -> None:
        if self._follower is not None:
            self._follower()
            self._follower = None
        self.query_one(StatusLine).live = False
        self.show()
        self.say(sentence)

    def _follow_on(self) -> None:
        if self.recording.refresh():
            self.session.last()
            self.show()
        if self.session.run.info.complete:
            self._unfollow("The run is over.")
            self._after_first_screen()


def run_app(
    recording_path: str, seq: int | None = None, run_id: str | None = None, ascii: bool = False, keymap: str = "default"
) -> None:
    """Open the debugger on the terminal and come back when the person leaves it.

    Raises `WorkflowError`, before anything is drawn, for what `DebuggerApp` refuses.
    """
    app = DebuggerApp(recording_path, seq, run_id, ascii, keymap)
    gc.set_threshold(*_COLLECT)
    sys.setswitchinterval(_SWITCH_S)
    try:
        app.run()
    finally:
        app.recording.close()


if __name__ == "__main__":
    try:
        run_app(sys.argv[1], ascii="--ascii" in sys.argv[2:])
    except WorkflowError as error:
        sys.exit(f"{error}")
