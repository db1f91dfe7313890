"""Long questions about a run, asked from a thread while the screen goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stepscope.errors import WorkflowError

from .looks import KINDS

if TYPE_CHECKING:
    from stepscope_tracing import Run

GROUPS: dict[str, tuple[str, ...]] = {
    "state": ("state-read", "state-written", "committed"),
    "locks": ("lock-waiting", "lock-acquired", "lock-released"),
    "messages": ("sent", "routed", "dropped", "delivered"),
    "handlers": ("handler-started", "handler-ended", "timed-out"),
    "supersteps": ("superstep-started", "superstep-completed", "superstep-failed", "barrier-arrived", "committed"),
    "effects": ("effect-started", "effect-ended"),
}
"""Words of a filter that stand for several kinds of events."""


def parse_filter(run: Run, text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Kinds of events and executors that a filter's words name; an empty set means any.

    Raises `WorkflowError` for a word that is neither.
    """
    executors = {lane.executor for lane in run.lanes()}
    kinds: set[str] = set()
    chosen: set[str] = set()
    for word in text.replace(",", " ").split():
        if word in executors:
            chosen.add(word)
        elif word in GROUPS:
            kinds.update(GROUPS[word])
        elif word in KINDS:
            kinds.add(word)
        else:
            raise WorkflowError(
                f"{word!r} is no executor here and no kind of event; kinds are {', '.join([*GROUPS, *KINDS])}."
            )
    return frozenset(kinds), frozenset(chosen)


def matching(run: Run, kinds: frozenset[str], executors: frozenset[str]) -> list[int]:
    """`seq` of every event of one of the kinds and one of the executors, in order; empty sets mean any."""
    names: list[str | None] = [*executors] or [None]
    return sorted({event.seq for name in names for event in run.events(kinds=kinds, executor=name)})


def error_seqs(run: Run) -> list[int]:
    """Where a handler failed or a superstep did; sub-workflows' handlers too."""
    seqs: list[int] = []
    for failed in run.events(kinds=("superstep-failed",)):
        seqs.append(failed.seq)
        begun = run.events(1, kinds=("superstep-started",), scope=failed.scope, superstep=failed.superstep, n=1)
        for event in run.events(begun[0].seq if begun else 1, kinds=("handler-ended",), superstep=failed.superstep):
            if event.seq < failed.seq and getattr(event, "outcome", "") == "failed":
                seqs.append(event.seq)
    return sorted(set(seqs))
