"""Events in words, for the sentence that says what was expected and what happened instead."""

from __future__ import annotations

from .. import events as ev
from ..values import Value, text

_WIDTH = 200


def _value(value: Value | None) -> str:
    return "nothing (the key is absent)" if value is None else text(value.tree(), _WIDTH)


def _names(names: list[str]) -> str:
    return ", ".join(map(repr, names)) or "nobody"


def _error(error: ev.ErrorInfo | None) -> str:
    return "" if error is None else f": {error.type}: {error.message}"


def in_words(event: ev.Event) -> str:
    """Who does what, to what, with which value; begins with a small letter and has no full stop."""
    who = repr(getattr(event, "executor", ""))
    match event:
        case ev.RunStarted():
            return (
                f"{'sub-workflow' if event.scope else 'workflow'} {event.workflow!r} begins with {_value(event.input)}"
            )
        case ev.RunEnded():
            what = "the sub-workflow" if event.scope else "the run"
            return f"{what} ends {event.status} after {event.supersteps} supersteps{_error(event.error)}"
        case ev.SuperstepStarted():
            return f"superstep {event.superstep} begins with {event.deliveries} deliveries to {_names(event.executors)}"
        case ev.SuperstepCompleted():
            return f"superstep {event.superstep} completes"
        case ev.SuperstepFailed():
            errors = "; ".join(f"{error.type}: {error.message}" for error in event.errors)
            return f"superstep {event.superstep} fails ({errors or 'cancelled'})"
        case ev.Delivered():
            sources = _names([source or "the input" for source in event.sources])
            return f"{who} gets {_value(event.payload)} from {sources}"
        case ev.HandlerStarted():
            return f"{who} starts its handler {event.handler!r}"
        case ev.HandlerEnded():
            return f"{who} ends: {event.outcome}{_error(event.error)}"
        case ev.Sent():
            return f"{who} sends {_value(event.payload)}" + (f" to {event.target!r}" if event.target else "")
        case ev.Routed():
            return f"a message of {event.source!r} is {event.decision} for {event.target!r}"
        case ev.Dropped():
            return f"a message of {event.source!r} is dropped ({event.reason})"
        case ev.StateRead():
            return f"{who} reads {event.key!r}: {_value(event.value)}"
        case ev.StateWritten():
            return _write(event, who)
        case ev.LockWaiting():
            return f"{who} waits to {event.op} {event.key!r}, which {event.holder_executor!r} holds"
        case ev.LockAcquired():
            return f"{who} holds {event.key!r}" + (" after waiting for it" if event.waited else "")
        case ev.LockReleased():
            after = {"exit": "", "error": " because of an exception", "ended": " by ending"}[event.reason]
            return f"{who} releases {event.key!r}{after}"
        case ev.EffectStarted():
            return f"{who} asks for effect {event.name!r}"
        case ev.EffectEnded():
            result = f"fails{_error(event.error)}" if event.error else f"gives {_value(event.result)}"
            return f"effect {event.name!r} of {who} {result}"
        case ev.TimedOut():
            return f"{who} has taken its timeout of {event.seconds:g} s"
        case ev.OutputYielded():
            return f"{who} yields the output {_value(event.value)}"
        case ev.BarrierArrived():
            return f"{who} arrives at the barrier, {event.waiting} still to come"
        case ev.Committed():
            keys = ", ".join(f"{one.key!r} = {_value(one.new)}" for one in event.changes)
            return f"the barrier commits {event.messages} messages, {event.outputs} outputs and {keys or 'no state'}"
        case ev.Found():
            return f"the runtime reports {event.finding}: {event.message}"
    return f"{event.kind} of {who}"


def _write(event: ev.StateWritten, who: str) -> str:
    match event.op:
        case "add":
            return f"{who} adds {_value(event.given)} to {event.key!r}"
        case "delete":
            return f"{who} deletes {event.key!r}"
        case "undo":
            return f"{who} takes its writes to {event.key!r} back, to {_value(event.new)}"
        case "update":
            return f"{who} updates {event.key!r} to {_value(event.new)}"
    return f"{who} sets {event.key!r} to {_value(event.new)}"
