"""What an invocation waits for, in words: for a timeout (PAR-4) and for the table of a stall (DLK-4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..kernel import Invocation
from .describe import awaited_by, running_in
from .round import Round

if TYPE_CHECKING:
    from .base import Driver


def waiting_for(driver: Driver, inv: Invocation) -> str:
    """What a started invocation waits for, the nearest reason first: a key, a sub-workflow, its turn, effects, its own
    thread, something outside the runtime.
    """
    keys = [_key(inv, ticket.key) for ticket in inv.tickets if not ticket.done]
    if keys:
        return " and ".join(dict.fromkeys(keys))
    if inv.handler.runs == "workflow":
        return _sub_workflow(driver, inv)
    if driver.wants_turn(inv):
        return "its turn"
    effects = [effect.name for effect in driver.effects_of(inv) if effect.future.watched]
    if effects:
        return f"effect{'s' if len(effects) > 1 else ''} {', '.join(effects)}"
    if inv.handler.runs == "thread":
        return running_in(driver.thread_of(inv), inv.handler.code)
    return awaited_by(inv.task)


def everybody(driver: Driver, this: Round) -> list[Invocation]:
    """Who runs in a superstep and in the sub-workflows inside it, in order of invocation numbers."""
    return sorted((inv for one in driver.rounds for inv in one.running if this.holds(inv)), key=lambda inv: inv.id)


def who_waits(driver: Driver, invocations: list[Invocation]) -> str:
    """A row for each of these: who waits for what (DLK-4)."""
    rows = [f"{inv.executor!r} waits for {waiting_for(driver, inv)}" for inv in invocations[:_ROWS]]
    if len(invocations) > _ROWS:
        rows.append(f"and {len(invocations) - _ROWS} more")
    return "; ".join(rows)


_ROWS = 20


def _key(inv: Invocation, key: str) -> str:
    owner = next((owner for held, owner, _ in inv.kernel.table() if held == key), None)
    return f"key {key!r}" if owner is None else f"key {key!r}, held by {owner.executor!r}"


def _sub_workflow(driver: Driver, inv: Invocation) -> str:
    inner = next((this for this in driver.rounds if this.host is inv), None)
    return "its sub-workflow" if inner is None else f"superstep {inner.kernel.superstep} of its sub-workflow"
