"""The list of recordings at hand, from which a person chooses one: what ``stepscope`` alone shows."""

from __future__ import annotations

import stepscope_tui.pace  # noqa: F401  isort: skip  (before anything of Textual: it reads the rate on import)

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType

from stepscope.errors import WorkflowError
from stepscope_tracing import Recording

from .looks import Looks, Meaning
from .safe import plain
from .widgets.lines import LineView
from .widgets.oneline import OneLine
from .widgets.rows import ListRows, Motion

if TYPE_CHECKING:
    from stepscope_tracing.model import RunInfo

SUFFIX = ".stepscope"
_STATUS: dict[str, Meaning] = {
    "completed": "ok", "failed": "failed", "cancelled": "cancelled", "interrupted": "abandoned",
    "running": "waiting",
}  # fmt: skip


def recordings_in(folder: Path) -> list[Path]:
    """The recordings in a folder and in its ``.stepscope`` folder, newest first."""
    found = [*folder.glob(f"*{SUFFIX}"), *(folder / SUFFIX).glob(f"*{SUFFIX}")]
    return sorted((path for path in found if path.is_file()), key=lambda path: (-path.stat().st_mtime_ns, path.name))


class RecordingRows:
    """A row for each file; a file is opened when its row is first seen."""

    def __init__(self, paths: Sequence[Path], looks: Looks) -> None:
        """`paths`: in the order shown."""
        self.paths = paths
        self.looks = looks
        self.names = min(28, max((len(path.name) for path in paths), default=0))

    @property
    def count(self) -> int:
        """How many files."""
        return len(self.paths)

    def row(self, index: int) -> Text:
        """Name, workflow, status, events, runs, when; or why it cannot be opened."""
        path, looks = self.paths[index], self.looks
        out = Text(no_wrap=True, end="")
        out.append(f"{plain(path.name, looks.ascii, self.names):<{self.names}}  ", "bold")
        try:
            with Recording.open(path) as recording:
                runs = recording.runs
        except (WorkflowError, OSError) as error:
            why = plain(str(error).replace(f"'{path}' ", ""), looks.ascii)
            out.append(f"{looks.glyph('failed')} {why}", looks.style("failed"))
            return out
        if not runs:
            out.append("no run yet", looks.style("waiting"))
        else:
            self._run(out, runs[-1], len(runs))
        return out

    def _run(self, out: Text, newest: RunInfo, runs: int) -> None:
        looks, meaning = self.looks, _STATUS[newest.status]
        out.append(f"{plain(newest.workflow, looks.ascii, 14):<14} ")
        out.append(f"{looks.glyph(meaning)} {newest.status:<11}", looks.style(meaning))
        out.append(f"{newest.events:>8} events  ")
        when = datetime.fromtimestamp(newest.started_unix_ns / 1e9).strftime("%Y-%m-%d %H:%M")
        out.append(when, "#8fa8c8")
        out.append(f"  {runs} runs" if runs > 1 else "", "#8fa8c8")


class _Head(OneLine):
    """A line that says one thing."""

    def __init__(self, text: str, style: str) -> None:
        """`text`: safe."""
        super().__init__()
        self._text = Text(text, style, no_wrap=True, end="")

    def content(self, width: int) -> Text:
        """It."""
        return self._text


class Chooser(App[Path]):
    """The list; ends with the chosen path, or with none."""

    TITLE = "Stepscope"
    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { background: #11151a; color: #d7dde4; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "leave", "leave"),
        *(
            Binding(keys, f"move('{motion}')", motion)
            for keys, motion in (
                ("up,k", "up"), ("down,j", "down"), ("pageup", "page-up"), ("pagedown", "page-down"),
                ("g,home", "top"), ("G,end", "bottom"), ("enter,o", "open"),
            )
        ),
    ]  # fmt: skip

    def __init__(self, paths: Sequence[Path], where: str, ascii: bool = False) -> None:
        """`where`: what the head says was looked through."""
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self.animation_level = "none"
        self.looks = Looks(ascii)
        self.paths = paths
        self.where = where

    def compose(self) -> ComposeResult:
        """A head, the list, a foot."""
        count, where = len(self.paths), plain(self.where, self.looks.ascii)
        yield _Head(f" Stepscope  {count} recording{'' if count == 1 else 's'} in {where}", "bold reverse")
        if self.paths:
            yield LineView(RecordingRows(self.paths, self.looks))
            yield _Head(" Enter open   q quit", "#8fa8c8")
        else:
            lines = (
                "", "There is no recording here yet. Make one:", "",
                "  stepscope demo                                   a lost update, to look at",
                "  stepscope record --record run.stepscope app.py   what a program of yours does",
            )  # fmt: skip
            yield LineView(ListRows([Text(line) for line in lines]), cursor=False)
            yield _Head(" q quit", "#8fa8c8")

    def on_mount(self) -> None:
        """The list has the focus."""
        self.query_one(LineView).focus()

    def action_move(self, motion: Motion) -> None:
        """Move in the list."""
        self.query_one(LineView).motion(motion)

    def action_leave(self) -> None:
        """Choose none."""
        self.exit(None)

    def on_line_view_chosen(self, message: LineView.Chosen) -> None:
        """This one."""
        if self.paths:
            self.exit(self.paths[message.row])


def choose_recording(where: str | os.PathLike[str] | Sequence[Path], ascii: bool = False) -> Path | None:
    """Let a person choose among the recordings of a folder, or among these paths; None if they choose none."""
    if isinstance(where, (str, os.PathLike)):
        folder = Path(where)
        paths: Sequence[Path] = recordings_in(folder)
        name = str(folder)
    else:
        paths = list(where)
        name = str(Path.cwd())
    return Chooser(paths, name, ascii).run()
