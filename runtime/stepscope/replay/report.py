"""What a replay came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import ReplayDivergence


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A verified recording, or the first difference from it.

    `steps` events happened as recorded; `complete` says whether the recording has its run's end, or was cut off, by a
    killed writer say, and holds only that far. `unknown` values had been left out of the recording and were not
    compared.
    """

    outcome: Literal["identical", "diverged"]
    steps: int
    divergence: ReplayDivergence | None
    complete: bool
    unknown: int = 0

    def verify(self) -> None:
        """Raises the `ReplayDivergence`, if there is one."""
        if self.divergence is not None:
            raise self.divergence
