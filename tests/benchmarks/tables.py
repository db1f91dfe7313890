"""Tables of the documents that are measured, not typed: Markdown, and the markers between which it is put."""

from __future__ import annotations

import argparse
import re
from pathlib import Path


def short(ratio: float) -> str:
    """Two significant digits, without an exponent."""
    return f"{ratio:.0f}" if ratio >= 9.95 else f"{ratio:.1f}" if ratio >= 0.95 else f"{ratio:.2f}"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table: a head, and rows of as many cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def between(text: str, name: str) -> str:
    """What stands between the markers of a table. Raises `LookupError` if there are none."""
    found = re.search(_marked(name), text, re.DOTALL)
    if found is None:
        raise LookupError(f"no markers <!-- measured: {name} --> and <!-- /measured: {name} -->")
    return found[2].strip()


def put(document: Path, name: str, table: str) -> None:
    """Write a table between its markers. Raises `LookupError` if there are none."""
    text = document.read_text()
    between(text, name)
    document.write_text(re.sub(_marked(name), lambda found: f"{found[1]}\n{table}\n{found[3]}", text, flags=re.DOTALL))


def arguments(about: str | None, rounds: int) -> argparse.Namespace:
    """The command line of a benchmark whose table is in a document: `rounds`, `write`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between its markers in a document")
    return parser.parse_args()


def _marked(name: str) -> str:
    return rf"(<!-- measured: {name} -->)(.*?)(<!-- /measured: {name} -->)"
