"""A recording somebody tampered with: a sentence, never a crash, and nothing in it is executed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepscope_tracing import Recording, RecordingError, Run
from support.random_streams import random_stream
from support.recordings import record

EVENTS = random_stream(random.Random(5), supersteps=3, acts=12)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "run.stepscope"
    record(path, EVENTS)
    return path


def everything(run: Run) -> Iterator[object]:
    """The answers to all questions."""
    yield run.events()
    yield run.counts()
    yield run.lanes()
    yield list(run.supersteps())
    yield run.overview(10)
    yield run.findings()
    yield run.outputs()
    for seq in range(1, run.last + 1, 5):
        yield run.state_at(seq, executor="a")
        yield run.changes_at(seq)
        yield run.superstep_at(seq)
        yield run.locks_at(seq)
        yield run.invocations(seq, seq + 5)
        yield run.messages(seq, seq + 5)
    for key in [*run.keys(), "nowhere"]:
        yield run.writes(key)
    yield run.locks()
    yield run.deliveries()
    yield run.find("zz", 1)
    yield run.source("app.py")
    yield run.digest()


def read_all(path: Path) -> None:
    """Read everything there is; `RecordingError` is all that may come of it."""
    told = ""
    try:
        with Recording.open(path) as recording:
            for info in recording.runs:
                for _ in everything(recording.run(info.run_id)):
                    pass
    except RecordingError as error:
        told = str(error)
    assert told.isprintable()


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_anywhere_in_the_file(good: Path, tmp_path: Path, data: st.DataObject) -> None:
    spoiled = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "spoiled.stepscope"
    path.write_bytes(spoiled)
    read_all(path)


def spoil(good: Path, path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    path.write_bytes(good.read_bytes())
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        for sql, parameters in statements:
            database.execute(sql, parameters)


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_inside_events_and_values(good: Path, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "spoiled.stepscope"
    path.write_bytes(good.read_bytes())
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        table, column = data.draw(st.sampled_from([("blocks", "events"), ("payloads", "data"), ("blocks", "codes")]))
        rows = database.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
        row, blob = data.draw(st.sampled_from(rows))
        spoiled = bytearray(blob)
        for _ in range(data.draw(st.integers(1, 4))):
            spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (bytes(spoiled), row))
    read_all(path)


FIELDS = [
    ("runs", "run_id"), ("runs", "status"), ("runs", "writer"), ("runs", "started_unix_ns"), ("runs", "seed"),
    ("blocks", "first"), ("blocks", "last"), ("blocks", "t"), ("blocks", "codes"), ("blocks", "events"),
    ("payloads", "data"), ("payloads", "payload"), ("executors", "executor"), ("executors", "rank"),
    ("executors", "first"), ("supersteps", "superstep"), ("supersteps", "first"), ("supersteps", "last"),
    ("supersteps", "t0"), ("supersteps", "committed"), ("supersteps", "outcome"), ("supersteps", "deliveries"),
    ("keys", "key"), ("keys", "access"), ("writes", "key"), ("writes", "seq"), ("writes", "executor"),
    ("writes", "access"), ("writes", "op"), ("writes", "old"), ("writes", "new"), ("applied", "seq"),
    ("applied", "written"), ("applied", "access"), ("applied", "value"), ("applied", "executor"),
]  # fmt: skip
ODD = [0, -1, 2**62, -(2**63), 1.5, "", "x", "\ud800".encode("utf-8", "surrogatepass"), b"", b"\xc1", b"\xc7\x00\x00"]


@pytest.mark.parametrize(("table", "column"), FIELDS)
def test_odd_fields_in_tables(good: Path, tmp_path: Path, table: str, column: str) -> None:
    for i, odd in enumerate(ODD):
        path = tmp_path / f"{i}.stepscope"
        try:
            spoil(good, path, (f"UPDATE OR IGNORE {table} SET {column} = ?", (odd,)))
        except sqlite3.Error:
            continue  # SQLite refuses to store that
        read_all(path)


@pytest.mark.parametrize(
    "data",
    [
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode([["no-such-event", 1]]),
        msgspec.msgpack.encode([["state-read", 1, 2]]),
        msgspec.msgpack.encode({"$": 1}),
        b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"",
    ],
    ids=range(8),
)
def test_blocks_that_are_none(good: Path, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "spoiled.stepscope"
    spoil(good, path, ("UPDATE blocks SET events = ?", (data,)))
    with Recording.open(path) as recording, pytest.raises(RecordingError, match="is damaged"):
        recording.run().events()


@pytest.mark.parametrize(
    "data", [b"\x91" * 100_000, b"\xc1", b"", b"\xa1", b"\xa2\xff\xff", b"\xdd\xff\xff\xff\xff"], ids=range(6)
)
def test_values_that_are_none(good: Path, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "spoiled.stepscope"
    spoil(good, path, ("UPDATE payloads SET data = ?", (data,)))
    with Recording.open(path) as recording, pytest.raises(RecordingError, match="is damaged"):
        recording.run().events()


@pytest.mark.parametrize(
    "tree",
    [
        {"$tuple": 5},
        {"$set": None},
        {"$dict": [1]},
        {"$data": "app:Order", "fields": []},
        {"$data": None, "fields": {}},
        {"$enum": 3, "member": "A"},
        {1: 2},
        [{"a": {2: 3}}],
        [msgspec.msgpack.Ext(5, b"x")],
    ],
    ids=str,
)
def test_values_that_no_program_has(good: Path, tmp_path: Path, tree: object) -> None:
    path = tmp_path / "spoiled.stepscope"
    spoil(good, path, ("UPDATE payloads SET data = ?", (msgspec.msgpack.encode(tree),)))
    with Recording.open(path) as recording, pytest.raises(RecordingError, match="is damaged"):
        recording.run().events()


def test_a_view_in_place_of_a_table_reads_nothing_else(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "spoiled.stepscope"
    spoil(
        good, path,
        ("ALTER TABLE payloads RENAME TO p", ()),
        ("CREATE VIEW payloads AS SELECT payload, hash, load_extension('/tmp/evil.so') AS data FROM p", ()),
    )  # fmt: skip
    with Recording.open(path) as recording, pytest.raises(RecordingError, match="is damaged"):
        recording.run().events()
