"""Reading a checkpoint back: the latest or a named one, verified, fitting the workflow, its executors restored (BAR-4, BAR-5)."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from ..checkpoints.checkpoint import Checkpoint, decode
from ..checkpoints.fingerprint import difference, fingerprint
from ..checkpoints.storage import CheckpointInfo
from ..errors import CheckpointError, WorkflowError
from ..events import Change, Resumed, Undelivered
from ..journal import Journal
from ..kernel import Kernel, Plan
from ..kernel.snapshot import Snapshot
from ..values import Value
from .checkpointing import Keeping
from .options import RunOptions


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where a run goes on. `payload` is the input of the run as it began, as stored."""

    info: CheckpointInfo
    snapshot: Snapshot
    options: RunOptions
    payload: Value

    def apply(self, kernel: Kernel) -> None:
        """Put the kernel where the checkpoint was taken. Raises `CheckpointError`."""
        try:
            kernel.restore(self.snapshot)
        except (WorkflowError, LookupError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"checkpoint {self.info.checkpoint_id!r} does not fit workflow {kernel.plan.name!r}: {error} Resume it with "
                f"the workflow it was made by."
            ) from error

    def event(self, journal: Journal, kernel: Kernel) -> Resumed:
        """What the recording says of it."""
        kept, names = self.snapshot, kernel.names
        initial = {key.name: key.initial for key in kernel.plan.info.keys if key.initial is not None}
        state: dict[str, Value] = dict(kept.state)
        changes = [
            Change(key, initial.get(key), state.get(key), kernel.state.access(key), [])
            for key in sorted({*initial, *state})
            if initial.get(key) != state.get(key)
        ]
        targets = {group.id: names[group.targets[0]] for group in kernel.plan.groups}
        waiting = [
            *(Undelivered(names[one.target], "", one.messages, one.sources, one.payload) for one in kept.waiting),
            *(
                Undelivered(targets[one.group], one.group, [one.message], [names[one.source]], one.payload)
                for one in kept.buffered
            ),
        ]
        return Resumed(
            journal.seq(), journal.clock(), kernel.scope, kept.superstep, self.info.checkpoint_id, self.info.run_id,
            changes, waiting, len(kept.outputs), kept.invocations, kept.messages, kept.chain.hex(),
        )  # fmt: skip


async def resumption(plan: Plan, keeping: Keeping, checkpoint_id: str | None) -> Resumption:
    """Read the checkpoint, the workflow's latest if None, and let executors restore what they remember.

    Raises `CheckpointError`: there is none, it cannot be read, it is of another workflow, or an executor's
    `on_checkpoint_restore` failed.
    """
    checkpoint = await _loaded(plan, keeping, checkpoint_id)
    info, made = checkpoint.info, checkpoint.made
    if info.workflow != plan.name:
        raise CheckpointError(
            f"checkpoint {info.checkpoint_id!r} is of workflow {info.workflow!r}, not of {plan.name!r}; resume it with "
            f"that workflow."
        )
    changed = difference(made.graph, fingerprint(plan.info))
    if changed:
        raise CheckpointError(
            f"checkpoint {info.checkpoint_id!r} does not fit workflow {plan.name!r}, which changed since: {changed}; "
            f"resume it with the workflow it was made by."
        )
    snapshot = checkpoint.restored(keeping.types)
    options = RunOptions.restored(made.options, int(made.seed))
    await _restore(checkpoint, keeping)
    return Resumption(info, snapshot, options, Value(made.input))


async def _loaded(plan: Plan, keeping: Keeping, checkpoint_id: str | None) -> Checkpoint:
    storage = keeping.storage
    try:
        if checkpoint_id is None:
            latest = await storage.get_latest(workflow_name=plan.name)
            if latest is None:
                others = sorted({one.workflow for one in await storage.list_checkpoints()})
                has = f", which has some of {', '.join(map(repr, others))}" if others else ""
                raise CheckpointError(
                    f"there is no checkpoint of workflow {plan.name!r} in {storage!r}{has}; run it with checkpoints= first."
                )
            checkpoint_id = latest.checkpoint_id
        info, body = await storage.load(checkpoint_id)
    except WorkflowError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"workflow {plan.name!r}: its checkpoints cannot be read: {type(error).__name__}: {error}; is the storage whole?"
        ) from error
    if info.checkpoint_id != checkpoint_id:
        raise CheckpointError(f"the storage gave checkpoint {info.checkpoint_id!r} when asked for {checkpoint_id!r}.")
    return decode(info, body)


async def _restore(checkpoint: Checkpoint, keeping: Keeping) -> None:
    hooks = dict(keeping.hooks)
    for executor, state in checkpoint.states(keeping.types).items():
        one = hooks.get(executor)
        if one is None:
            raise CheckpointError(
                f"{checkpoint.where} holds what executor {executor!r} remembers, which is not there or does not override "
                f"on_checkpoint_save any more; resume it with the workflow it was made by."
            )
        try:
            done: Any = one.on_checkpoint_restore(state)
            if inspect.isawaitable(done):
                await done
        except Exception as error:
            raise CheckpointError(
                f"{checkpoint.where}: on_checkpoint_restore of executor {executor!r} raised {type(error).__name__}: "
                f"{error}; mend it and resume again."
            ) from error
