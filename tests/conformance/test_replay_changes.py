"""DET-4: seeded changes of handlers' code are each caught at the exact step, and said to be changes of code.

Programs are source text. In a recording, an invocation's events are its operations in the order of its code; so the step
at which a changed operation shows is the first event of that operation, in the invocation that comes to it first.
"""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stepscope import Workflow
from stepscope.events import (
    AnyEvent,
    EffectEnded,
    EffectStarted,
    HandlerStarted,
    LockAcquired,
    LockReleased,
    LockWaiting,
    OutputYielded,
    Sent,
    StateRead,
    StateWritten,
)
from support.replays import check_identical, recorded, replayed
from support.workflows import full

WORKERS = "pqrs"
OPERATIONS = (Sent, OutputYielded, StateRead, StateWritten, LockAcquired, LockReleased, EffectStarted)
HEAD = """
import asyncio
from stepscope import StateKey, WorkflowBuilder, WorkflowContext, executor

PAUSES = [0]


async def pause():
    for _ in range(PAUSES[0] % 4):
        await asyncio.sleep(0)
    PAUSES[0] = PAUSES[0] * 7 % 31 + 3


async def model(x):
    await pause()
    return x


@executor(id="start")
async def start(n: int, ctx: WorkflowContext[int]) -> None:
    await ctx.send_message(n)
    await ctx.send_message(n + 1)


@executor(id="sink")
async def sink(n: int, ctx: WorkflowContext) -> None:
    await ctx.state.update("done", lambda old: (old or 0) + n)


"""
TAIL = """
keys = [StateKey("live", initial=0, access="live"), StateKey("held", initial=0, access="live")]
builder = WorkflowBuilder(start, name="changing", state=keys).add_fan_out_edges(start, [p, q, r, s])
for worker in (p, q, r, s):
    builder.add_edge(worker, sink)
workflow = builder.build()
"""


@dataclass(frozen=True)
class Line:
    """One operation of a handler: its code, how deep it is in blocks, and whether it opens one."""

    code: str
    depth: int = 0
    opens: bool = False


def _operation(rng: random.Random, number: int) -> str:
    return rng.choice(
        [
            f"await ctx.send_message({number})",
            f"await ctx.yield_output([n, {number}])",
            f'await ctx.state.set("live", {number})',
            'await ctx.state.get("live")',
            f'await ctx.state.update("live", lambda old: {number})',
            f"await ctx.effect(model, {number})",
        ]
    )


def _handler(rng: random.Random) -> list[Line]:
    """Operations, all different, some in a hold, with a pair of sends somewhere."""
    numbers = iter(range(rng.randrange(1000), 9999))
    lines = [Line(_operation(rng, next(numbers))) for _ in range(rng.randint(0, 3))]
    lines += [Line('async with ctx.state.hold("held"):', 0, True)]
    lines += [Line('await ctx.state.get("held")', 1)]
    lines += [Line(_operation(rng, next(numbers)), 1) for _ in range(rng.randint(0, 2))]
    at = rng.randint(0, 1) * len(lines)
    lines[at:at] = [Line(f"await ctx.send_message({next(numbers)})") for _ in range(2)]
    return lines


def _source(handlers: dict[str, list[Line]]) -> str:
    parts = [HEAD]
    for name, lines in handlers.items():
        body = "".join(
            f"    {'    ' * line.depth}await pause()\n    {'    ' * line.depth}{line.code}\n" for line in lines
        )
        parts.append(f'@executor(id="{name}")\nasync def {name}(n: int, ctx: WorkflowContext) -> None:\n{body}\n\n')
    return "".join(parts) + TAIL


def _change(rng: random.Random, lines: list[Line], kind: str) -> tuple[list[Line], int]:
    """The handler with one change, and the index of the first operation that it shows in."""
    if kind == "reordered sends":
        at = next(i for i in range(len(lines)) if all("send_message" in line.code for line in lines[i : i + 2]))
        first, second = lines[at : at + 2]
        swapped = replace(first, code=second.code), replace(second, code=first.code)
        return [*lines[:at], *swapped, *lines[at + 2 :]], at
    if kind == "changed value":
        at = rng.choice([i for i, line in enumerate(lines) if "send_message" in line.code])
        return [*lines[:at], replace(lines[at], code="await ctx.send_message(-1)"), *lines[at + 1 :]], at
    if kind == "extra read":
        at = rng.randrange(len(lines))
        return [*lines[:at], Line('await ctx.state.get("another")', lines[at].depth), *lines[at:]], at
    at = next(i for i, line in enumerate(lines) if line.opens)
    return [*lines[:at], *(replace(line, depth=0) for line in lines[at + 1 :])], at


def _where(events: list[AnyEvent], executor: str, lines: list[Line], changed: int) -> int:
    """The step at which an operation first shows."""
    firsts = []
    for begun in events:
        if not isinstance(begun, HandlerStarted) or begun.executor != executor:
            continue
        mine = iter([one for one in events if getattr(one, "inv", 0) == begun.inv and _is_operation(one)])
        for index, line in enumerate(lines):
            first = next(mine)
            if isinstance(first, LockWaiting):  # the same operation's second event
                assert isinstance(next(mine), (LockAcquired, StateRead, StateWritten))
            if index == changed:
                firsts.append(first.seq)
                break
            left = index + 1 < len(lines) and lines[index + 1].depth < line.depth
            if left:
                assert isinstance(next(mine), LockReleased)
    return min(firsts)


def _is_operation(event: AnyEvent) -> bool:
    return isinstance(event, (*OPERATIONS, LockWaiting)) and not isinstance(event, EffectEnded)


def _load(path: Path, source: str) -> ModuleType:
    path.write_text(source)
    module = ModuleType(path.stem)
    module.__dict__["__file__"] = str(path)
    sys.modules[path.stem] = module
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    finally:
        del sys.modules[path.stem]
    return module


def _workflow(module: Any, pauses: int) -> Workflow:
    module.PAUSES[0] = pauses
    workflow: Workflow = module.workflow
    return workflow


KINDS = ("reordered sends", "changed value", "extra read", "removed hold")


async def _caught(folder: Path, number: int) -> None:
    rng = random.Random(number)
    kind = KINDS[number % len(KINDS)]
    handlers = {name: _handler(rng) for name in WORKERS}
    name = rng.choice(WORKERS)
    lines, at = _change(rng, handlers[name], kind)
    before, after = _source(handlers), _source({**handlers, name: lines})
    was, now = _load(folder / "was.py", before), _load(folder / "now.py", after)
    mode = ("concurrent", "deterministic")[number // len(KINDS) % 2]
    events = await recorded(_workflow(was, number), 0, mode=mode, seed=number)
    check_identical(await replayed(_workflow(was, number + 1), events), events)
    report = await replayed(
        _workflow(now, number + 2), events, recorded_source={str(folder / "was.py"): before}.get,
        current_source={str(folder / "now.py"): after}.get,
    )  # fmt: skip
    found = report.divergence
    assert found is not None, f"{kind} in {name} was not noticed"
    assert found.step == _where(events, name, handlers[name], at), (kind, name, at, str(found))
    assert found.cause == f"The code of handler {name!r} of {name!r} has changed since the recording."


@pytest.mark.parametrize("number", range(8))
def test_DET_4_a_change_of_code_is_caught_at_its_step(number: int, tmp_path: Path) -> None:
    asyncio.run(_caught(tmp_path, number))


@pytest.mark.slow
def test_DET_4_many_changes_of_code_are_each_caught_at_their_step(tmp_path: Path) -> None:
    for number in range(1000, 1000 + full(8, 100)):
        asyncio.run(_caught(tmp_path, number))
