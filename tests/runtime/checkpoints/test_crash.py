"""BAR-5: killed with SIGKILL anywhere, and resumed, a run ends as if it had never been interrupted."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stepscope import SQLiteCheckpointStorage
from stepscope_tracing import Recording
from support.children import environment
from support.command import stepscope
from support.crash_programs import PROGRAMS
from support.crashing import PARTS, Order, Processes, Report, processes
from support.system_calls import strace
from support.workflows import full

PIECES = 5
KILLS = full(16, 300) // len(PROGRAMS) // PIECES
"""Of each program, in each piece."""


@pytest.fixture(scope="module")
def server() -> Iterator[Processes]:
    with processes() as running:
        yield running


def lived(report: Report) -> dict[str, Any]:
    """The result of a process that came to its end."""
    assert not report.error, report.error
    assert report.result is not None
    return report.result


def moment(draw: random.Random, of: Report) -> tuple[str, int]:
    """When to kill: a part, and a position up to how many there are in a whole run."""
    part = draw.choice([*PARTS, "time"])
    if part == "time":
        return part, draw.randrange(of.microseconds)
    return part, draw.randrange(of.moments[part]) + 1


class Story:
    """One run and its resumptions, killed up to three times."""

    def __init__(
        self, server: Processes, program: str, folder: Path, whole: Report, draw: random.Random, record: bool
    ) -> None:
        self.kills = 0
        self.told: list[Order] = []
        self._server = server
        self._order = Order(program, str(folder / "checkpoints.db"), sync=draw.random() < 0.2)
        if record:
            self._order.record = str(folder / "run.stepscope")
        self._whole = whole
        self._draw = draw

    def happen(self) -> dict[str, Any]:
        """Run, kill, resume, and give the result in the end."""
        for _ in range(self._draw.choice([1, 1, 2, 3])):
            self._order.part, self._order.at = moment(self._draw, self._whole)
            report = self._step()
            if not report.killed:  # it came to its end before its moment did: concurrency, or little was left
                return lived(report)
            self.kills += 1
            self._order.resume = True
        self._order.part = ""
        return lived(self._step())

    def _step(self) -> Report:
        self.told.append(Order(**{name: getattr(self._order, name) for name in self._order.__struct_fields__}))
        return self._server.run(self._order)

    def check_recording(self, result: dict[str, Any], by_command: bool) -> None:
        """The one recording of all these processes is readable, and its last run tells the result's digest."""
        if self._order.record is None:
            return
        with Recording.open(self._order.record) as recording:
            assert recording.run(recording.runs[-1].run_id).digest() == result["digest"]
            for run in recording.runs[:-1]:
                assert run.status in ("interrupted", "completed"), "killed, in the latter case after its end"
        if by_command:
            done = stepscope("info", self._order.record, "--json", cwd=Path(self._order.store).parent)
            assert done.returncode == 0, done.stderr
            assert result["digest"] in done.stdout


def stories(server: Processes, program: str, folder: Path, seed: str, kills: int) -> int:
    """Stories until so many kills have happened; gives how many there were."""
    folder.mkdir()
    for name in ("cold", "warm"):
        whole = server.run(Order(program, str(folder / f"{name}.db")))
    expected = lived(whole)
    assert set(PARTS) <= set(whole.moments)
    done = number = 0
    while done < kills:
        number += 1
        here = folder / str(number)
        here.mkdir()
        draw = random.Random(f"{seed} {program} {number}")
        story = Story(server, program, here, whole, draw, record=number % 3 == 2)
        try:
            result = story.happen()
            assert result == expected
            story.check_recording(result, by_command=number % 9 == 5)
        except AssertionError as error:
            error.add_note(f"{program}, seed {seed!r}, story {number}: {story.told}")
            raise
        done += story.kills
        assert number < 5 * kills + 20, "processes are hardly ever killed"
    return done


SEED = os.environ.get("STEPSCOPE_SEED", "1")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_run_killed_and_resumed_ends_as_one_never_interrupted(
    server: Processes, program: str, tmp_path: Path
) -> None:
    assert stories(server, program, tmp_path / "quick", "quick", 2) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(PIECES))
@pytest.mark.parametrize("program", PROGRAMS)
def test_runs_killed_at_random_moments_and_resumed_end_as_ones_never_interrupted(
    server: Processes, program: str, piece: int, tmp_path: Path
) -> None:
    assert stories(server, program, tmp_path / "all", f"{SEED} {piece}", KILLS) >= KILLS


SYSTEM_CALLS = {"pwrite64": 120, "fdatasync": 50, "ftruncate": 11}
"""Those that the storage's thread makes, and about how often."""


def killed_at(system_call: str, number: int, order: Order) -> bool:
    """Run it alone, killed when one of its threads makes that call for the `number`-th time; whether it came to that."""
    inject = f"inject={system_call}:signal=SIGKILL:when={number}"
    command = strace("-o", "/dev/null", "-e", f"trace={system_call}", "-e", "signal=none", "-e", inject)
    program = "from support.crashing import alone; alone()"
    done = subprocess.run(
        [*command, sys.executable, "-c", program, msgspec.json.encode(order).decode()],
        env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return True
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_run_killed_at_a_system_call_of_its_storage_ends_as_one_never_interrupted(
    server: Processes, program: str, tmp_path: Path
) -> None:
    draw = random.Random(f"{SEED} {program}")
    expected = lived(server.run(Order(program, str(tmp_path / "whole.db"))))
    kills = 0
    for number in range(full(2, 20)):
        order = Order(program, str(tmp_path / f"{number}.db"), sync=True)
        system_call = draw.choice(sorted(SYSTEM_CALLS))
        position = draw.randrange(SYSTEM_CALLS[system_call]) + 1
        kills += killed_at(system_call, position, order)
        order.resume = (tmp_path / f"{number}.db").exists() and stored(tmp_path / f"{number}.db")
        assert lived(server.run(order)) == expected, (system_call, position)
    assert kills > 0


def stored(path: Path) -> bool:
    """Whether the first checkpoint was saved: before that there is nothing to resume."""
    with SQLiteCheckpointStorage(path) as storage:
        return bool(asyncio.run(storage.list_checkpoints()))
