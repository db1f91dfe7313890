"""What the shell expects of a panel.

A panel is a widget that can be shown any moment of a run. It keeps no cursor of its own over the run: it asks by
posting `Goto`, `SelectKey` or `Inspect`, and is then shown the new moment, as all the others are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .widgets.rows import Motion

if TYPE_CHECKING:
    from stepscope_tracing import Run


@runtime_checkable
class Panel(Protocol):
    """Required of every panel."""

    def show(self, run: Run, seq: int) -> None:
        """Show the run as of `seq`. Called on each move of the cursor while the panel is visible: must be cheap."""
        ...


@runtime_checkable
class Moves(Protocol):
    """A panel in which the movement keys mean something."""

    def motion(self, motion: Motion) -> bool:
        """Do what the movement key means here; False if it means nothing."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """A panel that can make ready ahead of time what it would show at another moment."""

    def prepare(self, run: Run, seq: int) -> Iterator[None]:
        """Work to do between two keys, a millisecond or two before each item; at the moment shown, for its steps."""
        ...


@runtime_checkable
class Zooms(Protocol):
    """A panel that can be zoomed."""

    def zoom(self, by: int) -> None:
        """1 in, -1 out, 0 fit."""
        ...
