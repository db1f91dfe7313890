"""PAR-3: an async handler that blocks the event loop is reported, with its stack, while it does.

The clock is the test's: a handler "blocks" by letting the watchdog look again and again while it has the loop. The
tests at the end have the real watchdog's thread; there a handler blocks until the report is there.
"""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from stepscope import Finding, Workflow, WorkflowExecutor
from stepscope.drivers import blocked
from stepscope.drivers.blocked import Watchdog
from stepscope.events import Found, SuperstepCompleted
from support.workflows import (
    Act,
    Context,
    Options,
    Seen,
    ThreadNode,
    alone,
    give,
    in_every_mode,
    relay,
    run,
    siblings,
    watch,
)

THRESHOLD = 0.25
"""The default, in seconds."""


class Dog(Watchdog):
    """A watchdog in time that the test lets pass."""

    def __init__(self) -> None:
        self.time = 100.0
        super().__init__(lambda: self.time, threaded=False)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with all the looks that fall into it."""
        for _ in range(round(seconds / 0.05)):
            self.time += 0.05
            self.look()


@pytest.fixture
def dog(monkeypatch: pytest.MonkeyPatch) -> Dog:
    made = Dog()
    monkeypatch.setattr(blocked, "WATCHDOG", made)
    return made


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What the logger says, as it does."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    keep = Keep()
    logger = logging.getLogger("stepscope")
    logger.addHandler(keep)
    yield lines
    logger.removeHandler(keep)


def blocks(dog: Dog, seconds: float) -> Act:
    async def act(message: Any, ctx: Context) -> None:
        dog.pass_time(seconds)
        await ctx.yield_output(message)

    return act


def reports(seen: Seen) -> list[Finding]:
    return seen.findings("blocked-loop")


@in_every_mode
async def test_par_3_a_handler_that_blocks_is_reported_while_it_does(
    options: Options, dog: Dog, said: list[str]
) -> None:
    during: list[str] = []

    async def act(message: Any, ctx: Context) -> None:
        dog.pass_time(0.6)
        during.extend(said)

    seen = await watch(siblings({"slow": act, "other": relay}), 0, **options)
    (text,) = during
    assert re.match(r"handler handle of 'slow' has blocked the event loop for 0\.(25|30) s and still does:\n", text)
    assert "dog.pass_time(0.6)" in text, "its stack"
    assert "in handle\n" in text
    assert "_run_once" not in text, "not the event loop's"
    assert said == during, "said once"
    (report,) = reports(seen)
    assert (report.clause, report.confidence, report.executors) == ("PAR-3", "observed", ["slow"])
    assert report.superstep == 2
    assert report.message.startswith(
        "handler handle of 'slow' blocked the event loop for 0.55 s: handle (workflows.py:"
    )
    assert "> act (test_blocked_loop.py:" in report.message


@in_every_mode
async def test_par_3_the_report_is_there_before_the_superstep_is_over(options: Options, dog: Dog) -> None:
    workflow = siblings({"slow": blocks(dog, 1)})
    seen = await watch(workflow, 0, **options)
    kinds = [type(event) for event in seen.events if isinstance(event, (Found, SuperstepCompleted))]
    assert kinds == [SuperstepCompleted, Found, SuperstepCompleted]
    types = [event.type async for event in workflow.stream(0, **options)]
    assert types.index("finding") < len(types) - 1 - types[::-1].index("superstep_completed")


@in_every_mode
async def test_par_3_one_below_the_threshold_is_not(options: Options, dog: Dog, said: list[str]) -> None:
    seen = await watch(siblings({"a": blocks(dog, 0.2), "b": blocks(dog, 0.2)}), 0, **options)
    assert (reports(seen), said) == ([], [])


async def test_par_3_many_short_ones_in_one_go_are_not_one_long_one(dog: Dog, said: list[str]) -> None:
    seen = await watch(siblings({f"n{i}": blocks(dog, 0.2) for i in range(20)}), 0)
    assert (reports(seen), said) == ([], [])


async def test_par_3_each_of_several_in_one_go_is_reported(dog: Dog, said: list[str]) -> None:
    seen = await watch(siblings({"a": blocks(dog, 0.4), "b": blocks(dog, 0.1), "c": blocks(dog, 0.8)}), 0)
    assert [report.executors for report in reports(seen)] == [["a"], ["c"]]
    assert len(said) == 2
    first, second = (float(report.message.partition(" for ")[2].split()[0]) for report in reports(seen))
    assert 0.29 < first <= 0.4
    assert 0.69 < second <= 0.8


async def test_par_3_a_handler_that_lets_others_go_on_in_between_is_not(dog: Dog, said: list[str]) -> None:
    async def polite(_: Any, ctx: Context) -> None:
        for _ in range(10):
            dog.pass_time(0.2)
            await asyncio.sleep(0)

    seen = await watch(alone(polite), 0)
    assert (reports(seen), said) == ([], [])


@in_every_mode
async def test_par_3_a_sync_handler_is_not(options: Options, dog: Dog, said: list[str]) -> None:
    seen = await watch(siblings({"sync": ThreadNode("sync", lambda _, __: dog.pass_time(3))}), 0, **options)
    assert (reports(seen), said) == ([], [])


async def test_par_3_a_process_that_was_stopped_did_not_block(dog: Dog, said: list[str]) -> None:
    async def stopped(_: Any, ctx: Context) -> None:
        dog.look()
        dog.time += 3600  # nobody looks
        dog.look()

    seen = await watch(alone(stopped), 0)
    assert (reports(seen), said) == ([], [])


async def test_par_3_a_debuggers_stop_is_not(dog: Dog, said: list[str]) -> None:
    pdb: dict[str, Any] = {"__name__": "pdb", "dog": dog}
    exec("def interaction():\n    dog.pass_time(60)", pdb)

    async def debugged(_: Any, ctx: Context) -> None:
        pdb["interaction"]()

    seen = await watch(alone(debugged), 0)
    assert (reports(seen), said) == ([], [])


@in_every_mode
async def test_par_3_an_effect_that_blocks_is_named(options: Options, dog: Dog) -> None:
    async def ask_model() -> None:
        dog.pass_time(1)

    async def asks(_: Any, ctx: Context) -> None:
        await ctx.effect(ask_model)

    (report,) = reports(await watch(alone(asks), 0, **options))
    assert "ask_model of handler handle of 'only' blocked the event loop" in report.message
    assert ": ask_model (test_blocked_loop.py:" in report.message


@pytest.mark.parametrize("how", ["awaited", "gathered", "in a group"])
async def test_par_3_a_task_that_the_handler_started_is_found(dog: Dog, how: str) -> None:
    async def child() -> None:
        await asyncio.sleep(0)
        dog.pass_time(1)

    async def parent(_: Any, ctx: Context) -> None:
        if how == "awaited":
            await asyncio.create_task(child())
        elif how == "gathered":
            await asyncio.gather(asyncio.sleep(0), child())
        else:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())

    (report,) = reports(await watch(alone(parent), 0))
    assert report.message.startswith("a task of handler handle of 'only' blocked the event loop")


async def test_par_3_a_task_that_has_nothing_to_do_with_the_run_is_not_reported(dog: Dog, said: list[str]) -> None:
    begun = asyncio.Event()

    async def bystander() -> None:
        await begun.wait()
        dog.pass_time(5)

    async def act(_: Any, ctx: Context) -> None:
        begun.set()
        await beside

    async def lets_go(_: Any, ctx: Context) -> None:
        begun.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    beside = asyncio.create_task(bystander())
    seen = await watch(alone(lets_go), 0)
    await beside
    assert (reports(seen), said) == ([], [])


async def test_par_3_of_two_runs_in_one_loop_the_right_one_gets_the_report(dog: Dog) -> None:
    gate = asyncio.Event()

    async def waits(_: Any, ctx: Context) -> None:
        await gate.wait()

    async def slow(_: Any, ctx: Context) -> None:
        dog.pass_time(1)
        gate.set()

    innocent, guilty = await asyncio.gather(watch(alone(waits), 0), watch(alone(slow), 0))
    assert reports(innocent) == []
    assert len(reports(guilty)) == 1


async def test_par_3_each_run_has_its_threshold(dog: Dog) -> None:
    for threshold, expected in ((0.1, 1), (0.5, 0), (None, 0)):
        seen = await watch(alone(blocks(dog, 0.4)), 0, block_threshold=threshold)
        assert len(reports(seen)) == expected, threshold


async def test_par_3_a_place_is_reported_once_a_run(dog: Dog, said: list[str]) -> None:
    async def three(message: Any, ctx: Context) -> None:
        for _ in range(3):
            await ctx.send_message(message)

    seen = await watch(siblings({"slow": blocks(dog, 1)}, first=three), 0)
    assert seen.result.outputs == [0, 0, 0]
    assert len(reports(seen)) == len(said) == 1
    assert len(reports(await watch(siblings({"slow": blocks(dog, 1)}, first=three), 0))) == 1


async def test_par_3_inside_a_sub_workflow(dog: Dog) -> None:
    inner = siblings({"x": blocks(dog, 1)})
    seen = await watch(siblings({"sub": WorkflowExecutor(inner, id="sub")}, then=give), 0)
    (report,) = reports(seen)
    assert report.executors == ["sub/x"]
    (event,) = seen.of(Found)
    assert event.scope > 0


async def test_par_3_takes_no_part_in_the_digest(dog: Dog) -> None:
    async def slow(workflow: Workflow) -> Seen:
        return await watch(workflow, 0)

    blocked_run = await slow(siblings({"a": blocks(dog, 1)}))
    other = await slow(siblings({"a": blocks(dog, 0)}))
    assert blocked_run.result.digest == other.result.digest
    assert len(reports(blocked_run)) - len(reports(other)) == 1


async def test_par_3_a_run_that_is_over_is_not_looked_at(dog: Dog) -> None:
    await run(alone(relay), 0)
    assert not dog._loops


# -- with the thread ---------------------------------------------------------------------------------------------------


class UntilSaid(logging.Handler):
    """Blocks whoever waits until the logger has said something."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()
        self.threads: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.threads.append(threading.current_thread().name)
        self.told.set()


@pytest.mark.parametrize("threshold", [0.02, 0.1])
@in_every_mode
async def test_par_3_the_thread_says_so_while_the_handler_blocks(options: Options, threshold: float) -> None:
    until = UntilSaid()
    logger = logging.getLogger("stepscope")

    async def stuck(_: Any, ctx: Context) -> None:
        assert until.told.wait(20), "nothing was said while the loop was blocked"

    logger.addHandler(until)
    try:
        result = await alone(stuck).run(0, block_threshold=threshold, **options)
    finally:
        logger.removeHandler(until)
    (report,) = [finding for finding in result.findings if finding.kind == "blocked-loop"]
    assert until.threads == ["blocked loops (stepscope)"]
    assert "> wait (threading.py:" in report.message
    assert threading.current_thread().name not in until.threads


_FORKED = """
import asyncio, os, sys, threading, logging
from stepscope import WorkflowBuilder, WorkflowContext, executor

told = threading.Event()

class Tell(logging.Handler):
    def emit(self, record):
        told.set()

logging.getLogger("stepscope").addHandler(Tell())

@executor(id="stuck")
async def stuck(wait: bool, ctx: WorkflowContext) -> None:
    if wait:
        assert told.wait(20)

def run(wait):
    result = asyncio.run(WorkflowBuilder(stuck).build().run(wait, block_threshold=0.02))
    return len(result.findings)

assert run(False) == 0
child = os.fork()
if not child:
    os._exit(0 if run(True) == 1 else 1)
_, status = os.waitpid(child, 0)
assert status == 0
assert run(True) == 1
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_par_3_a_forked_process_has_its_own_watchdog() -> None:
    done = subprocess.run([sys.executable, "-c", _FORKED], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_par_3_nothing_is_watched_where_no_workflow_runs() -> None:
    script = (
        "import threading, asyncio, stepscope\n"
        "assert threading.active_count() == 1\n"
        "@stepscope.executor\n"
        "async def one(n: int, ctx: stepscope.WorkflowContext) -> None: ...\n"
        "asyncio.run(stepscope.WorkflowBuilder(one).build().run(1, block_threshold=None))\n"
        "assert threading.active_count() == 1\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
