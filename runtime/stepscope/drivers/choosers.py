"""Who goes next at a schedule point: the one decision a controlled run leaves open (DET-1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from ..kernel.model import Invocation
from ..kernel.ops import Op


class Choice(msgspec.Struct):
    """An enabled invocation; `op` is its pending operation, None to start it or to let it go on."""

    inv: Invocation
    op: Op | None


class Chooser(Protocol):
    """Chooses among enabled invocations."""

    def superstep(self, number: int) -> None:
        """The run's superstep `number` begins."""
        ...

    def choose(self, enabled: Sequence[Choice]) -> int:
        """Index of the one that goes next; `enabled` is not empty and in order of invocation numbers."""
        ...


class Seeded:
    """Draws from (seed, superstep), so a superstep's schedule does not hang on how long earlier ones were (DET-1).

    The generator is SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), written
    out here so that a seed means the same in every Python version.
    """

    def __init__(self, seed: int) -> None:
        """Any whole number."""
        self._seed = seed & _MASK
        self._state = 0

    def superstep(self, number: int) -> None:
        """Begin this superstep's own stream."""
        self._state = _mix((self._seed + number * _GAMMA) & _MASK)

    def choose(self, enabled: Sequence[Choice]) -> int:
        """Draw one."""
        if len(enabled) == 1:
            return 0
        self._state = (self._state + _GAMMA) & _MASK
        return (_mix(self._state) * len(enabled)) >> 64


_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
