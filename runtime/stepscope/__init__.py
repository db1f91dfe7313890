"""Stepscope's runtime: superstep workflows whose concurrency semantics are written down and tested."""

from .api.builder import WorkflowBuilder
from .api.edges import Case, Default
from .api.executor import Executor, FunctionExecutor, executor, handler
from .api.validate import WorkflowWarning
from .api.workflow import Workflow, WorkflowExecutor
from .checkpoints.sqlite import SQLiteCheckpointStorage
from .checkpoints.storage import CheckpointInfo, CheckpointStorage, InMemoryCheckpointStorage
from .context import SyncWorkflowContext, WorkflowContext
from .drivers.session import WorkflowResult
from .drivers.streaming import WorkflowEvent
from .errors import (
    CheckpointError,
    ConvergenceError,
    DeadlockError,
    DroppedMessageError,
    HandlerTimeoutError,
    RecordedError,
    ReplayDivergence,
    StarvedFanInError,
    StateConflictError,
    StateUsageError,
    SuperstepError,
    SuperstepOverError,
    UnstorableValueError,
    WorkflowError,
)
from .findings import Finding
from .replay.report import ReplayReport
from .statekey import StateKey, last

__all__ = [
    "Case",
    "CheckpointError",
    "CheckpointInfo",
    "CheckpointStorage",
    "ConvergenceError",
    "DeadlockError",
    "Default",
    "DroppedMessageError",
    "Executor",
    "Finding",
    "FunctionExecutor",
    "HandlerTimeoutError",
    "InMemoryCheckpointStorage",
    "RecordedError",
    "ReplayDivergence",
    "ReplayReport",
    "SQLiteCheckpointStorage",
    "StarvedFanInError",
    "StateConflictError",
    "StateKey",
    "StateUsageError",
    "SuperstepError",
    "SuperstepOverError",
    "SyncWorkflowContext",
    "UnstorableValueError",
    "Workflow",
    "WorkflowBuilder",
    "WorkflowContext",
    "WorkflowError",
    "WorkflowEvent",
    "WorkflowExecutor",
    "WorkflowResult",
    "WorkflowWarning",
    "executor",
    "handler",
    "last",
]
