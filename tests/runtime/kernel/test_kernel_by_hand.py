"""The order of calls of a kernel: open, start, apply, end, close; and what it says when they come out of order (BAR-1, BAR-2)."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import stepscope.kernel
from stepscope import (
    Executor,
    StarvedFanInError,
    SuperstepError,
    SuperstepOverError,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowError,
    handler,
)
from stepscope.events import BarrierArrived, Committed, Delivered, Found, HandlerStarted, Sent, SuperstepCompleted
from stepscope.kernel.model import HoldRecord
from stepscope.kernel.ops import Acquire, Add, BeginEffect, EndEffect, Get, Op, Release, Send, Set, Update, Yield
from support.kernels import Hand, plan_of, value
from support.workflows import Node, relay


def pair() -> Hand:
    """a -> b, superstep 1 open."""
    a, b = Node("a", relay), Node("b", relay)
    hand = Hand(plan_of(WorkflowBuilder(a).add_edge(a, b)), "input")
    hand.open()
    return hand


def test_sequence_numbers_have_no_gaps_and_begin_at_1() -> None:
    hand = pair()
    hand.send("a", 1)
    hand.finish()
    hand.open()
    hand.finish()
    assert hand.open() == []
    assert [event.seq for event in hand.events] == list(range(1, len(hand.events) + 1))


def test_a_superstep_from_the_input_to_the_commit() -> None:
    hand = pair()
    assert hand.kernel.superstep == 1
    assert hand.inv("a").sources == [""]
    hand.send("a", 1)
    hand.output("a", "out")
    assert hand.kernel.outputs == []
    hand.finish()
    assert [one.fresh() for one in hand.kernel.outputs] == ["out"]
    kinds: list[object] = [type(event) for event in hand.events]
    order: list[object] = [Delivered, HandlerStarted, Sent, BarrierArrived, Committed, SuperstepCompleted]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    assert hand.open() == ["b"]
    assert hand.inv("b").sources == ["a"]


def test_an_operation_before_the_start_or_after_the_end_is_refused_and_changes_nothing() -> None:
    a, b = Node("a", relay), Node("b", relay)
    hand = Hand(plan_of(WorkflowBuilder(a).add_edge(a, b)))
    ((early,),) = hand.kernel.open()
    with pytest.raises(SuperstepOverError):
        hand.kernel.apply(early, Send(value(1), None, 0))
    hand.kernel.start(early)
    hand.kernel.end(early, "completed")
    for operation in (Send(value(1), None, 0), Get("key", None, 0)):
        with pytest.raises(SuperstepOverError, match="'a'"):
            hand.kernel.apply(early, operation)
    assert hand.of(Sent) == []
    hand.kernel.close()
    assert hand.kernel.open() == []
    assert [one.finding for one in hand.of(Found)] == ["escaped-task"]  # said once


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (Get("key", None, 0), "get 'key'"),
        (Set("key", value(1), 0), "set 'key'"),
        (Set("key", None, 0), "delete 'key'"),
        (Add("key", value(1), 0), "add to 'key'"),
        (Update("key", int, 0), "update 'key'"),
        (Acquire(("k0", "k1"), 0), "hold 'k0', 'k1'"),
        (Release(HoldRecord(("k0", "k1"), 0), False, 0), "release 'k0', 'k1'"),
        (Send(value(1), None, 0), "send"),
        (Send(value(1), "b", 0), "send to 'b'"),
        (Yield(value(1), 0), "yield an output"),
        (BeginEffect("fetch", 0), "effect fetch"),
        (EndEffect(1, "fetch", None, None), "effect fetch"),
    ],
    ids=lambda one: type(one).__name__ if not isinstance(one, str) else one,
)
def test_what_came_too_late_is_named(operation: Op, words: str) -> None:
    hand = pair()
    inv = hand.inv("a")
    hand.kernel.end(inv, "completed")
    with pytest.raises(SuperstepOverError) as caught:
        hand.kernel.apply(inv, operation)
    assert str(caught.value).startswith(
        "executor 'a': an operation came after invocation 1 had ended (superstep 1 or before)"
    )
    (found,) = hand.of(Found)
    assert found.message == f"'a': {words} came after the handler (invocation 1) had ended; it was refused."
    assert (found.clause, found.executors) == ("BAR-2", ["a"])


def test_a_failed_superstep_can_be_opened_again_as_it_was() -> None:
    hand = pair()
    hand.send("a", 1)
    hand.set("a", "key", 1)
    hand.output("a", 1)
    hand.kernel.end(hand.inv("a"), "failed", ValueError())
    with pytest.raises(SuperstepError):
        hand.kernel.close()
    assert (hand.kernel.superstep, hand.state, hand.kernel.outputs) == (0, {}, [])
    digest = hand.kernel.digest
    assert hand.open() == ["a"]
    assert hand.inv("a").payload.fresh() == "input"
    assert hand.kernel.superstep == 1
    assert hand.kernel.digest == digest


def test_an_ending_is_final() -> None:
    hand = pair()
    inv = hand.inv("a")
    hand.kernel.end(inv, "completed")
    hand.kernel.end(inv, "failed", ValueError())
    hand.kernel.close()
    assert inv.outcome == "completed"


class Words(Executor):
    """Takes text only."""

    @handler
    async def words(self, message: str, ctx: WorkflowContext[Any, Any]) -> None:
        pass


def test_an_input_that_the_start_does_not_take() -> None:
    with pytest.raises(WorkflowError, match=r"'words'.*str.*5"):
        Hand(plan_of(WorkflowBuilder(Words("words"))), 5)


def test_a_strict_kernel_says_what_starves() -> None:
    start, a, b, join = (Node(name, relay) for name in ("start", "a", "b", "join"))
    builder = WorkflowBuilder(start).add_fan_out_edges(start, [a, b]).add_fan_in_edges([a, b], join)
    hand = Hand(plan_of(builder), strict=True)
    hand.open()
    hand.send("start", 0)
    hand.finish()
    hand.open()
    hand.send("a", 1)
    hand.finish()
    with pytest.raises(StarvedFanInError, match="'b'"):
        hand.open()


def test_the_kernel_imports_nothing_that_does_io_or_knows_time() -> None:
    """import-linter says so too; this says it where the kernel is tested."""
    forbidden = {"asyncio", "threading", "time", "random", "socket", "sqlite3", "concurrent", "datetime", "os"}
    for file in Path(stepscope.kernel.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert not forbidden & {name.split(".")[0] for name in names}, file.name
