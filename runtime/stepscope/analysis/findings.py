"""All findings of one run, in one list: what the runtime reported while it ran, and what its events show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stepscope.events import AnyEvent, Found, RunStarted
from stepscope.findings import Finding, of_event

from .lock_order import LockOrders
from .lost_updates import lost_updates


def check_events(events: Iterable[AnyEvent]) -> list[Finding]:
    """What is wrong with one run, its sub-workflows included: sorted by culprit (`seqs`), each finding once.

    `events` are one run's, in `seq` order. Two findings of one kind about the same events, executors and keys are
    one; the runtime's words are then kept.
    """
    reported: list[Finding] = []
    orders = LockOrders()

    def passing() -> Iterator[AnyEvent]:
        run_id = ""
        for event in events:
            if isinstance(event, Found):
                reported.append(of_event(event, run_id))
            elif isinstance(event, RunStarted) and event.scope == 0:
                run_id = event.run_id
            orders.take(event)
            yield event

    lost = lost_updates(passing())
    unique: dict[object, Finding] = {}
    for finding in [*reported, *lost, *orders.findings()]:
        about = tuple(sorted(finding.executors)), tuple(finding.keys), tuple(finding.locks)
        unique.setdefault((finding.kind, tuple(sorted(finding.seqs)), about), finding)
    return sorted(unique.values(), key=lambda finding: (finding.seqs, finding.kind, finding.message))
