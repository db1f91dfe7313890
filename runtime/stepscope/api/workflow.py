"""A built workflow: run it, stream it, or use it as an executor of another (SUB-1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any, Unpack

from ..drivers.options import Options, RunOptions
from ..drivers.scope import run_child
from ..drivers.session import Session, WorkflowResult
from ..drivers.streaming import WorkflowEvent, stream_run
from ..events import GraphInfo, HandlerInfo
from ..kernel import Invocation, Plan
from ..kernel.ops import Send
from ..observe import Record, observers_for
from .executor import Executor


class Workflow:
    """What `WorkflowBuilder.build` gives. Holds no state of any run: runs may overlap."""

    def __init__(self, plan: Plan, executors: Sequence[Executor]) -> None:
        """Made by the builder."""
        self._plan = plan
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

    async def run(self, message: Any = None, *, record: Record = None, **options: Unpack[Options]) -> WorkflowResult:
        """Run to quiescence.

        `record` is a path, an observer, or several. The options, the same for `stream`, are `mode`, `seed` and the others
        of `stepscope.drivers.options.Options`, where each is explained.

        Raises `SuperstepError` when a superstep fails (BAR-3), `ConvergenceError` (DLK-1), `StarvedFanInError` in a
        strict run, and `WorkflowError` for an input no handler takes or a recording that cannot be written.
        """
        return await Session(self._plan, message, RunOptions.of(options), observers_for(record)).run()

    def stream(
        self, message: Any = None, *, record: Record = None, **options: Unpack[Options]
    ) -> AsyncGenerator[WorkflowEvent, None]:
        """Run, and give what happens while it does (BAR-7). Options and errors as in `run`.

        "superstep_completed" comes once the superstep is durable in the recording, and what follows comes after it.
        The last event is "run_completed", whose `data` is the `WorkflowResult`. Leaving the loop cancels the run.
        """
        return stream_run(self._plan, message, RunOptions.of(options), observers_for(record))

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
