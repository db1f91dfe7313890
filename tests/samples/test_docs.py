"""The documents are true: their Python runs, their commands and options exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from stepscope_tui.cli.group import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PROGRAMS = [document for document in DOCUMENTS if document.parent.name != "guide"]
"""Documents that are one program each; the guide's have many."""

document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def blocks(document: Path, language: str) -> list[str]:
    return [code for found, code in FENCE.findall(document.read_text()) if found == language]


def commands(document: Path) -> list[list[str]]:
    """Every `stepscope ...` in a shell block or in inline code, in words."""
    text = document.read_text()
    lines = [line for block in blocks(document, "sh") for part in block.splitlines() for line in part.split("&&")]
    lines += re.findall(r"`(stepscope [^`]+)`", FENCE.sub("", text))
    words = [shlex.split(line, comments=True) for line in lines]
    return [found[1:] for found in words if found and Path(found[0]).name == "stepscope"]


@pytest.mark.parametrize("document", PROGRAMS, ids=lambda path: path.name)
def test_its_python_runs(document: Path, tmp_path: Path) -> None:
    """All blocks of a document, in order, are one program."""
    program = tmp_path / "document.py"
    program.write_text("\n".join(blocks(document, "python")))
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@document
def test_its_commands_exist(document: Path) -> None:
    assert isinstance(cli, click.Group)
    for words in commands(document):
        if not words or words[0].startswith("-"):
            continue
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None, f"there is no `stepscope {words[0]}`"
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {
            "--help"
        }
        own = words[1:] if words[0] != "record" else before_script(words[1:])
        for word in own:
            if word.startswith("-") and len(word) > 1:
                assert word.partition("=")[0] in known, f"`stepscope {words[0]}` has no option {word}"


def before_script(words: list[str]) -> list[str]:
    """The words before the script: what comes after it is the script's own."""
    for number, word in enumerate(words):
        if word.endswith(".py"):
            return words[:number]
    return words


def test_the_readme_begins_with_exactly_two_commands() -> None:
    first = (ROOT / "README.md").read_text().partition("\n## ")[2].partition("\n## ")[0]
    lines = [line for _, code in FENCE.findall(first) for line in code.strip().splitlines()]
    assert len(lines) == 2
    assert lines[0].endswith("/stepscope demo")
    assert lines[1].endswith("/pytest")
