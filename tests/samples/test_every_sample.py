"""Each sample runs as a script and as a TARGET, and what its docstring tells to type works."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stepscope import Workflow
from stepscope_tracing import Recording

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "samples").glob("*.py"))
SHORTER = {"codebase_census": str(Path(json.__file__).parent)}
"""Arguments that make a sample's run short."""
EXIT_STATUS = {"deadlock": 1, "half_done": 1}
"""Where what is recorded is a failure."""

sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)


def said(sample: Path, what: str) -> list[str]:
    """The words of the command that the docstring gives after `what`."""
    text = (importlib.import_module(sample.stem).__doc__ or "").replace("\\\n", " ")
    (line,) = re.findall(rf"^{what}: +(.*)$", text, re.MULTILINE)
    return shlex.split(line.partition("   ")[0] if what == "Run it" else line)


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a person would stand: the samples are below."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    return tmp_path


@sample
def test_it_exposes_its_workflow_and_says_where_to_look(sample: Path) -> None:
    module = importlib.import_module(sample.stem)
    assert isinstance(module.workflow, Workflow)
    assert isinstance(module.make(), Workflow)
    assert "\nLook at " in (module.__doc__ or "")


@sample
def test_it_runs_as_a_script(sample: Path, folder: Path) -> None:
    python, script, *_ = said(sample, "Run it")
    assert (python, script) == ("python", f"samples/{sample.name}")
    done = run([sys.executable, script, *SHORTER.get(sample.stem, "").split()], folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@sample
def test_what_it_says_records_it(sample: Path, folder: Path) -> None:
    stepscope, *words = said(sample, "Record it")
    words += SHORTER.get(sample.stem, "").split()
    done = run([str(Path(sys.executable).with_name(stepscope)), *words], folder)
    assert done.returncode == EXIT_STATUS.get(sample.stem, 0), done.stderr
    *_, recorded = said(sample, "Open it")
    with Recording.open(folder / recorded) as recording:
        assert recording.run().info.complete


@sample
def test_every_workflow_in_the_script_is_recorded(sample: Path, folder: Path) -> None:
    stepscope = str(Path(sys.executable).with_name("stepscope"))
    script = [f"samples/{sample.name}", *SHORTER.get(sample.stem, "").split()]
    done = run([stepscope, "record", "--record", "all.stepscope", *script], folder)
    assert done.returncode == 0, done.stderr
    with Recording.open(folder / "all.stepscope") as recording:
        assert recording.runs
        assert all(one.complete for one in recording.runs)


def test_the_census_needs_no_input_and_prints_what_the_recording_counts(folder: Path) -> None:
    stepscope = str(Path(sys.executable).with_name("stepscope"))
    arguments = ["samples/codebase_census.py", SHORTER["codebase_census"]]
    done = run([stepscope, "record", "--record", "census.stepscope", *arguments], folder)
    printed = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", done.stdout.splitlines()[-1])}
    info = json.loads(run([stepscope, "info", "--json", "census.stepscope"], folder).stdout)["runs"][0]
    assert printed == {
        "deliveries": info["deliveries"],
        "locks": info["lock_acquisitions"],
        "writes": info["state_writes"],
    }


def test_what_is_wrong_with_the_mistaken_ones(folder: Path) -> None:
    stepscope = str(Path(sys.executable).with_name("stepscope"))
    for name, kind in [
        ("lost_updates", "lost-update"),
        ("deadlock", "deadlock"),
        ("waiting_for_each_other", "starved-fan-in"),
    ]:
        sample = ROOT / "samples" / f"{name}.py"
        run([stepscope, *said(sample, "Record it")[1:]], folder)
        done = run([stepscope, "check", "--json", said(sample, "Open it")[-1]], folder)
        assert done.returncode == 1
        assert {finding["kind"] for finding in json.loads(done.stdout)["findings"]} == {kind}
