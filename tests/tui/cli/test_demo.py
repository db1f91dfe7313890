"""`stepscope demo`: a lost update that really happens, anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stepscope.analysis import check_events
from stepscope_tracing import Recording, open_recorder
from stepscope_tui.demo.lost_update import COSTS, workflow
from support.command import COMMAND, stepscope
from support.pty_driver import Terminal


def test_headless_it_says_what_was_lost_where_and_how_to_mend_it(tmp_path: Path) -> None:
    done = stepscope("demo", "--headless", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Recording.open(tmp_path / "demo.stepscope") as recording:
        run = recording.run()
        findings = check_events(run.iter_events())
        state = run.state_at(run.last)
        assert state["spent"].value.tree() < sum(COSTS.values())
    assert [finding.kind for finding in findings] == ["lost-update"] * (len(COSTS) - 1)
    for finding in findings:
        assert finding.message in done.stdout
        assert all(f"#{seq}" in done.stdout for seq in finding.seqs)
    for remedy in ("update", "hold", "reducer"):
        assert remedy in done.stdout
    assert "stepscope open 'demo.stepscope#seq=" in done.stdout


@pytest.mark.parametrize("seed", range(5))
async def test_it_happens_under_every_seed(seed: int, tmp_path: Path) -> None:
    result = await workflow.run("x", mode="deterministic", seed=seed, record=open_recorder(tmp_path / "d.stepscope"))
    assert result.state["spent"] in COSTS.values()


def test_it_can_be_repeated_and_spares_files_of_others(tmp_path: Path) -> None:
    for runs in (1, 2):
        assert stepscope("demo", "--headless", cwd=tmp_path).returncode == 0
        with Recording.open(tmp_path / "demo.stepscope") as recording:
            assert len(recording.runs) == runs
    (tmp_path / "demo.stepscope").write_text("mine")
    done = stepscope("demo", "--headless", cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo.stepscope").read_text() == "mine"
    assert str(tmp_path / "stepscope-") in done.stdout


def test_on_a_terminal_it_opens_at_the_culprit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Terminal([*COMMAND, "demo"], columns=110, rows=34) as terminal:
        terminal.wait_for("lost-update", "spent", timeout=30)
        with Recording.open(tmp_path / "demo.stepscope") as recording:
            run = recording.run()
            culprit = check_events(run.iter_events())[0].seqs[-1]
        terminal.wait_for(f"{culprit}/{run.last}", timeout=10)
        terminal.send("q")
        assert terminal.wait_exit(20) == 0


def test_the_demos_program_runs_on_its_own(tmp_path: Path) -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "stepscope_tui.demo.lost_update"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"the agents used {sum(COSTS.values())}" in done.stdout
