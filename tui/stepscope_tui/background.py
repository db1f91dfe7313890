"""Long questions about a recording, asked from a thread: each opens the file anew, so nothing is shared with the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stepscope.errors import WorkflowError

from .looks import KINDS
from .session import Session

if TYPE_CHECKING:
    from stepscope_tracing import Run

GROUPS: dict[str, tuple[str, ...]] = {
    "state": ("state-read", "state-written", "committed"),
    "locks": ("lock-waiting", "lock-acquired", "lock-released"),
    "messages": ("sent", "routed", "dropped", "delivered"),
    "handlers": ("handler-started", "handler-ended"),
    "supersteps": ("superstep-started", "superstep-completed", "superstep-failed", "barrier-arrived", "committed"),
    "effects": ("effect-started", "effect-ended"),
}
"""Words of a filter that stand for several kinds of events."""


def find(path: str, run_id: str, needle: str, seq: int, *, backwards: bool) -> int | None:
    """Where the next match after (before) `seq` is, going round."""
    from stepscope_tracing import Recording

    with Recording.open(path) as recording:
        session = Session(recording.run(run_id), seq)
        session.needle = needle
        return session.find(backwards=backwards)


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


def matching(path: str, run_id: str, kinds: frozenset[str], executors: frozenset[str]) -> list[int]:
    """`seq` of every event of one of the kinds and one of the executors, in order; empty sets mean any."""
    from stepscope_tracing import Recording

    with Recording.open(path) as recording:
        run = recording.run(run_id)
        return [
            event.seq
            for event in run.iter_events()
            if (not kinds or event.kind in kinds) and (not executors or getattr(event, "executor", None) in executors)
        ]


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
