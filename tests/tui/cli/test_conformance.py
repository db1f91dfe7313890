"""`stepscope conformance`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

from stepscope.conformance import Conformance, EngineMissing, Observation, Observed, Vector, Verdict, observe, vectors
from stepscope.conformance import adapter_for as real_adapter_for
from stepscope_tui.cli import main
from support.command import refused, stepscope

ROOT = Path(__file__).parents[3]


def test_one_document_with_an_outcome_for_each_clause(tmp_path: Path) -> None:
    done = stepscope("conformance", "--json", "--clause", "ORD-7", "--clause", "STA-3", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["engine"] == "stepscope"
    assert document["version"]
    assert list(document["clauses"]) == ["ORD-7", "STA-3"]
    for result in document["clauses"].values():
        assert result["outcome"] == "holds"
        assert "as expected in" in result["evidence"]


def test_people_see_a_line_for_each_clause(tmp_path: Path) -> None:
    done = stepscope("conformance", "--clause", "DLK-2", cwd=tmp_path)
    assert done.returncode == 0
    assert "DLK-2  a cycle of locks is an error as it forms" in done.stdout
    assert done.stdout.endswith("1 of 1 clause hold\n")


def test_a_clause_that_is_violated_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on an engine whose inboxes are turned round."""

    def turned_round(adapter: object, vector: Vector) -> Verdict:
        return Verdict("violated" if vector.id == "ord-2-arrival" else "holds", "seen [1] not [2]")

    monkeypatch.setattr("stepscope.conformance.runner.try_vector", turned_round)
    assert main(["conformance", "--clause", "ORD-2"]) == 1
    out = capsys.readouterr().out
    assert "violated: ord-2-arrival: seen [1] not [2] (as expected: ord-2-interleaved)" in out
    assert "0 of 1 clause hold, 1 violated" in out


def test_a_clause_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "there is no clause 'ORD-99'" in refused(stepscope("conformance", "--clause", "ORD-99", cwd=tmp_path))


def test_an_engine_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "'burr'" in refused(stepscope("conformance", "--engine", "burr", cwd=tmp_path))


def test_observations_of_another_implementation_are_judged(tmp_path: Path) -> None:
    vector, other = (one for one in vectors() if one.clause == "ORD-2")
    observations = observe(real_adapter_for("stepscope")[0], vector)
    seen: dict[str, list[Observation] | str] = {vector.id: observations, other.id: "there is one sender only"}
    file = tmp_path / "observed.json"
    file.write_text(Observed(engine="mine", version="1", vectors=seen).model_dump_json())
    done = stepscope("conformance", "--judge", "observed.json", "--clause", "ORD-2", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert (done.returncode, found["engine"], found["version"]) == (1, "mine", "1")
    assert found["clauses"]["ORD-2"]["outcome"] == "unsupported"
    assert found["clauses"]["ORD-2"]["vectors"] == [
        {"id": vector.id, "outcome": "holds", "evidence": "as expected in 6 runs"},
        {"id": other.id, "outcome": "unsupported", "evidence": "there is one sender only"},
    ]
    everything = stepscope("conformance", "--judge", "observed.json", cwd=tmp_path)
    assert everything.returncode == 1
    assert "it was not run" in everything.stdout


def test_a_document_that_is_none_of_observations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text('{"engine": "mine", "version": "1", "vectors": {"ord-2-arrival": 7}}')
    said = refused(stepscope("conformance", "--judge", "wrong.json", cwd=tmp_path))
    assert "'wrong.json' is no document of observations" in said
    assert "vectors.ord-2-arrival" in said
    assert "'nowhere.json'" in refused(stepscope("conformance", "--judge", "nowhere.json", cwd=tmp_path))


@pytest.mark.parametrize("engine", ["agent-framework", "langgraph"])
def test_an_engine_that_is_not_installed_is_one_sentence_with_its_extra(engine: str, tmp_path: Path) -> None:
    if find_spec(engine.replace("-", "_")):
        pytest.skip(f"{engine} is installed")
    said = refused(stepscope("conformance", "--engine", engine, cwd=tmp_path))
    assert (
        said
        == f"stepscope: the engine '{engine}' is not installed; install it with: pip install 'stepscope[{engine}]'."
    )
    with pytest.raises(EngineMissing):
        real_adapter_for(engine)


@pytest.mark.slow
def test_it_works_from_a_wheel_in_an_empty_folder(tmp_path: Path) -> None:
    """The wheel alone: nothing of the tree is on the path; libraries are those of this environment."""
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "wheels"), str(ROOT)]
    subprocess.run(build, check=True, timeout=300, stdin=subprocess.DEVNULL)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, timeout=300, stdin=subprocess.DEVNULL)
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [str(python), "-m", "stepscope_tui.cli", "conformance", "--json"],
        cwd=tmp_path / "empty",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(site), *libraries])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = Conformance.model_validate_json(done.stdout)
    assert all(result.outcome == "holds" for result in found.clauses.values())
    assert list((tmp_path / "empty").iterdir()) == []
