"""The command palette's commands: every action of the registry, by its help text."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from .actions import ACTIONS, Action
from .keymap import shown

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

    async def discover(self) -> Hits:
        """Everything, in the order of the help."""
        for action in ACTIONS.values():
            title = self._title(action)
            yield DiscoveryHit(Content(title), partial(self._debugger.action_do, action.name), text=title)

    async def search(self, query: str) -> Hits:
        """What matches, best first."""
        matcher = self.matcher(query)
        for action in ACTIONS.values():
            title = self._title(action)
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), partial(self._debugger.action_do, action.name))
