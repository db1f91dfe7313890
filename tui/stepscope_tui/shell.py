"""The screen of the debugger: its widgets, which of them are shown, and showing them the moment of the cursor."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual import events
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.theme import Theme
from textual.widget import Widget

from stepscope.errors import WorkflowError
from stepscope_tracing import Recording

from . import pace
from .arrangement import ABOVE, BELOW, Arrangement
from .keymap import load
from .looks import Looks
from .panel import Panel, Prepares
from .panels.contention import ContentionPanel
from .panels.diagram import Diagram
from .panels.events import EventsPanel
from .panels.findings import FindingsPanel
from .panels.inspector import InspectorPanel
from .panels.source import SourcePanel
from .panels.state import StatePanel
from .safe import plain
from .session import JUMPS, Session
from .spare import Spare
from .widgets.footer import Footer
from .widgets.rule import Rule
from .widgets.scrubber import Scrubber
from .widgets.small import TooSmall
from .widgets.status import StatusLine
from .widgets.titles import Titles

if TYPE_CHECKING:
    from stepscope_tracing import Run


class Shell(App[None]):
    """Owns the recording, the session and the widgets. What keys do is added by its subclasses."""

    def __init__(self, recording_path: str, seq: int | None, run_id: str | None, ascii: bool, keymap: str) -> None:
        """See `DebuggerApp`."""
        self.keys = load(keymap)
        self.looks = Looks(ascii)
        self.recording = Recording.open(recording_path)
        try:
            self.session = Session(self.recording.run(run_id), seq)
        except BaseException:
            self.recording.close()
            raise
        self._themes_found: dict[str, Theme | None] = {}
        # Without this, Textual's NO_COLOR means shades of grey; https://no-color.org means no colour at all.
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self.animation_level = "none"
        self.arrangement = Arrangement()
        self.spare = Spare(pace.collect_all)
        self.shown_at = 0.0
        if keymap != "default":
            self.set_keymap({name: ",".join(keys) for name, keys in self.keys.items()})
        self.log_panel = EventsPanel(id="events")
        self.findings_panel = FindingsPanel(id="findings")
        self.inspector = InspectorPanel(id="inspector")
        self.panels: dict[str, Widget] = {
            "diagram": Diagram(id="diagram"),
            "state": StatePanel(id="state"),
            "events": self.log_panel,
            "contention": ContentionPanel(id="contention"),
            "findings": self.findings_panel,
            "source": SourcePanel(id="source"),
            "inspector": self.inspector,
        }
        self.status = StatusLine(self.session, id="status")
        self.scrubber = Scrubber(self.session, id="scrubber")
        self.footer = Footer(self.keys, id="footer")
        self.titles = Titles(id="titles-above"), Titles(id="titles-below")
        self.rules = Rule(id="rule-above"), Rule(id="rule-below")
        self.upper = Horizontal(self.panels["diagram"], self.rules[0], self.panels["state"], id="upper")
        log, *others = (self.panels[name] for name in BELOW)
        self.lower = Horizontal(log, self.rules[1], *others, id="lower")
        self.small = TooSmall(id="small")

    def get_theme(self, theme_name: str) -> Theme | None:
        """As any application's, looked up once: it is asked for with each line that is painted."""
        if theme_name not in self._themes_found:
            self._themes_found[theme_name] = super().get_theme(theme_name)
        return self._themes_found[theme_name]

    def compose(self) -> ComposeResult:
        """The widgets, in reading order."""
        yield from (self.status, self.scrubber, self.titles[0], self.upper, self.titles[1], self.lower)
        yield from (self.footer, self.small)

    def on_mount(self) -> None:
        """Show the first screen."""
        self.set_class(self.looks.ascii, "-ascii")
        self.arrangement.width, self.arrangement.height = self.size
        self.arrange()
        self.log_panel.focus()

    def on_resize(self, event: events.Resize) -> None:
        """The arrangement depends on the size."""
        self.arrangement.width, self.arrangement.height = event.size
        self.arrange()

    def arrange(self) -> None:
        """Show the panels that belong on the screen, and no others."""
        plan = self.arrangement
        visible = plan.visible()
        whole = plan.maximised is None and not plan.small
        self.set_class(plan.wide, "-wide")
        for widget in (self.status, self.scrubber, self.titles[1], self.footer):
            widget.display = not plan.small
        self.small.display = plan.small
        self.titles[0].display = self.rules[0].display = whole
        self.rules[1].display = whole and plan.wide
        self.upper.display = any(name in ABOVE for name in visible)
        self.lower.display = any(name in BELOW for name in visible)
        for name, panel in self.panels.items():
            panel.display = name in visible
        self.panels["state"].styles.width = "1fr" if plan.maximised == "state" else plan.state_width()
        self.retitle()
        self.show()

    def show(self) -> None:
        """Show the moment of the cursor everywhere; a panel that a damaged recording says nothing to stays as it is."""
        run, seq = self.session.run, self.session.seq
        self.shown_at = time.monotonic()
        for name in self.arrangement.visible():
            panel = self.panels[name]
            assert isinstance(panel, Panel)
            self.attempt(partial(panel.show, run, seq))
        self.status.repaint()
        self.scrubber.repaint()
        self.prepare()

    def prepare(self) -> None:
        """Once the screen shows this moment, make ready what the next key may ask for."""
        self.spare.end()
        self.call_after_refresh(lambda: self.spare.begin(self._prepared()))

    def _prepared(self) -> Iterator[None]:
        """What a step shows first, then where jumps lead."""
        session = self.session
        run, seq = session.run, session.seq
        yield from self._prepared_at(run, seq)
        known = {seq}
        for jump in JUMPS:
            if run.index_ready and (there := session.leads_to(jump)) not in known:
                known.add(there)
                yield from self._prepared_at(run, there)

    def _prepared_at(self, run: Run, seq: int) -> Iterator[None]:
        for name in self.arrangement.visible():
            panel = self.panels[name]
            if isinstance(panel, Prepares):
                yield from panel.prepare(run, seq)
                pace.collect()
                yield

    def retitle(self) -> None:
        """The titles show the focus and the counts."""
        focused = self.screen_stack[0].focused
        count = len(self.session.findings)
        notes = {"findings": f"{self.looks.glyph('finding')}{count}"} if count else {}
        name = next((name for name, panel in self.panels.items() if panel is focused), None)
        for titles, made in zip(self.titles, self.arrangement.titles(name, notes), strict=True):
            titles.put(made)

    def on_descendant_focus(self) -> None:
        """The titles show the focus."""
        self.retitle()

    def say(self, sentence: str, *, error: bool = False) -> None:
        """Say something in the bottom line until the next key."""
        self.footer.say(plain(sentence, self.looks.ascii), error=error)

    def attempt(self, act: Callable[[], object]) -> None:
        """Do something with the run; what a damaged recording cannot tell is said."""
        try:
            act()
        except (WorkflowError, IndexError) as error:  # IndexError: it names an invocation or message that is not there
            self.say(str(error), error=True)

    def shown(self, sentence: str) -> None:
        """After a step: show where it led, or say why it led nowhere."""
        if sentence:
            self.say(sentence)
        else:
            self.show()
