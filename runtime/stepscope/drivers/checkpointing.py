"""Taking a checkpoint at each barrier of a run (BAR-1, BAR-4, BAR-6).

A checkpoint is taken between the commit and its announcement, of the run itself and never inside a sub-workflow
(SUB-1). Executors that override `on_checkpoint_save` add what they remember themselves; those inside sub-workflows too,
under the ids that events show: their handlers are at rest at the run's barriers, and their attributes outlive them.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..checkpoints.checkpoint import Made, encode, encoded_made
from ..checkpoints.encoding import Types
from ..checkpoints.fingerprint import fingerprint
from ..checkpoints.storage import CheckpointInfo, CheckpointStorage
from ..errors import CheckpointError, WorkflowError
from ..events import Checkpointed
from ..kernel import Kernel
from ..kernel.snapshot import Snapshot
from ..values import Value
from .describe import error_info
from .options import RunOptions


class Remembering(Protocol):
    """The part of an executor that checkpoints need."""

    async def on_checkpoint_save(self) -> dict[str, Any]:
        """See `Executor`."""
        ...

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        """See `Executor`."""
        ...


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a run's checkpoints go, and what of the program takes part in them.

    `hooks` are the executors that remember something, by the id that events show. Raises `CheckpointError` for a
    storage that is none.
    """

    storage: CheckpointStorage
    types: Types
    hooks: Sequence[tuple[str, Remembering]]

    def __post_init__(self) -> None:
        """Check the storage."""
        if isinstance(self.storage, type) or not isinstance(self.storage, CheckpointStorage):
            raise CheckpointError(
                f"checkpoints are kept in a storage such as SQLiteCheckpointStorage(path), not in {self.storage!r}."
            )


class Keeper:
    """Takes one run's checkpoints."""

    def __init__(
        self, keeping: Keeping, kernel: Kernel, options: RunOptions, seed: int, payload: Value, last: str = ""
    ) -> None:
        """Of the run whose root scope is `kernel`; `last` is the checkpoint it was resumed from, if any."""
        self._keeping = keeping
        self._kernel = kernel
        self._fails = options.on_checkpoint_error == "fail"
        self._made = Made(
            graph=fingerprint(kernel.plan.info), options=options.stored(), seed=str(seed), input=payload.data
        )
        self._encoded: bytes | None = None
        self._checked: dict[int, Value] = {}
        """Values known to be readable again, by identity; they are kept, so that no other gets their id."""
        self._outputs = 0
        """How many outputs are known to be, from the first on: there are only ever more."""
        self._last = last

    async def keep(self, run_id: str) -> None:
        """Take a checkpoint of the barrier the kernel is at.

        Raises `CheckpointError` if that cannot be done, unless the run goes on without (BAR-6).
        """
        kernel = self._kernel
        journal = kernel.journal
        began = time.perf_counter_ns()
        info = CheckpointInfo(
            checkpoint_id=f"{run_id}-{kernel.superstep:06}", workflow=kernel.plan.name, run_id=run_id,
            superstep=kernel.superstep, created_unix_ns=time.time_ns(),
        )  # fmt: skip
        size = 0
        failure: BaseException | None = None
        try:
            body = await self._body(info)
            size = len(body)
            await self._keeping.storage.save(info, body)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            failure = error
        except Exception as error:
            failure = error
        if journal.on:
            journal.append(
                Checkpointed(
                    journal.seq(), journal.clock(), kernel.scope, kernel.superstep, info.checkpoint_id, size,
                    time.perf_counter_ns() - began, None if failure is None else error_info(failure),
                )
            )  # fmt: skip
        if failure is None:
            self._last = info.checkpoint_id
        else:
            self._failed(failure)

    def _failed(self, failure: BaseException) -> None:
        kernel = self._kernel
        why = str(failure) if isinstance(failure, WorkflowError) else f"{type(failure).__name__}: {failure}"
        why = " ".join(why.split()).rstrip(".")
        what = f"the checkpoint of superstep {kernel.superstep} could not be written: {why}"
        kernel.report.not_kept(f"{what}.")
        if not self._fails:
            return
        good = f"resume from {self._last!r}" if self._last else "run it again"
        raise CheckpointError(
            f"workflow {kernel.plan.name!r}: {what}; {good} once that is mended, or let runs go on without by "
            f'on_checkpoint_error="continue".'
        ) from failure

    async def _body(self, info: CheckpointInfo) -> bytes:
        executors = {id: await self._saved(id, one.on_checkpoint_save) for id, one in self._keeping.hooks}
        snapshot = self._kernel.snapshot()
        self._check(snapshot)
        if self._encoded is None:
            self._encoded = encoded_made(self._made)
        return encode(info, self._encoded, snapshot, executors)

    async def _saved(self, id: str, save: Callable[[], Awaitable[dict[str, Any]]]) -> Value:
        """What an executor remembers. Raises `CheckpointError`, or what its `on_checkpoint_save` raises."""
        asked: Any = save()
        if not inspect.isawaitable(asked):
            raise CheckpointError(f"executor {id!r}: on_checkpoint_save is not async; write it with `async def`")
        try:
            state = await asked
        except Exception as error:
            raise CheckpointError(
                f"executor {id!r}: on_checkpoint_save raised {type(error).__name__}: {error}"
            ) from error
        if not isinstance(state, dict):
            raise CheckpointError(
                f"executor {id!r}: on_checkpoint_save gave a {type(state).__name__} instead of a dict"
            )
        value = Value.of(state, "executor {!r}: what on_checkpoint_save gave", id)
        self._readable(value, f"executor {id!r}: what on_checkpoint_save gave")
        return value

    def _check(self, snapshot: Snapshot) -> None:
        """Refuse what could not be read again. Raises `CheckpointError`."""
        names = self._kernel.names
        checked: dict[int, Value] = {}
        for value, where in (
            *((value, f"state key {key!r}") for key, value in snapshot.state),
            *((value, "an output") for value in snapshot.outputs[self._outputs :]),
            *((one.payload, f"a message to {names[one.target]!r}") for one in snapshot.waiting),
            *((one.payload, f"a message of {names[one.source]!r}") for one in snapshot.buffered),
        ):
            if id(value) not in self._checked:
                self._readable(value, where)
            checked[id(value)] = value
        self._checked = checked
        self._outputs = len(snapshot.outputs)

    def _readable(self, value: Value, where: str) -> None:
        undeclared = self._keeping.types.undeclared(value)
        if undeclared:
            raise self._keeping.types.undeclared_error(undeclared, where)


def _is_cancelled() -> bool:
    """Whether the task that runs the workflow was asked to end: a hook may raise `CancelledError` of itself."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
