"""Lost updates that happened (STA-9), against examples and a brute-force reading of the definition."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepscope.analysis import lost_updates
from stepscope.events import StateRead, StateWritten
from support.live_script import LiveScript
from support.lost_update_oracle import Oracle


def seqs(script: LiveScript) -> list[list[int]]:
    return [finding.seqs for finding in lost_updates(script.end())]


def test_read_then_set_over_another_write_loses_it() -> None:
    s = LiveScript()
    read = s.get(1)
    s.get(2)
    lost = s.set(2, 1)
    by = s.set(1, 1)
    (finding,) = lost_updates(s.end())
    assert finding.seqs == [read, lost, by]
    assert finding.executors == ["e1", "e2"]
    assert finding.keys == ["k"]
    assert (finding.kind, finding.clause, finding.confidence) == ("lost-update", "STA-9", "observed")
    assert finding.superstep == 1
    assert finding.run_id == "run-0"
    assert "'k'" in finding.message
    assert "ctx.state.update('k', fn)" in finding.remedy
    assert "hold('k')" in finding.remedy
    assert "reducer" in finding.remedy


def test_another_engine_is_not_told_to_use_our_locks() -> None:
    s = LiveScript(engine="agent-framework")
    s.get(1)
    s.set(2, 1)
    s.set(1, 1)
    (finding,) = lost_updates(s.end())
    assert "hold" not in finding.remedy


@pytest.mark.parametrize("scope", [0, 7])
def test_n_increments_from_one_read_lose_all_but_one(scope: int) -> None:
    s = LiveScript(scope)
    for inv in range(1, 6):
        s.get(inv)
    writes = [s.set(inv, 1) for inv in range(1, 6)]
    found = lost_updates(s.end())
    assert [f.seqs[1] for f in found] == writes[:-1]
    assert [f.seqs[2] for f in found] == writes[1:]
    assert found[0].run_id == "run-0"


def test_a_second_read_sees_the_write() -> None:
    s = LiveScript()
    s.get(1)
    s.set(2, 1)
    s.get(1)
    s.set(1, 2)
    assert seqs(s) == []


def test_update_is_atomic_and_loses_nothing() -> None:
    s = LiveScript()
    s.get(1)
    s.set(2, 1)
    s.update(1, 2)
    s.set(1, 3)
    assert seqs(s) == []


def test_a_set_loses_an_update() -> None:
    s = LiveScript()
    read = s.get(1)
    lost = s.update(2, 1)
    by = s.set(1, 1)
    assert seqs(s) == [[read, lost, by]]


def test_a_set_that_never_read_is_meant_to_overwrite() -> None:
    s = LiveScript()
    s.set(2, 1)
    s.set(1, 2)
    assert seqs(s) == []


def test_what_was_overwritten_on_purpose_is_not_lost_again() -> None:
    s = LiveScript()
    read = s.get(1)
    s.set(2, 1)
    blind = s.set(3, 9)
    by = s.set(1, 1)
    assert seqs(s) == [[read, blind, by]]


def test_a_chain_of_dependent_writes_is_lost_whole() -> None:
    s = LiveScript()
    read = s.get(1)
    first = s.update(2, 1)
    second = s.update(3, 2)
    s.get(4)
    third = s.set(4, 3)
    by = s.set(1, 1)
    assert seqs(s) == [[read, first, by], [read, second, by], [read, third, by]]


def test_delete_loses_and_is_lost() -> None:
    s = LiveScript()
    s.set(9, ["a"])
    read = s.get(1)
    lost = s.set(2, ["a", "b"])
    by = s.delete(1)
    assert seqs(s) == [[read, lost, by]]
    s = LiveScript()
    s.set(9, 0)
    read = s.get(1)
    lost = s.delete(2)
    by = s.set(1, 1)
    found = lost_updates(s.end())
    assert [f.seqs for f in found] == [[read, lost, by]]
    assert "deleted" in found[0].message


def test_keys_executors_and_supersteps_are_apart() -> None:
    s = LiveScript()
    s.get(1, "a")
    s.set(2, 1, "b")
    s.set(1, 1, "a")
    s.get(3)
    s.superstep()
    s.set(4, 1)
    s.set(5, 2)
    assert seqs(s) == []


def test_a_hold_from_read_to_write_leaves_no_room() -> None:
    s = LiveScript()
    for inv in (1, 2, 3):
        s.hold(inv)
        s.get(inv)
        s.set(inv, inv)
        s.leave(inv)
    assert seqs(s) == []


def test_a_hold_around_the_write_alone_does_not_help() -> None:
    s = LiveScript()
    read = s.get(1)
    lost = s.set(2, 1)
    s.hold(1)
    by = s.set(1, 1)
    s.leave(1)
    assert seqs(s) == [[read, lost, by]]


def test_what_a_hold_undid_neither_loses_nor_is_lost() -> None:
    s = LiveScript()
    s.get(1)
    s.set(2, 1)
    s.hold(1)
    s.set(1, 7)
    s.leave(1, error=True)
    s.get(3)
    s.hold(4)
    s.update(4, 9)
    s.leave(4, error=True)
    s.set(3, 2)
    assert seqs(s) == []


def test_after_an_undo_the_stale_read_is_stale_still() -> None:
    s = LiveScript()
    read = s.get(1)
    lost = s.set(2, 1)
    s.hold(1)
    s.set(1, 7)
    s.leave(1, error=True)
    by = s.set(1, 7)
    assert seqs(s) == [[read, lost, by]]


def test_what_was_read_inside_an_undone_hold_was_seen_all_the_same() -> None:
    s = LiveScript()
    s.get(1)
    s.set(2, 1)
    s.hold(1)
    s.get(1)
    s.set(1, 7)
    s.leave(1, error=True)
    s.set(1, 2)
    assert seqs(s) == []


def test_a_write_that_was_undone_is_not_lost_with_what_was_made_of_it() -> None:
    s = LiveScript()
    read = s.get(3)
    s.hold(1)
    s.set(1, 7)
    s.get(1)
    s.leave(1, error=True)
    lost = s.set(1, 8)
    by = s.set(3, 1)
    assert seqs(s) == [[read, lost, by]]


def test_an_inner_block_undoes_only_its_own_writes() -> None:
    s = LiveScript()
    read = s.get(1)
    lost = s.set(2, 1)
    s.hold(1)
    by = s.set(1, 7)
    s.enter_again(1)
    s.set(1, 8)
    s.leave(1, error=True)
    s.leave(1)
    assert seqs(s) == [[read, lost, by]]


def test_a_key_of_two_scopes_is_two_keys() -> None:
    a, b = LiveScript(), LiveScript(scope=5)
    a.get(1)
    b.set(2, 1)
    a.set(1, 1)
    assert lost_updates([*a.events, *b.events]) == []


def test_snapshot_keys_cannot_lose() -> None:
    from msgspec.structs import replace

    s = LiveScript()
    s.get(1)
    s.set(2, 1)
    s.set(1, 1)
    events = [replace(e, access="snapshot") if isinstance(e, (StateRead, StateWritten)) else e for e in s.end()]
    assert lost_updates(events) == []


def random_script(rng: random.Random, length: int) -> LiveScript:
    s = LiveScript()
    for _ in range(length):
        inv, key = rng.randint(1, 4), rng.choice("ab")
        if rng.random() < 0.03 and not s.holders:
            s.superstep()
        if not s.free(inv, key):
            continue
        match rng.choice(["get", "get", "set", "set", "update", "delete", "hold"]):
            case "get":
                s.get(inv, key)
            case "set":
                s.set(inv, rng.randint(0, 3), key)
            case "update":
                s.update(inv, rng.randint(0, 3), key)
            case "delete":
                s.delete(inv, key)
            case _ if key in s.holders:
                s.leave(inv, key, error=rng.random() < 0.5)
            case _:
                s.hold(inv, key)
    return s


@given(st.randoms(use_true_random=False), st.integers(5, 60))
def test_random_streams_agree_with_the_definition(rng: random.Random, length: int) -> None:
    script = random_script(rng, length)
    assert seqs(script) == Oracle().run(script.events)


def test_random_streams_contain_what_is_looked_for() -> None:
    """The property above would be empty if random scripts seldom lost anything, or never undid it."""
    rng = random.Random(1)
    scripts = [random_script(rng, 50) for _ in range(100)]
    assert sum(bool(seqs(s)) for s in scripts) > 50
    assert sum(any(isinstance(e, StateWritten) and e.op == "undo" for e in s.events) for s in scripts) > 20


def test_a_long_run_takes_time_in_proportion() -> None:
    """A stale reader that loses ten thousand updates, and ten thousand invocations: no quadratic walk."""
    s = LiveScript()
    s.get(1)
    for inv in range(2, 10_002):
        s.get(inv)
        s.update(inv, inv)
    s.set(1, 0)
    assert len(seqs(s)) == 10_000
