"""One list of findings from what the runtime reported and what the events show."""

from __future__ import annotations

from stepscope.analysis import check_events, lost_updates
from stepscope.events import AnyEvent, Found
from support.live_script import LiveScript


def reported(script: LiveScript, kind: str, seqs: list[int], *, executors: tuple[str, ...] = ("e1",)) -> Found:
    seq = len(script.events) + 1
    event = Found(seq, seq, 0, 1, kind, f"{kind} it is", "mend it", "DLK-5", list(executors), ["k"], [], seqs)
    script.events.append(event)
    return event


def test_reported_and_found_are_one_list_in_order_of_the_culprit() -> None:
    s = LiveScript()
    reported(s, "blocked-loop", [])
    read = s.get(1)
    lost = s.set(2, 1)
    by = s.set(1, 1)
    reported(s, "potential-deadlock", [lost])
    found = check_events(s.end())
    assert [(f.kind, f.seqs) for f in found] == [
        ("blocked-loop", [3]),
        ("lost-update", [read, lost, by]),
        ("potential-deadlock", [lost]),
    ]
    assert {f.run_id for f in found} == {"run-0"}


def test_the_same_finding_is_told_once_in_the_runtimes_words() -> None:
    s = LiveScript()
    read = s.get(1)
    lost = s.set(2, 1)
    by = s.set(1, 1)
    for _ in range(2):
        reported(s, "lost-update", [by, read, lost], executors=("e2", "e1"))
    (finding,) = check_events(s.end())
    assert finding.message == "lost-update it is"


def test_any_iterable_will_do() -> None:
    s = LiveScript()
    s.get(1)
    s.set(2, 1)
    s.set(1, 1)
    events: list[AnyEvent] = s.end()
    assert check_events(iter(events)) == lost_updates(iter(events))


def test_a_run_without_a_fault_has_no_findings() -> None:
    assert check_events(LiveScript().end()) == []
