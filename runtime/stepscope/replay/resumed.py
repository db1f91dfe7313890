"""Where a resumed run went on, from its recording alone (BAR-5): what a checkpoint would have given the kernel."""

from __future__ import annotations

from ..errors import WorkflowError
from ..events import Resumed
from ..kernel import Kernel
from ..kernel.snapshot import Buffered, Snapshot, Waiting
from ..values import Value
from .admission import Restores
from .same import left_out


def go_on(kernel: Kernel, event: Resumed, types: Restores) -> None:
    """Put the kernel where the recorded run went on.

    How many outputs there were is known, not what they were: nothing looks at them any more. Raises `WorkflowError` for
    values that were left out of the recording, and for executors that are not there.
    """
    ranks = {"": -1} | {name: rank for rank, name in enumerate(kernel.names)}
    groups = {group.id: group for group in kernel.plan.groups}

    def value(stored: Value, what: str) -> Value:
        if left_out(stored):
            raise WorkflowError(f"{what}, was left out of the recording; replay cannot begin without it.")
        return types.restored(stored.data, what)

    def rank(name: str) -> int:
        if name not in ranks:
            raise WorkflowError(f"this run was resumed with messages for {name!r}, which the workflow has not got.")
        return ranks[name]

    state = {key: one for key, one in kernel.state.committed.items() if one is not None}
    for change in event.changes:
        if change.new is None:
            state.pop(change.key, None)
        else:
            state[change.key] = value(change.new, f"state key {change.key!r}, as it was when the run was resumed")
    waiting, buffered = [], []
    for one in event.waiting:
        payload = value(one.payload, f"a message to {one.target!r} that waited when the run was resumed")
        if not one.edge:
            waiting.append(Waiting(rank(one.target), rank(one.sources[0]), one.messages, one.sources, payload))
        elif one.edge in groups and rank(one.sources[0]) in groups[one.edge].sources:
            buffered.append(Buffered(one.edge, rank(one.sources[0]), one.messages[0], 0, None, payload))
        else:
            raise WorkflowError(f"this run was resumed with messages in fan-in {one.edge!r}, which is another now.")
    kernel.restore(
        Snapshot(
            superstep=event.superstep,
            chain=b"",  # nobody asks a replay for its digest
            invocations=event.invocations,
            messages=event.messages,
            state=sorted(state.items()),
            outputs=[_ANY] * event.outputs,
            waiting=waiting,
            buffered=buffered,
            grown=[],
        )
    )


_ANY = Value(b"\xc0")
