"""What the samples record, replays: failures, races, deadlocks, threads and a real job included (DET-4)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from samples.test_every_sample import EXIT_STATUS, SAMPLES, SHORTER, said
from support.command import stepscope

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_what_it_records_replays(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    _, *words = said(sample, "Record it")
    words += SHORTER.get(sample.stem, "").split()
    assert stepscope(*words, cwd=tmp_path).returncode == EXIT_STATUS.get(sample.stem, 0)
    recording = words[words.index("--record") + 1]
    target = words[1] if words[0] == "run" else f"samples/{sample.name}:workflow"
    done = stepscope("replay", recording, target, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["outcome"] == "identical"
