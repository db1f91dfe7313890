"""Running one test under the concurrent driver and under several schedules of the deterministic one."""

from __future__ import annotations

from typing import Literal


def mode_of(seed: int | None) -> Literal["concurrent", "deterministic"]:
    """The mode that a seed asks for: None is a concurrent run."""
    return "concurrent" if seed is None else "deterministic"
