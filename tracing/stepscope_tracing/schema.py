"""The tables of a recording, and how a file is known to be one.

Everything follows from `blocks` (see `codec`): the other tables of a run are written in the same transaction as
the block they were made from, so that a reader of a file whose writer was killed finds them whole.

    SELECT run_id, workflow, status FROM runs;
    SELECT key, seq, executor, op FROM writes WHERE run = 1 AND key = 'ledger' ORDER BY seq;
    SELECT superstep, outcome, last - first + 1 AS events FROM supersteps WHERE run = 1 AND scope = 0;
"""

from __future__ import annotations

import sqlite3

from .codec import KIND_OF_CODE

APPLICATION_ID = 0x53545343
"""In the file's header: the letters STSC."""
SCHEMA = 1
"""Version of the tables; only a change that an older reader would misread raises it."""

_TABLES = """
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    workflow TEXT NOT NULL,
    engine TEXT NOT NULL,
    engine_version TEXT NOT NULL,
    mode TEXT NOT NULL,
    seed INTEGER,
    started_unix_ns INTEGER NOT NULL,
    status TEXT NOT NULL,       -- running, completed, failed, cancelled, interrupted
    redacted INTEGER NOT NULL,  -- 1: values were left out
    writer TEXT NOT NULL        -- host, process and its start; says whether "running" is still true
);
CREATE TABLE blocks (           -- every event, in seq order
    run INTEGER NOT NULL,
    first INTEGER NOT NULL,     -- seq
    last INTEGER NOT NULL,
    t INTEGER NOT NULL,         -- of the last event, nanoseconds since the run began
    codes BLOB NOT NULL,        -- one byte an event, see event_codes
    events BLOB NOT NULL,       -- MessagePack
    PRIMARY KEY (run, first)
);
CREATE TABLE event_codes (code INTEGER PRIMARY KEY, kind TEXT NOT NULL);
CREATE TABLE payloads (         -- values over 32 bytes, once each; elsewhere an integer instead of a value names one
    payload INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,  -- blake2b of data, 16 bytes
    data BLOB NOT NULL          -- MessagePack
);
CREATE TABLE sources (run INTEGER NOT NULL, file TEXT NOT NULL, payload INTEGER NOT NULL, PRIMARY KEY (run, file));
CREATE TABLE executors (run INTEGER NOT NULL, executor TEXT NOT NULL, rank INTEGER, first INTEGER NOT NULL,
    PRIMARY KEY (run, executor));
CREATE TABLE supersteps (
    run INTEGER NOT NULL,
    scope INTEGER NOT NULL,     -- 0, or the invocation that hosts a sub-workflow
    superstep INTEGER NOT NULL,
    first INTEGER NOT NULL,     -- seq
    last INTEGER,               -- NULL while it is open
    t0 INTEGER NOT NULL,
    t1 INTEGER,
    committed INTEGER NOT NULL, -- seq of its commit, 0 for none
    outcome TEXT NOT NULL,      -- completed, failed, open
    deliveries INTEGER NOT NULL,
    PRIMARY KEY (run, scope, superstep)
) WITHOUT ROWID;
CREATE TABLE keys (run INTEGER NOT NULL, scope INTEGER NOT NULL, key TEXT NOT NULL, access TEXT NOT NULL,
    PRIMARY KEY (run, scope, key)) WITHOUT ROWID;
CREATE TABLE writes (           -- every write, as its executor saw it
    run INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    superstep INTEGER NOT NULL,
    inv INTEGER NOT NULL,
    executor TEXT NOT NULL,
    access TEXT NOT NULL,
    op TEXT NOT NULL,
    old,                        -- a value: BLOB, the number of a payload, or NULL for absent
    new,
    PRIMARY KEY (run, scope, key, seq)
) WITHOUT ROWID;
CREATE TABLE applied (          -- what everybody sees of a key, from seq on
    run INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    written INTEGER NOT NULL,   -- seq of the write that made it, 0 for the initial value
    executor TEXT NOT NULL,
    superstep INTEGER NOT NULL,
    access TEXT NOT NULL,
    value,
    PRIMARY KEY (run, scope, key, seq)
) WITHOUT ROWID;
"""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty database, inside the transaction that is open."""
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.executemany("INSERT INTO event_codes VALUES (?, ?)", sorted(KIND_OF_CODE.items()))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
