"""Reading what the debugger shows while it runs inside a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widget import Widget

from stepscope_tui.widgets.lines import LineView

if TYPE_CHECKING:
    from stepscope_tui.app import DebuggerApp


def lines_of(widget: Widget) -> list[str]:
    """What a widget that draws line by line shows, without trailing spaces."""
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


def panels_of(app: DebuggerApp) -> dict[str, list[str]]:
    """What every visible panel shows, by its name, and the status line."""
    shown = {name: lines_of(app.panels[name]) for name in app.arrangement.visible()}
    return shown | {"status": lines_of(app.query_one("#status")), "scrubber": lines_of(app.query_one("#scrubber"))}


def said_by(app: DebuggerApp) -> dict[str, object]:
    """What every panel says: a list's rows and cursor, wherever it is scrolled to; of others, what is painted."""
    said: dict[str, object] = {"status": lines_of(app.status), "scrubber": lines_of(app.scrubber)}
    for name in app.arrangement.visible():
        panel = app.panels[name]
        if not isinstance(panel, LineView):
            said[name] = lines_of(panel)
        elif name == "events":
            said[name] = panel.cursor
        else:
            said[name] = panel.cursor, [panel.rows.row(row).plain for row in range(panel.rows.count)]
    return said


def footer_of(app: DebuggerApp) -> str:
    """The bottom line."""
    return lines_of(app.query_one("#footer"))[0].strip()
