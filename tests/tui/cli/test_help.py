"""The help: teaches by examples that work, and is there at once."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.metadata import distributions, version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from stepscope_tui.cli import main
from stepscope_tui.cli.group import COMMANDS, Teaching, cli
from support.command import refused, stepscope


def command(name: str) -> Teaching:
    found = cli.get_command(click.Context(cli), name)
    assert isinstance(found, Teaching)
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_parse_and_exit_codes(name: str) -> None:
    one = command(name)
    text = CliRunner().invoke(cli, [name, "--help"]).output
    assert one.examples
    for line, does in one.examples:
        assert f"  {line}\n" in text
        assert does in text
        inner = re.search(r"\$\((.*)\)", line)
        words = shlex.split(re.split(r"[|>]", inner[1] if inner else line)[0])
        assert words[:2] == ["stepscope", name]
        one.make_context(name, words[2:])
    assert {"0", "2"} <= {code for code, _ in one.exits} | {"0"}
    assert all(when in re.sub(r"\s+", " ", text) for _, when in one.exits)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_command_is_explained(name: str) -> None:
    one = command(name)
    assert one.help
    assert one.short_help
    for parameter in one.params:
        if isinstance(parameter, click.Option) and parameter.name != "mode":
            assert parameter.help, parameter.name


def test_the_group_lists_them_all_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2].partition("Examples:")[0]
    assert re.findall(r"^  (\w+)", listed, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize(
    ("args", "unwanted"),
    [
        (["--help"], ("stepscope", "textual", "rich", "pydantic", "opentelemetry", "sqlite3", "asyncio")),
        (["run", "--help"], ("stepscope", "textual", "rich", "pydantic", "opentelemetry", "sqlite3", "asyncio")),
        (["info", "{demo}"], ("textual", "pydantic", "opentelemetry")),
        (["check", "{demo}"], ("textual", "pydantic", "opentelemetry")),
    ],
)
def test_a_command_imports_only_what_it_needs(args: list[str], unwanted: tuple[str, ...], demo: Path) -> None:
    given = [arg.format(demo=demo) for arg in args]
    code = (
        "import sys; from stepscope_tui.cli import main\n"
        f"main({given!r})\n"
        f"sys.exit(' '.join(sorted(set({unwanted!r}) & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_mistyped_command_is_answered_with_the_nearest(tmp_path: Path) -> None:
    assert "'open'" in refused(stepscope("opne", cwd=tmp_path))
    assert "demo, run, record" in refused(stepscope("frobnicate", cwd=tmp_path))


def test_usage_mistakes_are_one_sentence(tmp_path: Path) -> None:
    assert "SOURCE" in refused(stepscope("info", cwd=tmp_path))
    assert "--sede" in refused(stepscope("run", "--sede", "1", "a.py:b", cwd=tmp_path))
    assert "'sideways'" in refused(stepscope("run", "--mode", "sideways", "a.py:b", cwd=tmp_path))
    assert "--max-concurrency" in refused(stepscope("run", "--max-concurrency", "0", "a.py:b", cwd=tmp_path))


@pytest.mark.skipif(not list(distributions(name="stepscope")), reason="the package is not installed")
def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"stepscope {version('stepscope')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_asks_the_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"_STEPSCOPE_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_completion_takes_the_shell_from_the_environment(tmp_path: Path) -> None:
    done = stepscope("completion", cwd=tmp_path, env={"SHELL": "/usr/bin/fish"})
    assert "fish_complete" in done.stdout
    assert "bash, zsh, fish" in refused(stepscope("completion", cwd=tmp_path, env={"SHELL": "/bin/tcsh"}))


def test_what_the_shell_asks_is_answered(tmp_path: Path) -> None:
    asked = {"_STEPSCOPE_COMPLETE": "bash_complete", "COMP_WORDS": "stepscope in", "COMP_CWORD": "1"}
    assert stepscope(cwd=tmp_path, env=asked).stdout == "plain,info\n"
