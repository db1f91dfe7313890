"""Reading what the debugger shows while it runs inside a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widget import Widget

if TYPE_CHECKING:
    from stepscope_tui.app import DebuggerApp


def lines_of(widget: Widget) -> list[str]:
    """What a widget that draws line by line shows, without trailing spaces."""
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


def panels_of(app: DebuggerApp) -> dict[str, list[str]]:
    """What every visible panel shows, by its name, and the status line."""
    shown = {name: lines_of(app.panels[name]) for name in app.arrangement.visible()}
    return shown | {"status": lines_of(app.query_one("#status")), "scrubber": lines_of(app.query_one("#scrubber"))}


def footer_of(app: DebuggerApp) -> str:
    """The bottom line."""
    return lines_of(app.query_one("#footer"))[0].strip()
