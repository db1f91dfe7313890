"""A built workflow: run it, stream it, or use it as an executor of another (SUB-1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Unpack

from ..checkpoints.encoding import Types
from ..checkpoints.storage import CheckpointStorage
from ..drivers.checkpointing import Keeping
from ..drivers.options import Options, RunOptions
from ..drivers.resuming import resumption
from ..drivers.scope import run_child
from ..drivers.session import Session, WorkflowResult
from ..drivers.streaming import WorkflowEvent, stream_run
from ..events import AnyEvent, GraphInfo, HandlerInfo
from ..kernel import Invocation, Plan
from ..kernel.ops import Send
from ..observe import Record, observers_for
from ..replay.report import ReplayReport
from ..replay.session import replay
from ..replay.sources import Read, Sources
from .declared import declared_types
from .executor import Executor
from .recorded import RecordedTypes


class Workflow:
    """What `WorkflowBuilder.build` gives. Holds no state of any run: runs may overlap."""

    def __init__(self, plan: Plan, executors: Sequence[Executor], types: Sequence[type] = ()) -> None:
        """Made by the builder; `types` are those it was given."""
        self._plan = plan
        self._types = list(types)
        self.executors = list(executors)

    @property
    def name(self) -> str:
        """The name given to the builder."""
        return self._plan.name

    @property
    def graph(self) -> GraphInfo:
        """The workflow as data."""
        return self._plan.info

    @property
    def start(self) -> Executor:
        """Where the input goes."""
        return self.executors[self._plan.start]

    def _within(self, prefix: str = "", around: tuple[Workflow, ...] = ()) -> Iterator[tuple[str, Workflow]]:
        """This workflow and those inside it, with what goes before their executors' ids (SUB-1)."""
        yield prefix, self
        for one in self.executors:
            if isinstance(one, WorkflowExecutor) and one.workflow not in (*around, self):
                yield from one.workflow._within(f"{prefix}{one.id}/", (*around, self))

    @cached_property
    def declared_types(self) -> list[type]:
        """Classes whose values a checkpoint may hold (BAR-4); see `declared.declared_types`."""
        workflows = dict.fromkeys(workflow for _, workflow in self._within())
        return declared_types(
            [one for workflow in workflows for one in workflow.executors],
            [key for workflow in workflows for key in workflow._plan.keys.values()],
            [cls for workflow in workflows for cls in workflow._types],
        )

    def _keeping(self, storage: CheckpointStorage) -> Keeping:
        remembering = [
            (prefix + one.id, one)
            for prefix, workflow in self._within()
            for one in workflow.executors
            if getattr(one.on_checkpoint_save, "__func__", None) is not Executor.on_checkpoint_save
        ]
        return Keeping(storage, Types(self.name, self.declared_types), remembering)

    async def run(
        self,
        message: Any = None,
        *,
        record: Record = None,
        checkpoints: CheckpointStorage | None = None,
        **options: Unpack[Options],
    ) -> WorkflowResult:
        """Run to quiescence.

        `record` is a path, an observer, or several. `checkpoints` is where to keep a checkpoint of each barrier, to
        `resume` from (BAR-4). The options, the same for `stream`, are `mode`, `seed` and the others of
        `stepscope.drivers.options.Options`, where each is explained.

        Raises `SuperstepError` when a superstep fails (BAR-3), `ConvergenceError` (DLK-1), `StarvedFanInError` in a
        strict run, `CheckpointError` for a checkpoint that cannot be written (BAR-6), and `WorkflowError` for an input
        no handler takes or a recording that cannot be written.
        """
        given = RunOptions.of(options)
        keeping = None if checkpoints is None else self._keeping(checkpoints)
        return await Session(self._plan, message, given, observers_for(record), checkpoints=keeping).run()

    async def resume(
        self, checkpoints: CheckpointStorage, checkpoint_id: str | None = None, *, record: Record = None
    ) -> WorkflowResult:
        """Go on from a checkpoint, by default the latest of this workflow, with the options the run had (BAR-5).

        The result covers the whole run; its findings are those from here on. A finished run gives its result again and
        runs nothing. Checkpoints are kept in the same storage, under a new run id. What the superstep after the
        checkpoint did outside, in effects, is done again, with the same `ctx.uuid()` (BAR-3).

        Raises `CheckpointError` if there is no checkpoint, or it is damaged, or the workflow changed since; else as `run`.
        """
        keeping = self._keeping(checkpoints)
        found = await resumption(self._plan, keeping, checkpoint_id)
        session = Session(
            self._plan, None, found.options, observers_for(record), checkpoints=keeping, resumed=found
        )  # fmt: skip
        return await session.run()

    def stream(
        self,
        message: Any = None,
        *,
        record: Record = None,
        checkpoints: CheckpointStorage | None = None,
        **options: Unpack[Options],
    ) -> AsyncGenerator[WorkflowEvent, None]:
        """Run, and give what happens while it does (BAR-7). Options and errors as in `run`.

        "superstep_completed" comes once the superstep's checkpoint is kept and it is durable in the recording, and what
        follows comes after it.
        The last event is "run_completed", whose `data` is the `WorkflowResult`. Leaving the loop cancels the run.
        """
        keeping = None if checkpoints is None else self._keeping(checkpoints)
        return stream_run(self._plan, message, RunOptions.of(options), observers_for(record), keeping)

    async def replay(
        self,
        events: Iterable[AnyEvent],
        *,
        recorded_source: Read | None = None,
        current_source: Read | None = None,
        stall_timeout: float = 60.0,
        cancel_grace: float = 5.0,
    ) -> ReplayReport:
        """Run the handlers again under the schedule of a recorded run, and compare event by event (DET-4).

        `events` are those of one run, in `seq` order, from its first on; a run that was cut off is replayed as far as it
        goes. Effects call nothing and give their recorded results, `ctx.sleep` takes no time (DET-3); what did not go
        through the context is done again. `recorded_source` and `current_source` give the text of a source file by its
        name, as it was and as it is; with both, a divergence can tell whether the code has changed. A handler that awaits
        something outside the runtime for `stall_timeout` seconds counts as a divergence; once there is one, what still
        runs gets `cancel_grace` seconds to end.

        Raises `WorkflowError` for events that cannot be replayed: of another engine, or without a value that is needed.
        """
        nothing: Read = lambda file: None  # noqa: E731
        sources = Sources(recorded_source or nothing, current_source or nothing)
        executors = [one for _, workflow in self._within() for one in workflow.executors]
        types = RecordedTypes(self.name, self.declared_types, executors)
        return await replay(self._plan, events, types, sources, stall_timeout=stall_timeout, cancel_grace=cancel_grace)

    def __repr__(self) -> str:
        """For messages."""
        return f"<Workflow {self.name!r} of {len(self.executors)} executors>"


class _Hosting:
    """Stands for the one handler of a `WorkflowExecutor`."""

    name = "run"
    runs = "workflow"
    timeout = None
    sends = Any
    outputs = Any

    def __init__(self, start: Executor, host: Callable[[Any, Invocation, Any], Awaitable[None]]) -> None:
        self.host = host
        self.message_type: Any = object
        self.scope: dict[str, Any] = {}
        self.info = HandlerInfo(
            "run", " or ".join(spec.info.message_type for spec in start.handlers), "", 0, "workflow"
        )

    def __str__(self) -> str:
        return self.name


class WorkflowExecutor(Executor):
    """A workflow as an executor: each message runs it to quiescence inside one superstep, with state of its own.

    Its outputs become this executor's sends, its failure is this executor's failure, and its executors' ids read
    ``id/child`` (SUB-1).
    """

    def __init__(self, workflow: Workflow, id: str | None = None) -> None:
        """`id` is the workflow's name where not given."""
        super().__init__(id or workflow.name)
        self.workflow = workflow

    @property
    def kind(self) -> str:
        """A sub-workflow."""
        return "sub-workflow"

    @cached_property
    def handlers(self) -> Any:
        """One, which takes what the sub-workflow's start executor takes."""
        return (_Hosting(self.workflow.start, self._host),)

    @cached_property
    def match(self) -> Callable[[Any], Any]:
        """Whether the sub-workflow's start executor takes a payload."""
        inner, hosting = self.workflow.start.match, self.handlers[0]
        return lambda payload: None if inner(payload) is None else hosting

    async def _host(self, driver: Any, inv: Invocation, payload: Any) -> None:
        """Run the sub-workflow inside `inv`; called by the driver."""
        for value in await run_child(driver, self.workflow._plan, inv, payload):
            await driver.perform(inv, Send(value, None, 0))
