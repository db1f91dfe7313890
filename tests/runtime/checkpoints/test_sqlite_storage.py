"""The SQLite storage as a file: what it makes, what it refuses and how it says so, and who may use it at once."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from stepscope import CheckpointError, SQLiteCheckpointStorage
from stepscope_tracing import Recording, RecordingError
from support.checkpoints import info
from support.children import child, tell


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def filled(path: Path, count: int = 3) -> SQLiteCheckpointStorage:
    """A storage with checkpoints r-0, r-1, ..."""
    storage = SQLiteCheckpointStorage(path, sync=False)
    for n in range(count):
        await storage.save(info(f"r-{n}", superstep=n), b"%d" % n * 50)
    return storage


async def test_only_saving_makes_a_file(tmp_path: Path) -> None:
    with SQLiteCheckpointStorage(tmp_path / "cp.db") as storage:
        assert await storage.list_checkpoints() == []
        assert await storage.get_latest(workflow_name="w") is None
        assert await storage.delete("x") is False
        assert await storage.prune(keep=0) == 0
        with pytest.raises(CheckpointError, match=r"no checkpoint 'x': nothing was ever saved in .*cp\.db"):
            await storage.load("x")
        assert names(tmp_path) == []
        await storage.save(info(), b"")
        assert "cp.db" in names(tmp_path)
    assert names(tmp_path) == ["cp.db"]


async def test_a_file_that_is_empty_is_an_empty_storage(tmp_path: Path) -> None:
    (tmp_path / "cp.db").touch()
    with SQLiteCheckpointStorage(tmp_path / "cp.db") as storage:
        assert await storage.list_checkpoints() == []
        assert (tmp_path / "cp.db").stat().st_size == 0
        await storage.save(info(), b"body")
        assert await storage.load("r-0") == (info(), b"body")


async def test_the_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a?mode=memory#b%41 ü.db", ":memory:"):
        with SQLiteCheckpointStorage(name) as storage:
            monkeypatch.chdir("/")
            await storage.save(info(), b"")
            monkeypatch.chdir(tmp_path)
    assert names(tmp_path) == [":memory:", "a?mode=memory#b%41 ü.db"]


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_text(path: Path) -> None:
    path.write_text("not a database, but long enough to be looked at" * 40)


def a_short_text(path: Path) -> None:
    path.write_text("hello")


def another_programs_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")


def a_recording(path: Path) -> None:
    from support.recordings import record
    from support.streams import Stream

    record(path, Stream("a").finish())


def changed(path: Path, sql: str) -> None:
    asyncio.run(filled(path)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


def a_newer_schema(path: Path) -> None:
    changed(path, "PRAGMA user_version = 2")


def an_older_schema(path: Path) -> None:
    changed(path, "PRAGMA user_version = 0")


def with_another_table(path: Path) -> None:
    changed(path, "CREATE TABLE more (x)")


def with_a_trigger(path: Path) -> None:
    changed(path, "CREATE TRIGGER t AFTER INSERT ON bodies BEGIN DELETE FROM store; END")


def without_its_contents(path: Path) -> None:
    changed(path, "DELETE FROM store")


def with_a_row_too_few(path: Path) -> None:
    changed(path, "DELETE FROM checkpoints WHERE position = 2")


def cut_off(path: Path) -> None:
    asyncio.run(filled(path)).close()
    os.truncate(path, path.stat().st_size - 4096)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (a_folder, "is a folder"),
        (a_pipe, "not a regular file"),
        (a_text, "not an SQLite file"),
        (a_short_text, "not an SQLite file"),
        (another_programs_database, "another program's SQLite file"),
        (a_recording, "one of Stepscope's recordings"),
        (a_newer_schema, r"newer Stepscope \(schema 2, this one reads 1\)"),
        (an_older_schema, "damaged: its tables"),
        (with_another_table, "damaged: its tables"),
        (with_a_trigger, "damaged: its tables"),
        (without_its_contents, "damaged: its table of contents"),
        (cut_off, "damaged: "),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_what_is_no_checkpoint_store_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], says: str
) -> None:
    path = tmp_path / "cp.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""

    async def use() -> None:
        with SQLiteCheckpointStorage(path) as storage:
            for use in (storage.list_checkpoints(), storage.prune(keep=1), storage.save(info("new"), b"")):
                with pytest.raises(CheckpointError, match=says) as refused:
                    await use
                assert str(path) in str(refused.value)
                assert str(refused.value).count(". ") == 0, "one sentence"

    asyncio.run(use())
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert names(tmp_path) == ["cp.db"]


def test_a_store_is_no_recording(tmp_path: Path) -> None:
    asyncio.run(filled(tmp_path / "cp.db")).close()
    with pytest.raises(RecordingError, match="not a Stepscope recording"):
        Recording.open(tmp_path / "cp.db")


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with SQLiteCheckpointStorage(tmp_path / "no" / "cp.db") as storage:
        assert await storage.list_checkpoints() == []
        with pytest.raises(CheckpointError, match=r"there is no folder '.*/no'; make it first"):
            await storage.save(info(), b"")
    assert names(tmp_path) == []


async def test_a_lost_row_is_missed_and_the_way_out_is_named(tmp_path: Path) -> None:
    await asyncio.to_thread(with_a_row_too_few, tmp_path / "cp.db")
    with SQLiteCheckpointStorage(tmp_path / "cp.db") as storage:
        with pytest.raises(CheckpointError, match=r"missing from it.* 'r-2' of workflow 'w'.*checkpoint_id="):
            await storage.get_latest(workflow_name="w")
        assert (await storage.load("r-2"))[0].superstep == 2
        with pytest.raises(CheckpointError, match="damaged"):
            await storage.load("r-1")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE checkpoints SET superstep = 7 WHERE position = 3",
        "UPDATE checkpoints SET workflow = 'v' WHERE position = 3",
        "UPDATE checkpoints SET position = 9 WHERE position = 3",
        "UPDATE checkpoints SET superstep = 2.5 WHERE position = 3",
        "UPDATE checkpoints SET run_id = x'72' WHERE position = 3",
        "UPDATE bodies SET body = x'00' WHERE position = 3",
        "UPDATE bodies SET body = CAST(body AS TEXT) WHERE position = 3",
        "UPDATE bodies SET position = 9 WHERE position = 3",
        "UPDATE checkpoints SET run_id = CAST(x'ff' AS TEXT) WHERE position = 3",
    ],
)
async def test_a_changed_field_is_noticed(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "cp.db"
    (await filled(path)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(sql).rowcount == 1
    with SQLiteCheckpointStorage(path) as storage:
        with pytest.raises(CheckpointError, match="damaged") as refused:
            await storage.load("r-2")
        assert "'r-1'" in str(refused.value), "the newest that is whole"
        assert (await storage.load("r-1"))[1] == b"1" * 50


@pytest.mark.parametrize(
    "sql", ["UPDATE store SET newest = 0", "UPDATE store SET newest = 9", "UPDATE store SET guards = zeroblob(32)"]
)
async def test_a_changed_table_of_contents_is_noticed(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "cp.db"
    (await filled(path)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)
    with SQLiteCheckpointStorage(path) as storage:
        for use in (storage.list_checkpoints(), storage.save(info("x"), b""), storage.delete("r-0")):
            with pytest.raises(CheckpointError, match="damaged: its table of contents"):
                await use
        assert (await storage.load("r-2"))[1] == b"2" * 50


async def test_an_index_that_has_changed_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "cp.db"
    (await filled(path)).close()
    pages = [path.read_bytes()[at : at + 4096] for at in range(0, path.stat().st_size, 4096)]
    index = next(number for number, page in enumerate(pages) if page[0] == 0x0A)
    assert pages[index].count(b"r-1") == 1
    pages[index] = pages[index].replace(b"r-1", b"r-7")
    path.write_bytes(b"".join(pages))
    with SQLiteCheckpointStorage(path) as storage:
        with pytest.raises(CheckpointError, match="damaged: what it tells of the checkpoint at position 2"):
            await storage.load("r-7")
        with pytest.raises(CheckpointError, match="index has lost checkpoint 'r-1'"):
            await storage.load("r-1")
        with pytest.raises(CheckpointError, match="there is no checkpoint 'r-8'"):
            await storage.load("r-8")


async def test_closing_waits_for_nobody(tmp_path: Path) -> None:
    path = tmp_path / "cp.db"
    storage = SQLiteCheckpointStorage(path, busy_timeout=60)
    await storage.save(info(), b"")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        before = time.monotonic()
        storage.close()
        assert time.monotonic() - before < 30
        other.execute("ROLLBACK")


async def test_what_a_damaged_file_says_does_not_reach_a_terminal_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "cp.db"
    (await filled(path)).close()
    damaged = path.read_bytes().replace(b"CREATE TABLE bodies (position", b"CREATE TABLE \x1b]0;x\x07 (position")
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    with SQLiteCheckpointStorage(path) as storage, pytest.raises(CheckpointError, match="damaged") as refused:
        await storage.list_checkpoints()
    assert str(refused.value).isprintable()


async def test_values_that_no_file_can_hold_are_refused(tmp_path: Path) -> None:
    with SQLiteCheckpointStorage(tmp_path / "cp.db") as storage:
        for one in (info("\ud800"), info(superstep=2**80)):
            with pytest.raises(CheckpointError, match="cannot save a checkpoint in"):
                await storage.save(one, b"")
        assert await storage.list_checkpoints() == []
        await storage.save(info(), b"")
        assert await storage.list_checkpoints() == [info()]


async def test_a_store_that_stays_locked_is_given_up_and_can_be_used_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "cp.db"
    (await filled(path)).close()
    with (
        SQLiteCheckpointStorage(path, busy_timeout=0.05) as storage,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        for use in (storage.save(info("x"), b""), storage.list_checkpoints(), storage.delete("r-0")):
            with pytest.raises(CheckpointError, match=r"another program has kept it locked for 0\.05 s"):
                await use
        other.execute("ROLLBACK")
        await storage.save(info("x"), b"")
        other.execute("BEGIN")
        other.execute("SELECT * FROM store").fetchone()  # a reader that does not end
        with pytest.raises(CheckpointError, match="locked"):
            await storage.save(info("y"), b"")
        assert len(await storage.list_checkpoints()) == 4
        other.execute("COMMIT")
        await storage.save(info("y"), b"")
        assert len(await storage.list_checkpoints()) == 5


async def test_the_event_loop_goes_on_while_the_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "cp.db"
    storage = await filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        saving = asyncio.create_task(storage.save(info("x"), b""))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not saving.done()
        other.execute("ROLLBACK")  # only a loop that still runs gets here
        await saving
    storage.close()


async def test_a_cancelled_save_leaves_the_storage_usable(tmp_path: Path) -> None:
    storage = await filled(tmp_path / "cp.db")
    for n in range(10):
        saving = asyncio.create_task(storage.save(info(f"x-{n}"), b"x" * 10_000))
        await asyncio.sleep(0)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
    await storage.save(info("end"), b"")
    for one in await storage.list_checkpoints():
        await storage.load(one.checkpoint_id)
    storage.close()


async def test_a_file_that_is_taken_away_is_not_written_on_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "cp.db"
    storage = await filled(path)
    path.unlink()
    with pytest.raises(CheckpointError, match="was removed or replaced"):
        await storage.save(info("x"), b"")
    await storage.save(info("x"), b"")
    assert [one.checkpoint_id for one in await storage.list_checkpoints()] == ["x"]
    (await filled(tmp_path / "other.db", 2)).close()
    (tmp_path / "other.db").replace(path)
    assert len(await storage.list_checkpoints()) == 2, "reading reads what is there"
    storage.close()


async def test_a_closed_storage_says_so(tmp_path: Path) -> None:
    storage = await filled(tmp_path / "cp.db")
    storage.close()
    storage.close()
    with pytest.raises(CheckpointError, match=r"SQLiteCheckpointStorage\(.*cp\.db'\) was closed"):
        await storage.load("r-0")


def test_a_storage_that_nobody_closes_closes_itself(tmp_path: Path) -> None:
    others = set(threading.enumerate())
    storage = asyncio.run(filled(tmp_path / "cp.db"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del storage
        gc.collect()
        for thread in set(threading.enumerate()) - others:  # one may still be putting away what it did last
            thread.join()
    assert names(tmp_path) == ["cp.db"]


WRITER = """
    import asyncio, sys
    from stepscope import SQLiteCheckpointStorage
    from support.checkpoints import info

    async def main(path, run):
        storage = SQLiteCheckpointStorage(path, sync=False)
        print("ready", flush=True)
        sys.stdin.readline()
        for n in range(40):
            await storage.save(info(f"{run}-{n}", run_id=run, superstep=n), f"{run}-{n}".encode() * 200)
            if n % 10 == 9:
                await storage.prune(keep=5, run_id=run)
        print("done", flush=True)

    asyncio.run(main(*sys.argv[1:]))
"""


async def test_several_processes_write_one_new_store_while_another_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "cp.db"
    with child(WRITER, str(path), "a") as a, child(WRITER, str(path), "b") as b, child(WRITER, str(path), "c") as c:
        writers = (a, b, c)
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        ended = asyncio.gather(*(asyncio.to_thread(tell, writer, "go") for writer in writers))
        seen = dict.fromkeys("abc", -1)
        with SQLiteCheckpointStorage(path) as reader:
            while not ended.done():
                for one in await reader.list_checkpoints():
                    seen[one.run_id] = max(seen[one.run_id], one.superstep)
                for run, newest in seen.items():
                    kept = await reader.list_checkpoints(run_id=run)
                    assert [one.superstep for one in kept] == sorted(one.superstep for one in kept)
                    assert not kept or kept[-1].superstep >= newest, "what was seen saved stays saved"
            assert await ended == ["done"] * 3
            for run in "abc":
                kept = await reader.list_checkpoints(run_id=run)
                assert [one.superstep for one in kept] == [35, 36, 37, 38, 39]
                for one in kept:
                    assert (await reader.load(one.checkpoint_id))[1] == one.checkpoint_id.encode() * 200


TELLING_WRITER = """
    import asyncio, itertools, sys
    from stepscope import SQLiteCheckpointStorage
    from support.checkpoints import info

    async def main(path, run):
        storage = SQLiteCheckpointStorage(path, sync=False)
        for n in itertools.count():
            await storage.save(info(f"{run}-{n}", run_id=run, superstep=n), b"body" * 500)
            print(n, flush=True)

    asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_process_that_is_killed_takes_nothing_away_and_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "cp.db"
    with child(TELLING_WRITER, str(path), "a") as living, SQLiteCheckpointStorage(path, sync=False) as own:
        assert living.stdout is not None
        for round in range(4):
            with child(TELLING_WRITER, str(path), f"b{round}") as killed:
                assert killed.stdout is not None
                for _ in range(5 + 7 * round):
                    announced = int(killed.stdout.readline())
                killed.kill()
                announced = max([announced, *map(int, killed.stdout.read().split())])
            await own.save(info(f"own-{round}", run_id="own"), b"")
            kept = await own.list_checkpoints(run_id=f"b{round}")
            assert [one.superstep for one in kept][: announced + 1] == list(range(announced + 1))
            assert len(kept) <= announced + 2, "one may have been saved and not announced"
            for one in kept:
                await own.load(one.checkpoint_id)
        before = int(living.stdout.readline())
        assert int(living.stdout.readline()) == before + 1, "it goes on"


WITHOUT_RIGHTS = """
    import asyncio, os, sys
    import encodings.idna, urllib.parse  # imported late elsewhere, when this process may have no right to read them
    from stepscope import SQLiteCheckpointStorage, CheckpointError
    from stepscope.checkpoints import sqlitefile
    from support.checkpoints import info

    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    print("ready", flush=True)
    for line in sys.stdin:
        verb, _, path = line.rstrip("\\n").partition(" ")
        with SQLiteCheckpointStorage(path) as storage:
            try:
                if verb == "save":
                    asyncio.run(storage.save(info("new"), b""))
                print(len(asyncio.run(storage.list_checkpoints())), flush=True)
            except CheckpointError as error:
                print(error, flush=True)
"""


def leave_inside_a_commit(store: Path, copy: Path) -> None:
    """A copy of a store and its journal, as a process that was killed leaves them."""
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")  # what does not fit is written before the commit
        connection.execute("BEGIN")
        for n in range(100, 140):
            connection.execute("INSERT INTO bodies VALUES (?, zeroblob(9000))", (n,))
        copy.write_bytes(store.read_bytes())
        Path(f"{copy}-journal").write_bytes(Path(f"{store}-journal").read_bytes())
        connection.execute("ROLLBACK")


async def test_what_a_killed_process_left_half_done_is_taken_back(tmp_path: Path) -> None:
    (await filled(tmp_path / "cp.db")).close()
    await asyncio.to_thread(leave_inside_a_commit, tmp_path / "cp.db", tmp_path / "left.db")
    with SQLiteCheckpointStorage(tmp_path / "left.db") as storage:
        assert len(await storage.list_checkpoints()) == 3
    assert "left.db-journal" not in names(tmp_path)


async def test_what_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    for name in ("cp.db", "secret.db"):
        (await filled(folder / name)).close()
    await asyncio.to_thread(leave_inside_a_commit, folder / "cp.db", folder / "left.db")
    (folder / "secret.db").chmod(0)
    for one in (tmp_path, *tmp_path.parents[:2]):
        one.chmod(one.stat().st_mode | 0o055)
    folder.chmod(0o555)
    try:
        with child(WITHOUT_RIGHTS) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
            assert tell(reader, f"list {folder / 'cp.db'}") == "3"
            assert "cannot be written" in tell(reader, f"save {folder / 'cp.db'}")
            half_done = tell(reader, f"list {folder / 'left.db'}")
            assert "cannot read" in half_done
            assert "cannot be written; allow that" in half_done
            assert "cannot be opened here; look at the permissions" in tell(reader, f"list {folder / 'secret.db'}")
            assert "cannot be opened here; look at the permissions" in tell(reader, f"save {folder / 'new.db'}")
    finally:
        folder.chmod(0o755)
    assert names(folder) == ["cp.db", "left.db", "left.db-journal", "secret.db"]


ON_A_FULL_DISK = """
    import asyncio, resource, signal, sys
    from stepscope import SQLiteCheckpointStorage, CheckpointError
    from support.checkpoints import info

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    storage = SQLiteCheckpointStorage(sys.argv[1])
    asyncio.run(storage.save(info("a"), b"a" * 10_000))
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
    try:
        asyncio.run(storage.save(info("b"), b"b" * 100_000))
    except CheckpointError as error:
        print(error)
    asyncio.run(storage.save(info("c"), b"c" * 10_000))
    print([one.checkpoint_id for one in asyncio.run(storage.list_checkpoints())])
"""


async def test_a_save_that_finds_no_room_fails_and_changes_nothing(tmp_path: Path) -> None:
    with child(ON_A_FULL_DISK, str(tmp_path / "cp.db")) as writer:
        said, kept, *more = writer.communicate(timeout=30)[0].splitlines()
        assert said.startswith("cannot save a checkpoint in checkpoint store"), said
        assert kept == "['a', 'c']"
        assert not more
    assert names(tmp_path) == ["cp.db"], "a process that ends closes its storages"


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("used", [False, True])
def test_a_forked_process_may_use_it(tmp_path: Path, used: bool) -> None:
    storage = SQLiteCheckpointStorage(tmp_path / "cp.db", sync=False)
    if used:
        asyncio.run(storage.save(info("parent"), b""))
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(storage.save(info("child"), b""))
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    kept = [one.checkpoint_id for one in asyncio.run(storage.list_checkpoints())]
    assert kept == ["parent", "child"][1 - used :]
    storage.close()
