"""How a run is to be driven."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..errors import WorkflowError

Mode: TypeAlias = Literal["concurrent", "deterministic"]
OnStall: TypeAlias = Literal["report", "pass", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of `Workflow.run`; see there. Times are in seconds.

    Raises `WorkflowError` for a value that makes no sense.
    """

    mode: Mode = "concurrent"
    seed: int | None = None
    strict: bool = False
    max_concurrency: int | None = None
    stall_timeout: float = 60.0
    on_stall: OnStall = "report"
    cancel_grace: float = 5.0

    def __post_init__(self) -> None:
        """Check the values."""
        if self.mode not in ("concurrent", "deterministic"):
            raise WorkflowError(f"mode {self.mode!r} is not one of 'concurrent', 'deterministic'.")
        if self.on_stall not in ("report", "pass", "fail"):
            raise WorkflowError(f"on_stall {self.on_stall!r} is not one of 'report', 'pass', 'fail'.")
        if self.seed is not None and not isinstance(self.seed, int):
            raise WorkflowError(f"seed is a whole number, not {self.seed!r}.")
        if self.max_concurrency is not None and (not isinstance(self.max_concurrency, int) or self.max_concurrency < 1):
            raise WorkflowError(
                f"max_concurrency is a whole number from 1, or None for no limit, not {self.max_concurrency!r}."
            )

    @property
    def drawn_seed(self) -> int:
        """The seed to use: None means 0 in deterministic mode (DET-1), a fresh one otherwise."""
        if self.seed is not None:
            return self.seed
        return 0 if self.mode == "deterministic" else secrets.randbits(53)

    def as_data(self) -> dict[str, Any]:
        """What a recording says of them."""
        return {
            "strict": self.strict,
            "max_concurrency": self.max_concurrency,
            "stall_timeout": self.stall_timeout,
            "on_stall": self.on_stall,
        }
