"""The guide is true: each of its programs runs and asserts its own claim; links, anchors and commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from stepscope_tui.cli.group import cli

ROOT = Path(__file__).parents[2]
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))
DOCUMENTS = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")


def programs(document: Path) -> list[str]:
    """A block that imports asyncio begins a program; one that does not goes on with the program before it."""
    found: list[str] = []
    for language, code in FENCE.findall(document.read_text()):
        if language != "python":
            continue
        if "import asyncio\n" in code:
            found.append(code)
        else:
            found[-1] += code
    return found


def anchors(document: Path) -> set[str]:
    """What a link may point at: headings as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


EVERY = [
    pytest.param(code, id=f"{document.stem}-{number}")
    for document in GUIDE
    for number, code in enumerate(programs(document), 1)
]


@pytest.mark.parametrize("code", EVERY)
def test_a_program_shows_what_it_claims(code: str, tmp_path: Path) -> None:
    assert "\nassert " in code or "\n    assert " in code
    program = tmp_path / "program.py"
    program.write_text(code)
    commands = str(Path(sys.executable).parent)
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        env={**os.environ, "PATH": os.pathsep.join([commands, os.environ.get("PATH", "")])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_every_pattern_and_anti_pattern_has_its_program() -> None:
    for name in ("patterns", "anti-patterns"):
        text = (ROOT / "docs" / "guide" / f"{name}.md").read_text()
        sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
        assert len(sections) == 6
        for section in sections:
            assert "```python" in section, section.partition("\n")[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_anchors_lead_somewhere(document: Path) -> None:
    for path, anchor in LINK.findall(FENCE.sub("", document.read_text())):
        if re.match(r"[a-z]+:", path):
            continue
        target = document.parent / path if path else document
        assert target.exists(), f"{document.name} links to {path}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{document.name} links to {path}#{anchor}"


@pytest.mark.parametrize("document", GUIDE, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    assert isinstance(cli, click.Group)
    for name in re.findall(r"`stepscope ([a-z]+)", document.read_text()):
        assert cli.get_command(click.Context(cli), name) is not None, f"there is no `stepscope {name}`"
