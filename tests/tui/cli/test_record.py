"""`stepscope record`: the program behaves as under `python`, and its runs are recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stepscope_tracing import Recording
from stepscope_tui.cli import main
from support.command import COMMAND, stepscope, write

PROGRAM = """
    import sys
    print(sys.argv, __name__, __file__, __spec__, __package__, sys.path[0], sys.modules["__main__"].__dict__ is globals())

    def deeper():
        how = sys.argv[1] if len(sys.argv) > 1 else ""
        if how == "code":
            sys.exit(7)
        if how == "text":
            sys.exit("goodbye")
        if how == "none":
            sys.exit()
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "raise":
            raise LookupError("gone")
        if how == "chain":
            try:
                {}["key"]
            except KeyError as error:
                raise ValueError("value") from error
        if how == "group":
            raise ExceptionGroup("two", [ValueError(1), TypeError(2)])
        if how == "hook":
            sys.excepthook = lambda kind, error, trace: print("hooked", kind.__name__, trace.tb_frame.f_code.co_name)
            raise LookupError("gone")
        if how == "late":
            import atexit
            atexit.register(lambda: print("late"))
            raise SystemExit(3)

    deeper()
"""


def plain_python(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, *args], cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "args",
    [
        [], ["code"], ["text"], ["none"], ["interrupt"], ["raise"], ["chain"], ["group"], ["hook"], ["late"],
        ["--help"], ["--record", "mine"], ["--", "x y", ""],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_program_does_what_it_does_under_python(tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / "program.py", PROGRAM)
    expected = plain_python("folder/program.py", *args, cwd=tmp_path)
    done = stepscope("record", "folder/program.py", *args, cwd=tmp_path)
    assert done.returncode == expected.returncode
    assert done.stdout == expected.stdout
    said = done.stderr.splitlines()
    ours = [line for line in said if line.startswith("stepscope: ")]
    assert [line for line in said if line not in ours] == expected.stderr.splitlines()
    assert len(ours) == 1
    assert "nothing recorded" in ours[0]
    assert not list(tmp_path.glob("*.stepscope"))


def test_a_syntax_error_is_pythons_own(tmp_path: Path) -> None:
    write(tmp_path / "program.py", "x = 1\nx = (\n")
    expected = plain_python("program.py", cwd=tmp_path)
    done = stepscope("record", "program.py", cwd=tmp_path)
    assert done.returncode == expected.returncode == 1
    assert done.stderr.startswith(expected.stderr)


def test_every_run_is_recorded_wherever_it_is_started(folder: Path) -> None:
    write(
        folder / "program.py",
        """
        import asyncio, atexit, os, threading
        from app import workflow

        def go(text):
            asyncio.run(workflow.run(text))

        async def two():
            await asyncio.gather(workflow.run("a"), workflow.run("b"))

        child = os.fork()
        if child == 0:
            go("in a child")
            raise SystemExit(0)
        os.waitpid(child, 0)
        asyncio.run(two())
        os.chdir("/")
        threading.Thread(target=go, args=("in a thread",)).start()
        atexit.register(go, "at exit")
        raise SystemExit(4)
        """,
    )
    done = stepscope("record", "--record", "all of it.stepscope", "program.py", cwd=folder)
    assert done.returncode == 4, done.stderr
    assert done.stderr == "stepscope: recorded 5 runs; open with: stepscope open 'all of it.stepscope'\n"
    where = {"a", "at exit", "b", "in a child", "in a thread"}
    assert {line.removeprefix("handling ") for line in done.stdout.splitlines()} == where
    with Recording.open(folder / "all of it.stepscope") as recording:
        assert [info.status for info in recording.runs] == ["completed"] * 5
        assert len({info.run_id for info in recording.runs}) == 5


def test_the_file_is_named_after_the_program_and_gains_runs(folder: Path) -> None:
    write(folder / "program.py", "import asyncio, app\nasyncio.run(app.workflow.run('x'))\n")
    for runs in (1, 2):
        assert stepscope("record", "program.py", cwd=folder).returncode == 0
        with Recording.open(folder / "program.stepscope") as recording:
            assert len(recording.runs) == runs


def test_a_failing_workflow_is_the_programs_affair_and_is_kept(folder: Path) -> None:
    write(folder / "program.py", "import asyncio, app\nasyncio.run(app.failing.run())\n")
    done = stepscope("record", "program.py", cwd=folder)
    assert done.returncode == 1
    assert "LookupError: nothing to be found" in done.stderr
    assert done.stderr.splitlines()[-1] == "stepscope: recorded 1 run; open with: stepscope open program.stepscope"
    with Recording.open(folder / "program.stepscope") as recording:
        assert recording.run().info.status == "failed"


def test_redaction(folder: Path) -> None:
    write(folder / "program.py", "import asyncio, app\nasyncio.run(app.workflow.run('hush' + 'hush'))\n")
    assert stepscope("record", "--redact", "input", "program.py", cwd=folder).returncode == 0
    assert b"hushhush" not in (folder / "program.stepscope").read_bytes()


def test_ctrl_c_ends_it_as_python_would(folder: Path) -> None:
    write(folder / "program.py", "import asyncio, app\nasyncio.run(app.sleeping.run())\n")
    with subprocess.Popen(
        [*COMMAND, "record", "program.py"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "asleep\n"
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=30)
    assert child.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in said
    assert "recorded 1 run" in said
    with Recording.open(folder / "program.stepscope") as recording:
        assert recording.run().info.status == "cancelled"


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["nope.py"], "'nope.py'"),
        (["."], "folder"),
        (["--record", "no/where.stepscope", "app.py"], "no folder"),
        (["--record", "app.py", "app.py"], "not a Stepscope recording"),
        (["--redact", "", "app.py"], "--redact"),
        ([], "SCRIPT"),
    ],
)
def test_what_bad_input_gets(inside: Path, args: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", *args]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert part in said.err
