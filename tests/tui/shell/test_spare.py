"""Work between two keys: in pieces, ended by the next key, and silent about what a damaged recording cannot tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stepscope.errors import WorkflowError
from stepscope_tracing.blocks import Blocks
from stepscope_tui import pace
from stepscope_tui import spare as module
from stepscope_tui.app import DebuggerApp
from stepscope_tui.drawing import diagram
from stepscope_tui.session import JUMPS
from stepscope_tui.spare import Spare
from support.random_streams import long_stream
from support.recorded import record


async def test_all_of_it_is_done_and_keys_have_their_turn_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLICE_S", 0.0)
    done: list[int] = []
    keys: list[int] = []
    finished = asyncio.Event()

    def work() -> Iterator[None]:
        for piece in range(5):
            asyncio.get_running_loop().call_soon(keys.append, piece)
            done.append(len(keys))
            yield
        finished.set()

    Spare(lambda: None).begin(work())
    assert done == [], "nothing is done at once"
    await asyncio.wait_for(finished.wait(), 10)
    assert done == [0, 1, 2, 3, 4], "each piece finds the key that came in during the one before answered"


async def test_what_is_begun_ends_what_was_going_on() -> None:
    done: list[str] = []
    finished = asyncio.Event()

    def work(name: str) -> Iterator[None]:
        done.append(name)
        yield
        if name == "second":
            finished.set()

    spare = Spare(lambda: None)
    spare.begin(work("first"))
    spare.begin(work("second"))
    await asyncio.wait_for(finished.wait(), 10)
    assert done == ["second"]


@pytest.mark.parametrize("error", [WorkflowError("it is damaged"), IndexError("there is no message 7")])
async def test_a_damaged_recording_ends_it_silently_and_rest_comes_all_the_same(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REST_S", 0.0)
    rested = asyncio.Event()
    spare = Spare(rested.set)

    def work() -> Iterator[None]:
        yield
        raise error

    spare.begin(work())
    await asyncio.wait_for(rested.wait(), 10)


@contextmanager
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is drawn and decoded while the block lasts."""
    seen: list[str] = []

    def noting(owner: object, name: str) -> None:
        original: Callable[..., object] = getattr(owner, name)

        def noted(*args: object) -> object:
            seen.append(name)
            return original(*args)

        patch.setattr(owner, name, noted)

    with monkeypatch.context() as patch:
        noting(diagram, "build")
        noting(Blocks, "_decoded_by")
        yield seen


async def test_after_a_while_no_jump_draws_a_tile_or_reads_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has looked ahead, where the keys lead is there already."""
    rested = asyncio.Event()
    monkeypatch.setattr(module, "_REST_S", 0.0)
    monkeypatch.setattr(pace, "collect_all", rested.set)
    app = DebuggerApp(str(record(tmp_path / "long.stepscope", long_stream(12_000))), analyse=False)
    async with app.run_test(size=(160, 45)):
        app.session.run.build_index()
        await app.workers.wait_for_complete()
        for seq in (3_000, 9_000):
            app.session.goto(seq)
            app.show()
            rested.clear()
            await asyncio.wait_for(rested.wait(), 60)
            there = {app.session.leads_to(jump) for jump in JUMPS}
            assert len(there) > 6
            with made(monkeypatch) as afterwards:
                for one in sorted(there):
                    app.session.goto(one)
                    app.show()
            assert afterwards == []
            with made(monkeypatch) as elsewhere:
                app.session.goto(seq // 2)
                app.show()
            assert {"build", "_decoded_by"} <= set(elsewhere)
    app.recording.close()
