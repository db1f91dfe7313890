"""What each step does to the cursor, without a screen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepscope.events import AnyEvent, HandlerEnded, HandlerStarted
from stepscope.findings import Finding
from stepscope_tracing import Run
from stepscope_tui.session import JUMPS, STEPS, Session
from support.random_streams import streams
from support.streams import Stream, live


def two_supersteps() -> list[AnyEvent]:
    """a sets a live key and sends to b, which reads it under a lock."""
    stream = Stream("a", "b", keys=[live("ledger", 0)])
    (inv,) = stream.begin()
    stream.start(inv)
    stream.set(inv, "ledger", 1)
    stream.send(inv, "hello", "b")
    stream.end(inv)
    stream.commit()
    (inv,) = stream.begin()
    stream.start(inv)
    stream.hold(inv, "ledger")
    stream.get(inv, "ledger")
    stream.set(inv, "ledger", 2)
    stream.release(inv, "ledger")
    stream.found("lost-update", "an update was lost", keys=["ledger"])
    stream.end(inv)
    stream.commit()
    return stream.finish()


@pytest.fixture
def run() -> Run:
    return Run.of_events(two_supersteps())


def at(run: Run, kind: str, number: int = 0) -> int:
    """`seq` of the n-th event of a kind."""
    return run.events(kinds=(kind,))[number].seq


def test_it_starts_at_the_first_event_or_where_told_and_never_outside(run: Run) -> None:
    assert Session(run).seq == 1
    assert Session(run, 5).seq == 5
    assert Session(run, 10**9).seq == run.last
    assert Session(run, -3).seq == 1


def test_supersteps_are_stepped_over_their_barriers_and_back(run: Run) -> None:
    session = Session(run)
    first, second = at(run, "superstep-started"), at(run, "superstep-started", 1)
    assert session.next_superstep() == ""
    assert session.seq == first
    session.next_event()
    session.next_superstep()
    assert session.seq == second
    session.previous_superstep()
    assert session.seq == first
    session.previous_superstep()
    assert session.seq == 1
    assert session.previous_superstep() == "This is the start of the run."
    session.goto(second)
    session.next_superstep()
    assert session.seq == run.last
    assert session.next_superstep() == "This is the last superstep."


def test_a_handler_is_finished_and_gone_back_to(run: Run) -> None:
    session = Session(run, at(run, "state-read"))
    session.finish_handler()
    assert session.seq == at(run, "handler-ended", 1)
    session.handler_start()
    assert session.seq == at(run, "handler-started", 1)
    session.goto(1)
    assert "no handler here" in session.finish_handler()
    assert session.seq == 1


def test_lanes_follow_one_executor(run: Run) -> None:
    session = Session(run, at(run, "handler-started"))
    assert session.lane == "a"
    visited = [session.seq]
    while session.lane_next() == "":
        visited.append(session.seq)
    assert visited == [e.seq for e in run.events(visited[0], executor="a")]
    while session.lane_previous() == "":
        pass
    assert session.seq == run.events(executor="a")[0].seq
    assert Session(run, 1).lane_next().startswith("No lane is selected")


def test_writes_of_the_selected_key(run: Run) -> None:
    session = Session(run)
    session.select_key("ledger")
    session.next_write()
    assert session.seq == at(run, "state-written")
    session.next_write()
    assert session.seq == at(run, "state-written", 1)
    assert session.next_write() == "ledger is not written after this."
    session.previous_write()
    assert session.seq == at(run, "state-written")
    assert session.previous_write() == "ledger was not written before this."


def test_without_a_selected_key_it_is_the_events_or_the_only_one(run: Run) -> None:
    session = Session(run)
    session.next_write()
    assert session.key == (0, "ledger")
    stream = Stream("a", keys=[live("ledger", 0), live("other", 0)])
    (inv,) = stream.begin()
    stream.start(inv)
    stream.get(inv, "other")
    stream.set(inv, "other", 1)
    stream.end(inv)
    stream.commit()
    two = Run.of_events(stream.finish())
    session = Session(two)
    assert session.next_write() == "No key is selected; select one in the state."
    session.goto(at(two, "state-read"))
    assert session.next_write() == ""
    assert session.key == (0, "other")


def test_findings_are_walked_in_the_order_of_their_culprits(run: Run) -> None:
    session = Session(run)
    session.next_finding()
    assert session.seq == at(run, "finding")
    late = Finding(kind="stalled", message="m", remedy="r", clause="c", superstep=2, seqs=[run.last])
    early = Finding(kind="straggler", message="m", remedy="r", clause="c", superstep=1, seqs=[3, 9])
    session.set_findings([late, early])
    assert session.previous_finding() == ""
    assert session.seq == 3
    session.next_finding()
    assert session.seq == run.last
    assert session.next_finding() == "There is no finding after this."


def test_bookmarks_go_round(run: Run) -> None:
    session = Session(run, 4)
    assert session.next_bookmark() == "There are no bookmarks yet."
    session.toggle_bookmark()
    session.goto(9)
    session.toggle_bookmark()
    session.next_bookmark()
    assert session.seq == 4
    session.next_bookmark()
    assert session.seq == 9
    session.toggle_bookmark()
    assert session.bookmarks == [4]


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [("k2", "superstep-started", 1), ("k 1", "superstep-started", 0), ("100%", "run-ended", 0)],
)
def test_going_to_what_was_typed(run: Run, text: str, kind: str, number: int) -> None:
    session = Session(run)
    assert session.goto_text(text) == ""
    assert session.seq == at(run, kind, number)


@pytest.mark.parametrize("text", ["7", "#7", "seq=7", " 7 "])
def test_a_number_is_an_event(run: Run, text: str) -> None:
    session = Session(run)
    assert session.goto_text(text) == ""
    assert session.seq == 7


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", "There is no event 0"),
        ("9999", "the run has 1 to"),
        ("k9", "There is no superstep 9; the run has 2."),
        ("over there", "Type an event's number"),
        ("101%", "Type an event's number"),
        ("", "Type an event's number"),
        ("٣", "Type an event's number"),
    ],
)
def test_what_cannot_be_gone_to_is_said_and_moves_nothing(run: Run, text: str, says: str) -> None:
    session = Session(run, 3)
    assert says in session.goto_text(text)
    assert session.seq == 3


def test_search_goes_round_both_ways(run: Run) -> None:
    session = Session(run)
    assert session.next_match() == "Nothing was searched for yet."
    session.needle = "hello"
    visited = []
    for _ in range(3):
        session.next_match()
        visited.append(session.seq)
    assert visited[0] == at(run, "sent")
    assert visited[1] == at(run, "delivered", 1)
    assert visited[2] == visited[0]
    session.previous_match()
    assert session.seq == visited[1]
    session.needle = "absent from everything"
    assert session.next_match() == "“absent from everything” is not in this run."


def test_causes_lead_from_the_read_to_the_input(run: Run) -> None:
    session = Session(run, at(run, "state-read"))
    kinds = []
    while session.cause() == "":
        kinds.append(run.event(session.seq).kind)
    assert kinds == ["state-written", "handler-started", "delivered", "run-started"]


def test_effects_lead_from_a_message_to_its_handler(run: Run) -> None:
    session = Session(run, at(run, "sent"))
    kinds = []
    for _ in range(2):
        session.effect()
        kinds.append(run.event(session.seq).kind)
    assert kinds == ["delivered", "handler-started"]
    session.goto(at(run, "state-written"))
    session.effect()
    assert session.seq == at(run, "state-read")


def test_a_lock_is_caused_by_its_release() -> None:
    stream = Stream("a", "b", keys=[live("ledger", 0)])
    (inv,) = stream.begin()
    stream.start(inv)
    stream.send(inv, 1, "a")
    stream.send(inv, 2, "b")
    stream.end(inv)
    stream.commit()
    one, two = stream.begin()
    stream.start(one)
    stream.start(two)
    stream.hold(one, "ledger")
    stream.hold(two, "ledger")
    stream.release(one, "ledger")
    stream.release(two, "ledger")
    stream.end(one)
    stream.end(two)
    stream.commit()
    run = Run.of_events(stream.finish())
    session = Session(run, at(run, "lock-acquired", 1))
    session.cause()
    assert session.seq == at(run, "lock-released")
    session.effect()
    assert session.seq == at(run, "lock-acquired", 1)
    session.goto(at(run, "lock-waiting"))
    session.cause()
    assert session.seq == at(run, "lock-acquired")


PAIRS = [("next_event", "previous_event"), ("lane_next", "lane_previous"), ("next_write", "previous_write")]


@settings(max_examples=60, deadline=None)
@given(streams(), st.integers(0, 2**32))
def test_every_step_from_everywhere_stays_in_the_run_and_says_why_it_did_not_move(
    events: list[AnyEvent], seed: int
) -> None:
    run = Run.of_events(events)
    session = Session(run)
    keys = run.keys()
    rng = random.Random(seed)
    for _ in range(60):
        session.goto(rng.randint(1, run.last))
        if keys:
            session.select_key(rng.choice(keys))
        session.needle = rng.choice(["", "a", "no such text"])
        before = session.seq
        said = session.step(rng.choice(sorted(STEPS)))
        assert 1 <= session.seq <= run.last
        assert (said == "") == (session.seq != before)


@settings(max_examples=40, deadline=None)
@given(streams())
def test_backwards_undoes_forwards(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    for forward, back in PAIRS:
        for key in run.keys()[:1]:
            for seq in range(1, run.last + 1):
                session = Session(run, seq)
                session.select_key(key)
                if forward == "lane_next" and getattr(run.event(seq), "executor", None) is None:
                    continue
                if forward == "next_write" and seq not in {w.seq for w in run.writes(key)}:
                    continue
                if session.step(forward) == "":
                    assert session.step(back) == ""
                    assert session.seq == seq


@settings(max_examples=40, deadline=None)
@given(streams())
def test_causes_only_go_back_and_effects_only_forward(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    for seq in range(1, run.last + 1):
        session = Session(run, seq)
        if session.cause() == "":
            assert session.seq < seq
        session = Session(run, seq)
        if session.effect() == "":
            assert session.seq > seq


@settings(max_examples=30, deadline=None)
@given(streams())
def test_finish_leads_to_the_same_invocations_end(events: list[AnyEvent]) -> None:
    run = Run.of_events(events)
    for event in events:
        session = Session(run, event.seq)
        if isinstance(event, HandlerStarted):
            session.finish_handler()
            found = run.event(session.seq)
            assert isinstance(found, HandlerEnded)
            assert found.inv == event.inv


@settings(max_examples=30, deadline=None)
@given(streams(), st.data())
def test_where_a_step_leads_is_where_it_goes_and_looking_changes_nothing(
    events: list[AnyEvent], data: st.DataObject
) -> None:
    run = Run.of_events(events)
    session = Session(run, data.draw(st.integers(1, run.last)))
    if keys := run.keys():
        session.select_key(data.draw(st.sampled_from(keys)))
    session.bookmarks = sorted(data.draw(st.sets(st.integers(1, run.last), max_size=3)))
    for name in JUMPS:
        before = (session.seq, session.lane, session.key)
        there = session.leads_to(name)
        assert (session.seq, session.lane, session.key) == before
        moved = session.step(name) == ""
        assert session.seq == there
        assert moved == (there != before[0])
        session.seq, session.lane, session.key = before
