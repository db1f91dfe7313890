"""What the person types: where to go, what to search for, what to show only."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING

from textual.widget import Widget

from stepscope.errors import WorkflowError

from . import background
from .messages import Filtered, Found, Say
from .session import Session
from .stepping import Stepping

if TYPE_CHECKING:
    from .widgets.prompt import Prompt


class Asking(Stepping):
    """Prompts, and the threads that search and filter."""

    _prompt: Prompt | None = None
    _back_to: Widget | None = None

    def do_step(self, step: str) -> None:
        """Move the cursor; matches are looked for in a thread."""
        if step in ("next_match", "previous_match"):
            self._search(backwards=step == "previous_match")
        else:
            super().do_step(step)

    def do_close(self) -> bool:
        """Leave the prompt first; what covers something then; search and filter last."""
        log = self.log_panel
        if self._prompt is not None and self._prompt.is_attached:
            (self._back_to or log).focus()
        elif super().do_close():
            pass
        elif self.session.needle:
            self.session.needle = ""
            self.workers.cancel_group(self, "search")
            self.say("The search is forgotten.")
        elif log.seqs is not None:
            log.only(None)
            self.say("All events are shown again.")
        else:
            return False
        return True

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
            self.attempt(lambda: self.shown(self.session.goto_text(message.text)))
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
        except WorkflowError as error:
            self.post_message(Say(str(error), error=True))
        finally:
            stopped.set()

    def on_found(self, message: Found) -> None:
        """A search has ended."""
        if message.needle != self.session.needle:
            return
        if message.seq is None:
            self.say(f"“{message.needle}” is not in this run.", error=True)
        else:
            self.attempt(partial(self._arrive, message.seq))

    def _arrive(self, seq: int) -> None:
        moved = self.session.goto(seq) == ""
        self.say("" if moved else f"“{self.session.needle}” is only here.")
        self.show()

    def _filter(self, text: str) -> None:
        log = self.log_panel
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
        try:
            seqs = await asyncio.to_thread(background.matching, self.session.run, kinds, executors)
        except WorkflowError as error:
            self.post_message(Say(str(error), error=True))
        else:
            self.post_message(Filtered(text, seqs))

    def on_filtered(self, message: Filtered) -> None:
        """A filter has been through the run."""
        if message.seqs:
            self.log_panel.only(message.seqs)
            self.say(f"{len(message.seqs)} of {self.session.run.last} events are shown; Esc shows all.")
        else:
            self.say(f"No event matches {message.text}.", error=True)
