"""`stepscope replay`: verifies a recording with the code at hand, says where and why it differs, and executes nothing of it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stepscope.events import RunStarted
from stepscope_tracing import Recording
from stepscope_tui.cli import main
from support.command import stepscope, write
from support.random_streams import long_stream
from support.recorded import record

SHOP = """
    import asyncio
    from dataclasses import dataclass
    from datetime import date
    from typing import Never

    from stepscope import StateKey, WorkflowBuilder, WorkflowContext, executor


    @dataclass
    class Order:
        item: str
        due: date


    def price_of(item: str) -> Order:
        with open("calls.txt", "a") as calls:
            calls.write("called\\n")
        return Order(item, date(2026, 1, 2))


    @executor(id="till")
    async def till(order: Order, ctx: WorkflowContext[Order]) -> None:
        print("at the till")
        await ctx.send_message(await ctx.effect(price_of, order.item))


    def racer(name: str):
        @executor(id=name)
        async def race(order: Order | list[Order], ctx: WorkflowContext[Never, str]) -> None:
            seen = await ctx.state.get("sold")
            await asyncio.sleep(0)
            await ctx.state.set("sold", [*seen, name])
            await ctx.yield_output(f"{name} {order.due.year}")

        return race


    def make():
        builder = WorkflowBuilder(till, name="shop", state=[StateKey("sold", initial=[], access="live")])
        return builder.add_fan_out_edges(till, [racer("a"), racer("b")]).build()


    if __name__ == "__main__":
        asyncio.run(make().run(Order("tea", date(2026, 1, 1))))
"""
INPUT = '{"item": "tea", "due": "2026-01-01"}'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``shop.py``, a recording of it, and what its effects left behind. To be copied only."""
    folder = tmp_path_factory.mktemp("shop")
    write(folder / "shop.py", SHOP)
    done = stepscope("run", "shop.py:make", "--input", INPUT, "--record", "r.stepscope", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def shop(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the folder, the current one for commands in this process; what they import is forgotten afterwards."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def run(file: str, *args: str) -> None:
    """Record a run of the program as it is now."""
    assert main(["run", "shop.py:make", "--input", INPUT, "--record", file, *args]) == 0


class Replay:
    """Runs the command in this process."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *args: str, code: int = 0) -> str:
        """What it prints. Handlers say "at the till", which is taken away."""
        self._capfd.readouterr()
        done = main(["replay", *args])
        self.out, self.err = (text.replace("at the till\n", "") for text in self._capfd.readouterr())
        assert done == code, (done, self.out, self.err)
        return self.out

    def refused(self, *args: str) -> str:
        """The one sentence on standard error."""
        assert self(*args, code=2) == ""
        (line,) = self.err.strip().splitlines()
        return line

    def json(self, *args: str, code: int = 0) -> Any:
        """The document."""
        return json.loads(self("--json", *args, code=code))


@pytest.fixture
def replay(capfd: pytest.CaptureFixture[str]) -> Replay:
    return Replay(capfd)


def edit(folder: Path, before: str, after: str) -> None:
    """Change the program."""
    text = (folder / "shop.py").read_text()
    assert text.count(before) == 1
    (folder / "shop.py").write_text(text.replace(before, after))


def test_the_same_code_is_identical_and_effects_are_not_called(shop: Path) -> None:
    done = stepscope("replay", "r.stepscope", "shop.py:make", "--json", cwd=shop)
    with Recording.open(shop / "r.stepscope") as recording:
        events = recording.run().last
    assert json.loads(done.stdout) == {"outcome": "identical", "steps": events, "divergence": None}
    assert (done.returncode, done.stderr) == (0, "at the till\n")
    assert (shop / "calls.txt").read_text() == "called\n"


def test_the_text_says_so(shop: Path, replay: Replay) -> None:
    text = replay("r.stepscope", "shop.py:make")
    assert "identical" in text
    assert "shop" in text


def test_changed_code_is_found_at_its_step(shop: Path, replay: Replay) -> None:
    edit(shop, "[*seen, name]", '[*seen, name, "x"]')
    report = replay.json("r.stepscope", "shop.py:make", code=1)
    with Recording.open(shop / "r.stepscope") as recording:
        first = recording.run().writes("sold")[0]
    found = report["divergence"]
    assert (report["outcome"], report["steps"]) == ("diverged", first.seq - 1)
    assert found["step"] == first.seq
    assert found["expected"] == f"{first.executor!r} sets 'sold' to ['{first.executor}']"
    assert found["actual"] == f"{first.executor!r} sets 'sold' to ['{first.executor}', 'x']"
    assert found["cause"] == f"The code of handler 'race' of {first.executor!r} has changed since the recording."
    text = replay("r.stepscope", "shop.py:make", code=1)
    assert f"diverged at step {first.seq}" in text
    assert f"&seq={first.seq}" in text


def test_a_comment_is_no_change(shop: Path, replay: Replay) -> None:
    edit(shop, "        seen = await", "        # what was sold\n        seen = await")
    replay("r.stepscope", "shop.py:make")


def test_what_a_handler_calls_has_changed(shop: Path, replay: Replay) -> None:
    edit(shop, 'f"{name} {order.due.year}"', "named(name, order)")
    edit(shop, "\n\ndef racer", "\n\ndef named(name, order):\n    return name\n\n\ndef racer")
    run("r2.stepscope")
    edit(shop, "    return name\n", "    return name.upper()\n")
    cause = replay.json("r2.stepscope", "shop.py:make", code=1)["divergence"]["cause"]
    assert "is as it was" in cause
    assert "named" in cause


def test_another_graph_is_said(shop: Path, replay: Replay) -> None:
    edit(shop, '[racer("a"), racer("b")]', '[racer("a"), racer("c")]')
    found = replay.json("r.stepscope", "shop.py:make", code=1)["divergence"]
    assert found["step"] == 1
    assert "executor 'b' is gone" in found["cause"]
    assert "executor 'c' is new" in found["cause"]


def test_a_script_that_was_recorded_is_replayed_as_a_module(shop: Path, replay: Replay) -> None:
    """Its classes were in ``__main__``."""
    assert stepscope("record", "--record", "s.stepscope", "shop.py", cwd=shop).returncode == 0
    replay("s.stepscope", "shop.py:make")


def test_a_run_is_chosen(shop: Path, replay: Replay) -> None:
    edit(shop, 'f"{name} {order.due.year}"', 'f"{name} {order.due.month}"')
    run("r.stepscope")
    with Recording.open(shop / "r.stepscope") as recording:
        first, second = (info.run_id for info in recording.runs)
    replay("r.stepscope", "shop.py:make")
    replay("r.stepscope", "shop.py:make", "--run", second)
    replay("r.stepscope", "shop.py:make", "--run", first[:6], code=1)
    replay(f"r.stepscope#run={first}", "shop.py:make", code=1)
    assert "'zz'" in replay.refused("r.stepscope", "shop.py:make", "--run", "zz")
    assert "name one" in replay.refused(f"r.stepscope#run={first}", "shop.py:make", "--run", second)


def test_mistakes_are_one_sentence(shop: Path, replay: Replay) -> None:
    assert "gone.stepscope" in replay.refused("gone.stepscope", "shop.py:make")
    assert "shop.py" in replay.refused("shop.py", "shop.py:make")
    assert "nothing" in replay.refused("r.stepscope", "shop.py:nothing")
    assert "TARGET" in replay.refused("r.stepscope")


def test_what_was_left_out_cannot_be_replayed(shop: Path, replay: Replay) -> None:
    run("i.stepscope", "--redact", "input.item")
    assert "input was left out" in replay.refused("i.stepscope", "shop.py:make")
    run("e.stepscope", "--redact", "effect.price_of.item")
    assert "'price_of'" in replay.refused("e.stepscope", "shop.py:make")
    run("o.stepscope", "--redact", "output")
    assert "2 values had been left out" in replay("o.stepscope", "shop.py:make")


def test_a_file_whose_blocks_are_damaged(shop: Path, replay: Replay) -> None:
    with closing(sqlite3.connect(shop / "r.stepscope")) as connection, connection:
        connection.execute("UPDATE blocks SET events = substr(events, 1, length(events) / 2)")
    assert "r.stepscope" in replay.refused("r.stepscope", "shop.py:make")


def test_a_run_of_another_engine(shop: Path, replay: Replay) -> None:
    started = long_stream(50)[0]
    assert isinstance(started, RunStarted)
    record(shop / "other.stepscope", [msgspec.structs.replace(started, engine="langgraph")])
    assert "'langgraph'" in replay.refused("other.stepscope", "shop.py:make")


def test_text_of_a_recording_does_not_act(shop: Path, replay: Replay) -> None:
    edit(shop, "        seen = await", '        await ctx.yield_output("\\x1b[2J[bold]")\n        seen = await')
    run("t.stepscope")
    edit(shop, "\\x1b[2J[bold]", "other")
    text = replay("t.stepscope", "shop.py:make", code=1)
    assert "\x1b" not in text
    assert "[bold]" in text
