"""The one registry of what a person can do: name, who does it, and what the help says.

Keymaps (`stepscope_tui.keymap`) give names to keys; help, footer and palette are made from both, so they cannot be
wrong. `target` is the method `do_<target>` of the application, or a movement of the focused panel (``motion:up``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Group: TypeAlias = Literal["Stepping", "Finding the way", "Causes", "Selection", "Panels", "Stepscope"]


@dataclass(frozen=True)
class Action:
    """One thing a person can do. `hint` is its word in the footer, "" for none."""

    name: str
    target: str
    help: str
    group: Group
    hint: str = ""


_ALL: tuple[Action, ...] = (
    Action("next-event", "step:next_event", "next event", "Stepping", "step"),
    Action("previous-event", "step:previous_event", "previous event", "Stepping", "back"),
    Action("next-superstep", "step:next_superstep", "next superstep, over the barrier", "Stepping", "superstep"),
    Action("previous-superstep", "step:previous_superstep", "previous superstep", "Stepping"),
    Action("finish-handler", "step:finish_handler", "to the end of this handler", "Stepping"),
    Action("handler-start", "step:handler_start", "back to this handler's start", "Stepping"),
    Action("lane-previous", "step:lane_previous", "previous event in this lane", "Stepping"),
    Action("lane-next", "step:lane_next", "next event in this lane", "Stepping"),
    Action("first", "step:first", "first event of the run", "Stepping"),
    Action("last", "step:last", "last event of the run", "Stepping"),
    Action("play", "play", "play, pause", "Stepping"),
    Action("goto", "ask_goto", "go to a sequence number, or to a superstep (k3)", "Finding the way", "go to"),
    Action("search", "ask_search", "search the events for text", "Finding the way", "search"),
    Action("next-match", "step:next_match", "next match", "Finding the way"),
    Action("previous-match", "step:previous_match", "previous match", "Finding the way"),
    Action("filter", "ask_filter", "show only events of a kind or an executor", "Finding the way", "filter"),
    Action("next-finding", "step:next_finding", "next finding", "Finding the way", "finding"),
    Action("previous-finding", "step:previous_finding", "previous finding", "Finding the way"),
    Action("bookmark", "bookmark", "set or remove a bookmark here", "Finding the way"),
    Action("next-bookmark", "step:next_bookmark", "jump to the next bookmark", "Finding the way"),
    Action("next-write", "step:next_write", "next write of the selected key", "Causes", "write"),
    Action("previous-write", "step:previous_write", "previous write of the selected key", "Causes"),
    Action("cause", "step:cause", "to the cause: what had to happen just before", "Causes", "cause"),
    Action("effect", "step:effect", "to the effect: what this led to", "Causes"),
    Action("up", "motion:up", "selection up", "Selection"),
    Action("down", "motion:down", "selection down", "Selection"),
    Action("left", "motion:left", "selection left", "Selection"),
    Action("right", "motion:right", "selection right", "Selection"),
    Action("page-up", "motion:page-up", "a page up", "Selection"),
    Action("page-down", "motion:page-down", "a page down", "Selection"),
    Action("top", "motion:top", "to the top", "Selection"),
    Action("bottom", "motion:bottom", "to the bottom", "Selection"),
    Action("open", "motion:open", "open or toggle the selection", "Selection"),
    Action("close", "close", "close, restore, forget the search", "Selection"),
    Action("panel-events", "panel:events", "events", "Panels"),
    Action("panel-contention", "panel:contention", "contention", "Panels"),
    Action("panel-findings", "panel:findings", "findings", "Panels"),
    Action("panel-source", "panel:source", "source", "Panels"),
    Action("panel-inspector", "panel:inspector", "inspector", "Panels"),
    Action("panel-diagram", "panel:diagram", "the space-time diagram", "Panels"),
    Action("panel-state", "panel:state", "the state", "Panels"),
    Action("order", "order", "events: as recorded, or by message (sent, delivered, applied)", "Panels"),
    Action("maximise", "maximise", "maximise the focused panel, or restore it", "Panels", "maximise"),
    Action("zoom-in", "zoom:1", "zoom the diagram in", "Panels"),
    Action("zoom-out", "zoom:-1", "zoom the diagram out", "Panels"),
    Action("fit", "zoom:0", "fit the diagram", "Panels"),
    Action("follow", "follow", "follow a run that is still being recorded", "Stepscope"),
    Action("copy-link", "copy_link", "copy a link to this moment", "Stepscope"),
    Action("help", "help", "this help", "Stepscope", "help"),
    Action("palette", "palette", "find a command by name", "Stepscope"),
    Action("quit", "quit_debugger", "quit", "Stepscope", "quit"),
)

ACTIONS: dict[str, Action] = {action.name: action for action in _ALL}
"""By name, in the order of the help."""
