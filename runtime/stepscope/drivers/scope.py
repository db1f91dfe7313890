"""A scope from its input to quiescence: the run itself, or a sub-workflow inside one of its invocations (SUB-1)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..errors import WorkflowError
from ..events import ErrorInfo, GraphInfo, RunEnded, RunStarted
from ..journal import Journal
from ..kernel import Invocation, Kernel, Plan
from ..values import Value
from .base import Driver
from .describe import error_info
from .options import RunOptions

ENGINE = "stepscope"


def run_started(
    plan: Plan, journal: Journal, options: RunOptions, seed: int, payload: Value, *, run_id: str, version: str,
    unix_ns: int, scope: int = 0, prefix: str = "",
) -> RunStarted:  # fmt: skip
    """A scope's first event."""
    return RunStarted(
        journal.seq(), journal.clock(), scope, 0, run_id, plan.name, ENGINE, version, options.mode, seed, unix_ns,
        _prefixed(plan.info, prefix), {**options.as_data(), "max_supersteps": plan.max_supersteps}, payload,
        f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}",
    )  # fmt: skip


def _prefixed(graph: GraphInfo, prefix: str) -> GraphInfo:
    if not prefix:
        return graph
    return msgspec.structs.replace(
        graph,
        start=prefix + graph.start,
        executors=[msgspec.structs.replace(one, id=prefix + one.id) for one in graph.executors],
        edges=[
            msgspec.structs.replace(
                edge, sources=[prefix + s for s in edge.sources], targets=[prefix + t for t in edge.targets]
            )
            for edge in graph.edges
        ],
    )


def run_ended(kernel: Kernel, error: BaseException | None) -> RunEnded:
    """A scope's last event."""
    journal = kernel.journal
    status: Any = "completed"
    info: ErrorInfo | None = None
    if error is not None:
        status = "cancelled" if isinstance(error, asyncio.CancelledError) else "failed"
        info = error_info(error)
    return RunEnded(
        journal.seq(),
        journal.clock(),
        kernel.scope,
        kernel.superstep,
        status,
        kernel.superstep,
        len(kernel.outputs),
        info,
    )


async def run_scope(
    driver: Driver, kernel: Kernel, host: Invocation | None = None, keep: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Run a scope from the barrier it is at to quiescence. `keep` takes a checkpoint at each barrier.

    Raises what fails it; the kernel is then as it was at the last barrier.
    """
    journal = driver.journal
    driver.prepare(kernel.plan)
    while inboxes := kernel.open():
        try:
            await driver.superstep(kernel, inboxes, host)
        except asyncio.CancelledError:
            kernel.cancel()
            raise
        if keep is None:
            kernel.close()
        else:
            kernel.commit()
            await keep()
            kernel.announce()
        if journal.on and host is None:
            journal.flush(barrier=True)


async def run_child(driver: Driver, plan: Plan, inv: Invocation, message: Any) -> list[Value]:
    """Run a workflow inside an invocation; gives its outputs (SUB-1)."""
    journal = driver.journal
    prefix = f"{inv.executor}/"
    depth = inv.executor.count("/") + 1
    if depth > _MAX_DEPTH:
        raise WorkflowError(
            f"sub-workflows are nested more than {_MAX_DEPTH} deep at {inv.executor!r}; does one contain itself?"
        )
    kernel = Kernel(plan, journal, scope=inv.id, prefix=prefix, strict=driver.options.strict, describe=error_info)
    kernel.place = f"{inv.kernel.place}{inv.executor}/{inv.kernel.superstep}/{inv.position}/"
    payload = Value.of(message, "the input of sub-workflow {!r}", inv.executor)
    if journal.on:
        journal.append(
            run_started(
                plan, journal, driver.options, driver.seed, payload,
                run_id="", version="", unix_ns=0, scope=inv.id, prefix=prefix,
            )
        )  # fmt: skip

    over = False

    def end(failure: BaseException | None) -> None:
        """Once: an abandoned host's sub-workflow has ended before its own task finds out."""
        nonlocal over
        driver.hosting.pop(inv, None)
        if over:
            return
        over = True
        kernel.cancel()
        if journal.on:
            journal.append(run_ended(kernel, failure))
        kernel.report.heir = inv.kernel.report

    driver.hosting[inv] = lambda: end(asyncio.CancelledError())
    try:
        kernel.begin(payload)
        await run_scope(driver, kernel, inv)
    except BaseException as error:
        end(error)
        raise
    end(None)
    return kernel.outputs


_MAX_DEPTH = 64
