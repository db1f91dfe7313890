"""The command palette's commands: every action of the registry, by its help text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from .actions import ACTIONS, Action
from .keymap import shown
from .safe import plain

if TYPE_CHECKING:
    from .app import DebuggerApp


class Actions(Provider):
    """All actions, with their keys."""

    @property
    def _debugger(self) -> DebuggerApp:
        return cast("DebuggerApp", self.app)

    def _title(self, action: Action) -> str:
        keys = self._debugger.keys.get(action.name, ())
        return f"{action.help} ({shown(keys[0], self._debugger.looks.ascii)})" if keys else action.help

    def _runs(self) -> list[tuple[str, Callable[[], None]]]:
        """The recording's other runs, newest first."""
        debugger = self._debugger
        here = debugger.session.run.info.run_id
        found: list[tuple[str, Callable[[], None]]] = []
        for number, info in reversed(list(enumerate(debugger.recording.runs, 1))):
            if info.run_id != here:
                name = plain(info.workflow, debugger.looks.ascii, 40)
                title = f"show run {number}: {name}, {info.status}, {info.events} events"
                found.append((title, partial(debugger.open_run, info.run_id)))
        return found

    async def discover(self) -> Hits:
        """The other runs; then everything, in the order of the help."""
        for title, act in self._runs():
            yield DiscoveryHit(Content(title), act, text=title)
        for action in ACTIONS.values():
            title = self._title(action)
            yield DiscoveryHit(Content(title), partial(self._debugger.action_do, action.name), text=title)

    async def search(self, query: str) -> Hits:
        """What matches, best first."""
        matcher = self.matcher(query)
        for title, act in self._runs():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), act)
        for action in ACTIONS.values():
            title = self._title(action)
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), partial(self._debugger.action_do, action.name))
