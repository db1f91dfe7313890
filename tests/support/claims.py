"""Tables of claims in the documents, and the programs that show them: one for each row."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

Program = Callable[[], None]
GUIDE = Path(__file__).parents[2] / "docs" / "guide"


class Claims:
    """The programs, by how the first cell of their row begins."""

    def __init__(self, document: str, heading: str) -> None:
        """Of the first table under a heading of a page of the guide."""
        section = (GUIDE / document).read_text().partition(f"{heading}\n")[2].partition("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
        self.questions = [re.split(r"(?<!\\)\|", row.strip("|"))[0].strip() for row in rows]
        self.programs: dict[str, Program] = {}

    def __call__(self, question: str) -> Callable[[Program], Program]:
        """Mark a program as a row's."""

        def keep(program: Program) -> Program:
            assert question not in self.programs
            self.programs[question] = program
            return program

        return keep

    def check(self) -> None:
        """Every row has its program, and every program its row."""
        assert len(self.questions) == len(self.programs)
        for row in self.questions:
            assert len([question for question in self.programs if row.startswith(question)]) == 1, row
