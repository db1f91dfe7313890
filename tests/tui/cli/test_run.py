"""`stepscope run`: targets, input, what is printed, and how it ends."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stepscope_tracing import Recording
from stepscope_tui.cli import main
from support.command import COMMAND, refused, stepscope, write


def test_a_run_is_recorded_and_told(folder: Path) -> None:
    done = stepscope("run", "app.py:workflow", "--input", '"hello"', cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "text hello" in done.stdout
    assert "last" in done.stdout
    assert "stepscope open desk.stepscope" in done.stdout
    with Recording.open(folder / "desk.stepscope") as recording:
        assert [(info.workflow, info.status) for info in recording.runs] == [("desk", "completed")]


def test_json_is_the_only_thing_on_standard_output(folder: Path) -> None:
    done = stepscope("run", "app.py:workflow", "--input", '"hello"', "--json", "--record", "r.stepscope", cwd=folder)
    report = json.loads(done.stdout)
    assert done.stderr == "handling hello\n"
    assert report["outputs"] == ["text hello"]
    assert report["state"] == {"last": {"text": "hello"}}
    assert (report["status"], report["supersteps"], report["recording"]) == ("completed", 1, "r.stepscope")
    assert report["errors"] == []
    with Recording.open(folder / "r.stepscope") as recording:
        run = recording.run(report["run_id"])
        assert run.digest() == report["digest"]


@pytest.mark.parametrize(
    ("target", "given", "output"),
    [
        ("app:workflow", '"x"', "text x"),
        ("app.py:make", '{"topic": "t", "words": 2}', {"$data": "app:Draft", "fields": {"topic": "t", "words": 2}}),
        ("app:make_later", '{"item": "tea", "due": "2027-01-02"}', "tea on 2027"),
    ],
)
def test_targets_and_the_handler_that_the_input_is_for(folder: Path, target: str, given: str, output: object) -> None:
    done = stepscope("run", target, "--input", given, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == [output]


def test_a_file_in_another_folder_finds_its_neighbours(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    write(inner / "neighbour.py", "from app import workflow\n")
    (folder / "app.py").rename(inner / "app.py")
    done = stepscope("run", "inner/neighbour.py:workflow", "--input", '"x"', "--record", "x.stepscope", cwd=folder)
    assert done.returncode == 0, done.stderr


def test_a_target_named_like_a_module_in_use_is_imported_all_the_same(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "app.py").rename(folder / "inner" / "json.py")
    done = stepscope("run", "inner/json.py:workflow", "--input", '"x"', cwd=folder)
    assert done.returncode == 0, done.stderr


def test_deterministic_runs_with_one_seed_have_one_digest_and_another_run_each(folder: Path) -> None:
    args = ("run", "app.py:workflow", "--input", '"x"', "--mode", "deterministic", "--seed", "7", "--json")
    one, two = (json.loads(stepscope(*args, cwd=folder).stdout) for _ in range(2))
    assert one["digest"] == two["digest"]
    with Recording.open(folder / "desk.stepscope") as recording:
        assert [(info.run_id, info.seed, info.mode) for info in recording.runs] == [
            (one["run_id"], 7, "deterministic"),
            (two["run_id"], 7, "deterministic"),
        ]


def test_a_workflows_own_exception_is_shown_as_its_own(folder: Path) -> None:
    done = stepscope("run", "app.py:failing", cwd=folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "'second'" in done.stderr
    assert "LookupError: nothing to be found" in done.stderr
    assert 'raise LookupError("nothing to be found")' in done.stderr
    assert "stepscope_tui" not in done.stderr
    assert "/stepscope/" not in done.stderr
    assert "stepscope open failing.stepscope" in done.stderr
    with Recording.open(folder / "failing.stepscope") as recording:
        run = recording.run()
        assert (run.info.status, run.info.complete) == ("failed", True)
        assert [span.outcome for span in run.supersteps()] == ["completed", "failed"]


def test_a_failure_as_json(folder: Path) -> None:
    done = stepscope("run", "app.py:failing", "--json", cwd=folder)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["status"] == "failed"
    (error,) = report["errors"]
    assert (error["type"], error["executor"]) == ("LookupError", "second")
    assert error["message"] == "nothing to be found"
    assert report["findings"] == 1


def test_a_value_that_cannot_be_stored_is_one_sentence(folder: Path) -> None:
    sentence = refused(stepscope("run", "app.py:unstorable", cwd=folder))
    for part in (
        "'keeper'",
        "'file'",
        ".handles[0]",
        "builtin_function_or_method",
        "stepscope open unstorable.stepscope",
    ):
        assert part in sentence
    assert (folder / "unstorable.stepscope").exists()


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (["app.py"], ["path.py:name", "'app.py'"]),
        (["nope.py:workflow"], ["'nope.py'"]),
        (["nope:workflow"], ["'nope'", "ModuleNotFoundError"]),
        (["app.py:nope"], ["'nope'", "app.py:workflow", "app.py:failing"]),
        (["app.py:number"], ["'app.py:number'", "int"]),
        (["app.py:needs"], ["'app.py:needs'", "arguments"]),
        (["app.py:breaks"], ["'app.py:breaks'", "RuntimeError: no desk today", "app.py, line"]),
        (["app.py:makes_text"], ["'app.py:makes_text'", "str"]),
        (["app.py:builds_badly"], ["'app.py:builds_badly'", "desk"]),
        (["syntax.py:workflow"], ["'syntax.py'", "SyntaxError", "line 2"]),
        (["raises.py:workflow"], ["'raises.py'", "ZeroDivisionError", "raises.py, line 2"]),
        (["exits.py:workflow"], ["'exits.py'", "exits", "__main__"]),
        (["app.py:workflow"], ["'desk'", "str or Draft or Order", "--input"]),
        (["app.py:workflow", "--input", "hello"], ["not JSON", "quotes"]),
        (["app.py:workflow", "--input", "3"], ["str or Draft or Order"]),
        (["app.py:workflow", "--input", '{"topic": 3}'], ["str or Draft or Order", "topic"]),
        (
            ["app.py:workflow", "--input", '"x"', "--record", "no/where.stepscope"],
            ["no/where.stepscope'", "no folder"],
        ),
        (["app.py:workflow", "--input", '"x"', "--record", "app.py"], ["app.py", "not a Stepscope recording"]),
        (["app.py:workflow", "--input", '"x"', "--record", "."], ["folder"]),
        (["app.py:workflow", "--input", '"x"', "--otlp", "nonsense"], ["'nonsense'", "http://localhost:4318"]),
        (["app.py:workflow", "--input", '"x"', "--redact", ""], ["--redact", "state.token"]),
    ],
)
def test_what_bad_input_gets(
    inside: Path, args: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write(inside / "syntax.py", "x = 1\nx = (\n")
    write(inside / "raises.py", "x = 1\n1 / 0\n")
    write(inside / "exits.py", "raise SystemExit(3)\n")
    assert main(["run", *args]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    for part in parts:
        assert part in said.err
    assert not list(inside.glob("*.stepscope")), "nothing ran, so nothing is recorded"


def test_redacted_values_are_not_in_the_file(folder: Path) -> None:
    done = stepscope("run", "app.py:workflow", "--input", '"hushhush"', "--redact", "input", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"hushhush" not in (folder / "desk.stepscope").read_bytes()


def test_ctrl_c_keeps_the_recording(folder: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "run", "app.py:sleeping"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUTF8": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "asleep\n"
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "Traceback" not in said
    assert "stepscope open sleeping.stepscope" in said
    with Recording.open(folder / "sleeping.stepscope") as recording:
        assert (recording.run().info.status, recording.run().info.complete) == ("cancelled", True)


def test_a_disk_that_is_full_is_one_sentence(folder: Path) -> None:
    write(
        folder / "large.py",
        """
        from typing import Never
        from stepscope import WorkflowBuilder, WorkflowContext, executor

        @executor(id="writer")
        async def writer(go: None, ctx: WorkflowContext[Never, str]) -> None:
            for n in range(200):
                await ctx.yield_output(f"{n}" * 10_000)

        workflow = WorkflowBuilder(start_executor=writer, name="large").build()
        """,
    )
    done = subprocess.run(
        [*COMMAND, "run", "large.py:workflow"], cwd=folder, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
    )  # fmt: skip
    assert "large.stepscope" in refused(done)


def test_standard_output_of_children_is_kept_out_of_the_document(folder: Path) -> None:
    write(
        folder / "shout.py",
        f"""
        import os, subprocess
        from app import workflow
        subprocess.run([{sys.executable!r}, "-c", "print('child')"])
        os.write(1, b"raw\\n")
        """,
    )
    done = stepscope("run", "shout.py:workflow", "--input", '"x"', "--json", cwd=folder)
    assert json.loads(done.stdout)["status"] == "completed"
    assert {"child", "raw"} <= set(done.stderr.split())
