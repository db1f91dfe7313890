"""The state of a run at a moment, as lines of text: values, what this step did to them, what is still pending."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from stepscope.events import StateWritten
from stepscope.values import Tree, Value
from stepscope.values import text as value_text
from stepscope_tui.describe import size
from stepscope_tui.looks import Looks, Meaning
from stepscope_tui.safe import plain

from .outline import Line, Mark, Path, compared, lines
from .palette import style

if TYPE_CHECKING:
    from stepscope_tracing.model import Cell, StateChange

BIG = 100_000
"""Bytes from which a value is not decoded to be shown on one line."""

_ACCESS = {"snapshot": ("▪", "s"), "reducer": ("Σ", "+"), "live": ("◎", "l")}
_MOST_GIVEN = 20
"""Contributions of one executor that are listed; of more, their number is told."""
_WHO_FROM = 40
"""Width from which a line has room for who wrote it."""


class Pending(NamedTuple):
    """What only its executor sees until the barrier: its newest write, or all it has `given` to a reducer key."""

    executor: str
    seq: int
    new: Value | None
    given: tuple[Value, ...] = ()


@dataclass
class ScopeState:
    """One scope's state. `title` is "" for the run's own. `pending` maps a key to each executor's newest write."""

    scope: int
    title: str
    superstep: int
    keys: list[str]
    cells: dict[str, Cell]
    changes: dict[str, StateChange] = field(default_factory=dict)
    pending: dict[str, list[Pending]] = field(default_factory=dict)


OpenPaths: TypeAlias = dict[tuple[int, str], set[Path]]
"""For each opened key, the containers in it that are open too."""


class StateLine(NamedTuple):
    """A line of the panel: which key it belongs to, and which container it opens or closes (None: nothing)."""

    kind: Literal["title", "key", "node", "pending", "merged", "empty"]
    scope: int
    key: str
    path: Path | None
    mark: Mark
    left: str
    old: str
    new: str
    access: str
    who: str
    seq: int


def pending_writes(writes: Sequence[StateWritten], seq: int) -> dict[str, list[Pending]]:
    """Each executor's newest write of each key that only it sees; `writes` are those of the superstep so far."""
    newest: dict[tuple[str, str], Pending] = {}
    for event in writes:
        if event.access != "live" and event.seq <= seq:
            before = newest.get((event.key, event.executor))
            given = (before.given if before is not None else ()) + ((event.given,) if event.given is not None else ())
            newest[event.key, event.executor] = Pending(event.executor, event.seq, event.new, given)
    out: dict[str, list[Pending]] = {}
    for (key, _), one in sorted(newest.items(), key=lambda item: item[1].seq):
        out.setdefault(key, []).append(one)
    return out


def state_lines(scopes: Sequence[ScopeState], opened: OpenPaths) -> list[StateLine]:
    """All lines, those of opened keys included."""
    out: list[StateLine] = []
    for state in scopes:
        if state.title or len(scopes) > 1:
            out.append(_plain_line("title", state.scope, state.title or "the run's own state"))
        names = [*state.keys, *(key for key in (*state.cells, *state.pending, *state.changes) if key not in state.keys)]
        for key in dict.fromkeys(names):
            out.extend(_key_lines(state, key, opened))
        if not names:
            out.append(_plain_line("empty", state.scope, "No state keys yet."))
    return out


def _plain_line(kind: Literal["title", "empty"], scope: int, text: str) -> StateLine:
    return StateLine(kind, scope, "", None, "", text, "", "", "", "", 0)


def _key_lines(state: ScopeState, key: str, opened: OpenPaths) -> Iterator[StateLine]:
    cell, change = state.cells.get(key), state.changes.get(key)
    if change is not None and change.pending:
        change = None  # its own line says so
    value = cell.value if cell is not None else None
    paths = opened.get((state.scope, key))
    mark: Mark = ""
    old = ""
    if change is not None:
        value = change.new
        mark = "added" if change.old is None else "removed" if change.new is None else "changed"
        old = "" if change.old is None else one_line(change.old)
    access = cell.access if cell is not None else change.access if change is not None else "snapshot"
    who, seq = _writer(cell, change)
    openable = value is not None and _is_container(value)
    inside = change is not None and mark == "changed" and openable and change.old is not None and _small(change.old)
    new = one_line(value) if value is not None else "" if mark == "removed" else "absent"
    path: Path | None = () if openable else None
    yield StateLine("key", state.scope, key, path, mark, key, "" if inside else old, new, access, who, seq)
    if value is not None and openable and (paths is not None or inside):
        before = change.old.tree() if inside and change is not None and change.old is not None else None
        for node in compared(before, value.tree(), paths or set()) if inside else lines(value.tree(), paths or set()):
            if paths is not None or (node.mark and not (node.has_more and node.mark == "changed")):
                yield _node_line(state, key, node, whole_path=paths is None)
    if change is not None:
        yield from _merged_lines(state.scope, change, access)
    for one in state.pending.get(key, []):
        given = ", ".join(map(one_line, one.given))
        text = given or ("deleted" if one.new is None else one_line(one.new))
        until = f"until barrier {state.superstep}"
        kind: Mark = "added" if given else "changed"
        yield StateLine(
            "pending", state.scope, key, None, kind, one.executor, until, text, access, one.executor, one.seq
        )


def _merged_lines(scope: int, change: StateChange, access: str) -> Iterator[StateLine]:
    """What each executor contributed, in the order in which the barrier merged it."""
    given: dict[str, list[Value]] = {}
    for executor, value in change.added:
        given.setdefault(executor, []).append(value)
    for executor, values in given.items():
        more = f", ... {len(values)} in all" if len(values) > _MOST_GIVEN else ""
        text = ", ".join(map(one_line, values[:_MOST_GIVEN])) + more
        yield StateLine("merged", scope, change.key, None, "added", executor, "merged", text, access, executor, 0)


def _node_line(state: ScopeState, key: str, node: Line, *, whole_path: bool) -> StateLine:
    path = node.path if node.has_more and not whole_path else None
    left = "  " + ".".join(node.path).replace(".[", "[") if whole_path else "  " * node.depth + node.label
    new = "" if node.mark == "removed" else node.text
    return StateLine("node", state.scope, key, path, node.mark, left, node.old, new, "", "", 0)


def _writer(cell: Cell | None, change: StateChange | None) -> tuple[str, int]:
    if cell is None:
        return (", ".join(change.writers), 0) if change is not None else ("", 0)
    return (cell.executor, cell.written) if cell.written else ("initial", 0)


def _small(value: Value) -> bool:
    return _is_container(value) and len(value.data) <= BIG


def _is_container(value: Value) -> bool:
    """Whether the stored form is a list or a map, told from its first byte; nothing is decoded."""
    first = value.data[0]  # MessagePack: maps and arrays, of fixed and of counted size
    return 0x80 <= first <= 0x9F or first in (0xDC, 0xDD, 0xDE, 0xDF)


def one_line(value: Value) -> str:
    """A value as one line, not yet safe; a very big one is only described."""
    if len(value.data) > BIG:
        return f"<{size(len(value.data))}>"
    tree: Tree = value.tree()
    return value_text(tree)


def shorten(text: str, width: int, looks: Looks) -> str:
    """Safe text of at most `width` cells; what is cut off is told by the whole's length."""
    shown = plain(text, looks.ascii, 4 * max(width, 1) + 8)
    if cell_len(shown) <= width and len(text) <= 4 * width + 8:
        return shown
    dots = "..." if looks.ascii else "…"
    tail = f"{dots}({len(text)})"
    if width <= len(tail) + 1:
        return set_cell_size(shown, max(0, width - len(dots))).rstrip() + dots if width > len(dots) else dots[:width]
    return set_cell_size(shown, width - len(tail)).rstrip() + tail


def key_width(all_lines: Sequence[StateLine], width: int, looks: Looks) -> int:
    """Cells for the column of keys."""
    named = (line.left for line in all_lines if line.kind in ("key", "node"))
    longest = max((cell_len(plain(left, looks.ascii, width)) for left in named), default=4)
    return max(4, min(longest, width // 3 if width >= 36 else width * 2 // 5, 24))


def text_of(line: StateLine, width: int, keys: int, looks: Looks, *, opened: bool, selected: bool, now: bool) -> Text:
    """One line in `width` cells. `keys`: width of the column of keys; `now`: this step wrote it."""
    out = _text(line, width, keys, looks, opened=opened, selected=selected, now=now)
    if out.cell_len > width:  # no room even for marks and names
        out.truncate(width)
    return out


def _text(line: StateLine, width: int, keys: int, looks: Looks, *, opened: bool, selected: bool, now: bool) -> Text:
    out = Text(no_wrap=True, end="")
    if line.kind in ("title", "empty"):
        role = "header" if line.kind == "title" else "quiet"
        out.append(shorten(line.left, width, looks), style(role))
        return out
    if line.kind in ("pending", "merged"):
        return _pending_text(out, line, width, looks, now=now)
    glyph = looks.glyph(line.mark) if line.mark else " "
    out.append(glyph, looks.style(line.mark) if line.mark else "")
    fold = " " if line.path is None else looks.glyph("open" if opened else "closed")
    out.append(fold, looks.style("open"))
    if line.kind == "key":
        out.append(_ACCESS[line.access][1 if looks.ascii else 0] + " ", style("who"))
    else:
        out.append("  ")
    name = shorten(line.left, keys, looks)
    base = "name.lit" if line.kind == "key" and (line.mark or selected) else "name" if line.kind == "key" else "quiet"
    out.append(name, style(base) + style("cursor") if selected and line.kind == "key" else style(base))
    out.append(" " * (keys - cell_len(name) + 1))
    room = width - out.cell_len
    who = f" {line.who}" + (f" @{line.seq}" if line.seq else "") if line.who else ""
    who = shorten(who, 24, looks) if width >= _WHO_FROM and line.kind == "key" else ""
    _value(out, line, room - cell_len(who), looks)
    if who:
        out.append(" " * max(0, width - out.cell_len - cell_len(who)))
        out.append(who, style("quiet"))
    return out


def _value(out: Text, line: StateLine, room: int, looks: Looks) -> None:
    new_style = looks.style(line.mark) if line.mark else style("value")
    if line.mark == "removed":
        out.append(shorten(line.old, room, looks), "strike " + looks.style("removed"))
        return
    if line.mark != "changed" or not line.old or room < 9:
        out.append(shorten(line.new, room, looks), new_style if line.new != "absent" else style("quiet"))
        return
    arrow = f" {looks.glyph('arrow')} "
    left = room - cell_len(arrow)
    old_room = min(cell_len(plain(line.old, looks.ascii, 200)), max(left // 2, left - cell_len(line.new)))
    old = shorten(line.old, old_room, looks)
    out.append(old, style("old"))
    out.append(arrow, looks.style("changed"))
    out.append(shorten(line.new, left - cell_len(old), looks), new_style)


def _pending_text(out: Text, line: StateLine, width: int, looks: Looks, *, now: bool) -> Text:
    meaning: Meaning = "pending" if line.kind == "pending" else "committed"
    out.append(looks.glyph("changed") if now else " ", looks.style("changed"))
    out.append(f"   {looks.glyph(meaning)} ", looks.style(meaning))
    who = shorten(line.left, max(4, width // 3), looks)
    out.append(f"{who} ", style("who"))
    out.append(f"{looks.glyph('added' if line.mark == 'added' else 'arrow')} ", looks.style("pending"))
    room = width - out.cell_len
    tail = f"  {line.old}"
    tail = tail if room - len(tail) >= 12 else ""
    out.append(shorten(line.new, room - len(tail), looks), looks.style("changed") if now else "italic")
    out.append(tail, style("quiet"))
    return out
