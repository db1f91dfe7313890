"""How a run is to be driven: the one list of options that `run`, `stream` and `resume` share.

`Options` is what a caller writes, for type checkers and editors; `RunOptions` is the same with defaults, checked, for
the drivers. An option is added to both, here, and nowhere else.
"""

from __future__ import annotations

import difflib
import math
import secrets
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, TypedDict, get_args

from ..errors import WorkflowError

Mode: TypeAlias = Literal["concurrent", "deterministic"]
OnStall: TypeAlias = Literal["report", "pass", "fail"]
OnCheckpointError: TypeAlias = Literal["fail", "continue"]


class Options(TypedDict, total=False):
    """Keyword options of a run. Times are in seconds."""

    mode: Mode
    """"concurrent", the default (DET-2), or "deterministic", which repeats itself for a `seed` (DET-1)."""
    seed: int | None
    """What the schedule and `ctx.random` are drawn from; None is 0 in deterministic mode, a fresh one otherwise."""
    strict: bool
    """Whether dropped messages and starved fan-ins are errors (ORD-8, DLK-3)."""
    max_concurrency: int | None
    """How many executors may run at once (PAR-1); None for no limit."""
    stall_timeout: float
    """How long nothing may happen before it is reported (DET-1, DLK-4)."""
    on_stall: OnStall
    """What to do then, besides."""
    cancel_grace: float
    """How long cancelled handlers may take to end (BAR-3)."""
    timeout: float | None
    """How long a handler that has no `timeout` of its own may take (PAR-4); None for as long as it likes."""
    block_threshold: float | None
    """How long an async handler may block the event loop before it is reported (PAR-3); None to never report it."""
    on_checkpoint_error: OnCheckpointError
    """What a checkpoint that cannot be written does to the run: "fail", the default, or "continue" (BAR-6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """`Options` with defaults. Raises `WorkflowError` for a value that makes no sense."""

    mode: Mode = "concurrent"
    seed: int | None = None
    strict: bool = False
    max_concurrency: int | None = None
    stall_timeout: float = 60.0
    on_stall: OnStall = "report"
    cancel_grace: float = 5.0
    timeout: float | None = None
    block_threshold: float | None = 0.25
    on_checkpoint_error: OnCheckpointError = "fail"

    @classmethod
    def of(cls, given: Options) -> RunOptions:
        """What a caller gave. Raises `TypeError` for an option that does not exist, as Python does, and says which do."""
        names = [field.name for field in fields(cls)]
        for name in given:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}."
                raise TypeError(f"a run has no option {name!r}; {hint}")
        return cls(**given)

    def __post_init__(self) -> None:
        """Check the values."""
        _one_of("mode", self.mode, get_args(Mode))
        _one_of("on_stall", self.on_stall, get_args(OnStall))
        _one_of("on_checkpoint_error", self.on_checkpoint_error, get_args(OnCheckpointError))
        if self.seed is not None and not isinstance(self.seed, int):
            raise WorkflowError(f"seed is a whole number, not {self.seed!r}.")
        if self.max_concurrency is not None and (not isinstance(self.max_concurrency, int) or self.max_concurrency < 1):
            raise WorkflowError(
                f"max_concurrency is a whole number from 1, or None for no limit, not {self.max_concurrency!r}."
            )
        seconds("stall_timeout", self.stall_timeout)
        if self.cancel_grace != 0:
            seconds("cancel_grace", self.cancel_grace)
        if self.timeout is not None:
            seconds("timeout", self.timeout)
        if self.block_threshold is not None:
            seconds("block_threshold", self.block_threshold)

    @property
    def drawn_seed(self) -> int:
        """The seed to use: None means 0 in deterministic mode (DET-1), a fresh one otherwise."""
        if self.seed is not None:
            return self.seed
        return 0 if self.mode == "deterministic" else secrets.randbits(53)

    def stored(self) -> dict[str, Any]:
        """What a checkpoint keeps of them, the seed aside (BAR-4)."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "seed"}

    @classmethod
    def restored(cls, stored: dict[str, Any], seed: int) -> RunOptions:
        """From a checkpoint, with the seed that was drawn; what it does not know of has its default (BAR-5)."""
        known = {field.name for field in fields(cls)}
        return cls(**{**{name: value for name, value in stored.items() if name in known}, "seed": seed})

    def as_data(self) -> dict[str, Any]:
        """What a recording says of them."""
        return {
            "strict": self.strict,
            "max_concurrency": self.max_concurrency,
            "stall_timeout": self.stall_timeout,
            "on_stall": self.on_stall,
            "timeout": self.timeout,
            "block_threshold": self.block_threshold,
            "on_checkpoint_error": self.on_checkpoint_error,
        }


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise WorkflowError(f"{name} {value!r} is not one of {', '.join(map(repr, allowed))}.")


def seconds(name: str, value: object) -> None:
    """Check a time. Raises `WorkflowError` for what is not a positive number of seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0 or math.isinf(value):
        raise WorkflowError(f"{name} is a number of seconds above 0, not {value!r}.")
