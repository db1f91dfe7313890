"""Each sample runs as a script and as a TARGET, and says what to look at."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from stepscope import Workflow
from stepscope_tracing import Recording

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*.py"))
INPUTS: dict[str, object] = {
    "aggregator": {"archive": 0.0, "web": 0.01, "interview": 0.02},
    "codebase_census": str(Path(json.__file__).parent),
    "deadlock": 5,
    "half_done": 30,
    "lost_updates": "locks",
    "not_parallel": [0.05, 0.05, 0.05],
    "waiting_for_each_other": "locks",
}
EXIT_STATUS = {"deadlock": 1}
"""The workflow that a sample calls `workflow` shows the mistake; only this one fails by it."""

sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)


def command(*arguments: str | Path) -> list[str]:
    return [str(Path(sys.executable).with_name("stepscope")), *map(str, arguments)]


@sample
def test_it_says_what_it_shows_how_to_record_it_and_where_to_look(sample: Path) -> None:
    module = importlib.import_module(sample.stem)
    text = module.__doc__ or ""
    for line in (f"python samples/{sample.name}", f"samples/{sample.name}\n", "stepscope open ", "Look at "):
        assert line in text
    assert isinstance(module.workflow, Workflow)
    assert isinstance(module.make(), Workflow)


@sample
def test_it_runs_as_a_script_and_is_recorded(sample: Path, tmp_path: Path) -> None:
    recorded = tmp_path / "script.stepscope"
    arguments = [str(INPUTS[sample.stem])] if sample.stem == "codebase_census" else []
    done = subprocess.run(
        command("record", "--record", recorded, sample, *arguments),
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    with Recording.open(recorded) as recording:
        assert recording.runs
        assert all(run.complete for run in recording.runs)


@sample
def test_it_runs_as_a_target(sample: Path, tmp_path: Path) -> None:
    recorded = tmp_path / "target.stepscope"
    done = subprocess.run(
        command("run", f"{sample}:workflow", "--input", json.dumps(INPUTS[sample.stem]), "--record", recorded),
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == EXIT_STATUS.get(sample.stem, 0), done.stderr
    with Recording.open(recorded) as recording:
        assert recording.run().info.complete
