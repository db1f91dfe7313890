"""The diagram, repainting only the cells that changed: of all panels it changes most with a key, and mostly nearby."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from textual.geometry import Region
from textual.strip import Strip

from .panels.diagram import Diagram
from .widgets.painted import Painted

if TYPE_CHECKING:
    from stepscope_tracing import Run


class ThriftyDiagram(Painted, Diagram, can_focus=True, inherit_bindings=False):
    """Asks the drawing for its rows, and leaves the rest to `Painted`."""

    _showing = False

    def show(self, run: Run, seq: int) -> None:
        """Show the run as of `seq`."""
        self._showing = True
        try:
            super().show(run, seq)
        finally:
            self._showing = False
        self.repaint()

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """As any widget's, but what showing another moment changes is found by comparing."""
        if self._showing and not regions and not layout and not recompose:
            return self
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def make_line(self, y: int) -> Strip:
        """A row of the drawing over the theme's colours."""
        return Diagram.render_line(self, y).apply_style(self.base)
