"""One line of text for an event, a message or a value: what the log, the search results and the inspector say.

Everything that comes from a recording passes `plain` here, so no caller has to remember it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from stepscope import events as ev
from stepscope.values import text as value_text

from .looks import KINDS, Looks, Meaning
from .safe import plain

if TYPE_CHECKING:
    from stepscope.values import Value

_BIG = 32_768
"""Bytes from which a value is described by its size in one-line texts: decoding it would cost a frame."""


def meaning_of(event: ev.AnyEvent) -> Meaning:
    """What the event means, for its glyph and colour."""
    if isinstance(event, ev.HandlerEnded):
        return event.outcome
    if isinstance(event, ev.RunEnded) and event.status == "failed":
        return "failed"
    if isinstance(event, ev.StateWritten) and event.op == "undo":
        return "undone"
    if isinstance(event, (ev.EffectEnded, ev.Checkpointed)) and event.error is not None:
        return "failed"
    return KINDS.get(event.kind, "leaf")


def brief(value: Value | None, looks: Looks, width: int = 60) -> str:
    """A value in at most `width` characters; ``absent`` for None."""
    if value is None:
        return "absent"
    if len(value.data) > _BIG:
        return f"<{size(len(value.data))}>"
    return plain(value_text(value.tree()), looks.ascii, width)


def size(count: int) -> str:
    """Bytes for people: ``512 B``, ``1.5 kB``, ``2.0 MB`` (decimal units)."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def duration(ns: int) -> str:
    """A time span for people, three or four digits and a unit: ``18 ns``, ``1.25 ms``, ``12.0 s``, ``2m 05s``."""
    if ns < 1_000:
        return f"{ns} ns"
    for unit, scale in (("us", 1e3), ("ms", 1e6), ("s", 1e9)):
        number = ns / scale
        if number < 1000 and not (unit == "s" and number >= 120):
            return f"{number:.3g} {unit}" if number < 100 else f"{number:.0f} {unit}"
    minutes, seconds = divmod(ns // 1_000_000_000, 60)
    return f"{minutes}m {seconds:02d}s"


def executor_of(event: ev.AnyEvent) -> str:
    """Whose event it is; "" for those of the barrier and the run."""
    return getattr(event, "executor", "") or getattr(event, "source", "")


def what(event: ev.AnyEvent, looks: Looks) -> str:
    """What happened, without when and to whom; one line of safe text."""
    arrow = looks.glyph("arrow")

    def name(text: str) -> str:
        return plain(text, looks.ascii, 60)

    match event:
        case ev.RunStarted():
            seed = "" if event.seed is None else f", seed {event.seed}"
            where = "sub-workflow" if event.scope else f"{name(event.engine)} run"
            return (
                f"{where} {name(event.workflow)} begins ({name(event.mode)}{seed}), input {brief(event.input, looks)}"
            )
        case ev.RunEnded():
            error = f": {_error(event.error, looks)}" if event.error else ""
            return (
                f"{'sub-workflow' if event.scope else 'run'} {event.status}, {_count(event.outputs, 'output')}{error}"
            )
        case ev.SuperstepStarted():
            names = ", ".join(name(executor) for executor in event.executors[:20])
            return f"superstep {event.superstep} begins: {_count(event.deliveries, 'delivery')} to {names}"
        case ev.SuperstepCompleted():
            return f"superstep {event.superstep} completed"
        case ev.SuperstepFailed():
            first = f": {_error(event.errors[0], looks)}" if event.errors else ""
            reverted = f"; {_count(len(event.reverted), 'live key')} restored" if event.reverted else ""
            return f"superstep {event.superstep} failed, nothing committed{first}{reverted}"
        case ev.Delivered():
            sources = ", ".join(name(source) or "the input" for source in event.sources) or "the input"
            group = "group " if event.group else ""
            return f"inbox[{event.position}] {group}from {sources}: {brief(event.payload, looks)}"
        case ev.HandlerStarted():
            return f"{name(event.handler)} starts (#{event.inv})"
        case ev.HandlerEnded():
            error = f": {_error(event.error, looks)}" if event.error else ""
            return f"handler {event.outcome} (#{event.inv}){error}"
        case ev.Sent():
            to = f" {arrow} {name(event.target)}" if event.target is not None else ""
            return f"send m{event.message}{to}: {brief(event.payload, looks)}"
        case ev.Routed():
            decision = "" if event.decision == "delivered" else f" {event.decision}"
            reason = f" ({name(event.reason)})" if event.reason else ""
            return f"route m{event.message} {arrow} {name(event.target)}{decision}{reason}"
        case ev.Dropped():
            return f"drop m{event.message}: {event.why} ({plain(event.reason, looks.ascii, 200)})"
        case ev.StateRead():
            return f"get {name(event.key)} = {brief(event.value, looks)}"
        case ev.StateWritten():
            return _write(event, looks)
        case ev.LockWaiting():
            behind = f", {len(event.queue)} before it" if event.queue else ""
            return f"waits to {event.op} {name(event.key)}, held by {name(event.holder_executor)}{behind}"
        case ev.LockAcquired():
            return f"hold {name(event.key)}{' after waiting' if event.waited else ''}"
        case ev.LockReleased():
            to = f", handed to #{event.next}" if event.next else ""
            reason = "" if event.reason == "exit" else f" ({event.reason})"
            return f"release {name(event.key)}{reason}{to}"
        case ev.EffectStarted():
            return f"effect {name(event.name)} starts"
        case ev.EffectEnded():
            result = f"failed: {_error(event.error, looks)}" if event.error else f"= {brief(event.result, looks)}"
            return f"effect {name(event.name)} {result}"
        case ev.TimedOut():
            return f"timeout after {event.seconds:g} s, waiting for {plain(event.waiting_for, looks.ascii, 200)}"
        case ev.OutputYielded():
            return f"output {brief(event.value, looks)}"
        case ev.BarrierArrived():
            return "at the barrier" + (f", {event.waiting} still to come" if event.waiting else ", the last")
        case ev.Committed():
            keys = ", ".join(name(change.key) for change in event.changes[:20])
            changed = f"{keys} changed" if keys else "no key changed"
            return f"commit: {changed}, {_count(event.messages, 'message')}, {_count(event.outputs, 'output')}"
        case ev.Checkpointed():
            if event.error is not None:
                return f"checkpoint failed: {_error(event.error, looks)}"
            return f"checkpoint {name(event.checkpoint_id)} ({event.size:,} bytes)"
        case ev.Resumed():
            where = f"{name(event.checkpoint_id)}, after superstep {event.superstep} of run {name(event.origin)}"
            changed = _count(len(event.changes), "key")
            return f"resumes from {where}: {changed} restored, {_count(len(event.waiting), 'message')} waiting"
        case ev.Found():
            return f"{name(event.finding)}: {plain(event.message, looks.ascii, 300)}"


def _write(event: ev.StateWritten, looks: Looks) -> str:
    key, arrow = plain(event.key, looks.ascii, 60), looks.glyph("arrow")
    if event.given is not None and event.new is None:  # what the barrier will make of it is not known yet
        return f"{event.op} {brief(event.given, looks, 60)} to {key} (pending)"
    op = event.op if event.given is None else f"{event.op} {brief(event.given, looks, 30)} to"
    pending = "" if event.access == "live" else " (pending)"
    return f"{op} {key}: {brief(event.old, looks, 40)} {arrow} {brief(event.new, looks, 40)}{pending}"


def _error(error: ev.ErrorInfo, looks: Looks) -> str:
    kind = error.type.rsplit(":", 1)[-1]
    return f"{plain(kind, looks.ascii, 60)}: {plain(error.message, looks.ascii, 200)}"


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def line(event: ev.AnyEvent, looks: Looks, *, digits: int = 0, lane: int = 12, time: bool = False) -> Text:
    """The event as a row of the log: seq, superstep, time if asked for, glyph, executor, what happened."""
    meaning = meaning_of(event)
    style = looks.style(meaning)
    out = Text(no_wrap=True, end="")
    out.append(f"{event.seq:>{digits}} ", "#7d8590")
    out.append(f"k{event.superstep:<3}", "#8fa8c8")
    if time:
        out.append(f"{duration(event.t):>8} ", "#7d8590")
    out.append(f"{looks.glyph(meaning)} ", style)
    executor = plain(executor_of(event), looks.ascii, lane)
    out.append(f"{executor:<{lane}} ", "bold" if executor else "")
    out.append(what(event, looks), style if meaning in _LOUD else "")
    return out


_LOUD = frozenset(
    {"failed", "abandoned", "cancelled", "dropped", "finding", "undone", "committed", "superstep", "waiting", "run"}
)
"""Meanings whose whole line has their colour."""
