"""The clauses of the semantics as the specification lists them, with what it says of each (docs/semantics.md)."""

from __future__ import annotations

import re
from pathlib import Path

SPECIFICATION = (Path(__file__).parents[2] / "docs" / "semantics.md").read_text(encoding="utf-8")
STATUS: dict[str, str] = dict(
    re.findall(
        r"^\| ([A-Z]{3}-\d) \| .* \| (in force|in part: .*|not in this version) \|$", SPECIFICATION, re.MULTILINE
    )
)
"""By clause, in the specification's order."""
ENFORCED = [clause for clause, status in STATUS.items() if status != "not in this version"]
"""Clauses that the runtime keeps, wholly or in part."""
