"""What rules name is nowhere in the file: not in events, texts, sources, nor left over by SQLite."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stepscope import StateKey, SuperstepError, WorkflowBuilder, WorkflowContext, executor
from stepscope.events import ErrorInfo, Found, HandlerEnded, RunStarted, StateWritten
from stepscope.values import Tree
from stepscope_tracing import Recording, Run, open_recorder
from support.recordings import record
from support.streams import Stream, live, snapshot

SECRET = "hunter2-" + "correct-horse"  # in two halves: tracebacks and sources quote this file too


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "run.stepscope"
    yield file
    for left in tmp_path.iterdir():
        assert SECRET.encode() not in left.read_bytes(), left.name


def stream(**where: Any) -> Stream:
    """A run with the secret in every place at once."""
    one = Stream("a", "b", payload={"token": SECRET, "n": 1}, keys=[snapshot("token", SECRET), live("login")], **where)
    (inv,) = one.begin()
    one.start(inv)
    one.get(inv, "token")
    one.set(inv, "login", {"user": "ada", "password": SECRET})
    one.update(inv, "login", lambda old: {**old, "n": 2})
    one.send(inv, ["hello", {"password": SECRET}], "b")
    one.effect(inv, "fetch", {"secret": SECRET})
    one.output(inv, f"the token is {SECRET}")
    one.found("lost-update", f"{SECRET!r} was lost", keys=["token"])
    one.end(inv)
    one.commit()
    (inv,) = one.begin()
    one.start(inv)
    one.end(inv, "failed", message=f"bad password {SECRET!r}")
    one.fail(f"ValueError: bad password {SECRET!r}")
    return one


ALL = ["input", "message.*", "state.*", "effect.*", "output"]


def test_every_place_can_be_named(path: Path) -> None:
    record(path, stream().events, ALL)
    with Recording.open(path) as recording:
        run = recording.run()
        started = run.started
        assert started.input.tree() == {"$redacted": True}
        assert [key.initial and key.initial.tree() for key in started.graph.keys] == [{"$redacted": True}, None]
        assert run.message(0).deliveries
        assert run.message(1).payload.tree() == {"$redacted": True}
        assert run.state_at(run.last)["login"].value.tree() == {"$redacted": True}
        assert [output.value.tree() for output in run.outputs()] == [{"$redacted": True}]
        assert run.digest() is None
        assert {type(e) for e in run.events()} == {type(e) for e in stream().events}


def test_one_rule_is_enough_for_a_secret_that_shows_up_elsewhere_later(path: Path) -> None:
    record(path, stream().events, "input.token")
    with Recording.open(path) as recording:
        run = recording.run()
        assert run.started.input.tree() == {"token": {"$redacted": True}, "n": 1}
        assert run.state_at(1)["token"].value.tree() == {"$redacted": True}
        login = run.state_at(run.last - 3)["login"].value.tree()
        assert login == {"user": "ada", "password": {"$redacted": True}, "n": 2}
        assert [e.message for e in run.events() if isinstance(e, Found)] == ["'‹redacted›' was lost"]
        failed = next(e.error for e in run.events() if isinstance(e, HandlerEnded) and e.error)
        assert failed == ErrorInfo(
            "builtins:ValueError", "bad password '‹redacted›'", "Traceback: bad password '‹redacted›'\n", "b"
        )


@pytest.mark.parametrize(
    "value",
    [dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, 9), uuid.UUID(int=2**100), decimal.Decimal("123456.78")],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_is_stored_as_a_text_goes_whole_when_it_shows_up_again(path: Path, value: object) -> None:
    one = Stream("a", payload={"due": value}, keys=[snapshot("k", None)])
    (inv,) = one.begin()
    one.start(inv)
    one.set(inv, "k", {"due": value, "n": 1})
    one.end(inv)
    one.commit()
    record(path, one.finish(), "input")
    with Recording.open(path) as recording:
        run = recording.run()
        assert run.state_at(run.last)["k"].value.tree() == {"due": {"$redacted": True}, "n": 1}
        run.events()


@pytest.mark.parametrize(
    ("rule", "tree", "kept"),
    [
        ("*.password", {"password": "abcdef", "user": "ada"}, {"password": {"$redacted": True}, "user": "ada"}),
        ("state.k", {"password": "abcdef"}, {"$redacted": True}),
        ("state.*", "abcdef", {"$redacted": True}),
        ("state.other", "abcdef", "abcdef"),
        ("state.k.1", ["abcdef", "ghijkl"], ["abcdef", {"$redacted": True}]),
        ("*.b.*", {"a": [{"b": "abcdef"}]}, {"a": [{"b": {"$redacted": True}}]}),
        ("*.1", ("abcdef", "ghijkl"), {"$tuple": ["abcdef", {"$redacted": True}]}),
        ("*.ä", {"ä": "abcdef"}, {"$dict": [["ä", {"$redacted": True}]]}),
        ("state.k", b"abcdef", {"$redacted": True}),
        ("state.k", 123456789, {"$redacted": True}),
    ],
)
def test_globs(path: Path, rule: str, tree: object, kept: Tree) -> None:
    one = Stream("a")
    (inv,) = one.begin()
    one.start(inv)
    one.set(inv, "k", tree)
    one.end(inv)
    one.commit()
    record(path, one.finish(), rule)
    with Recording.open(path) as recording:
        (write,) = recording.run().writes("k")
        assert write.new is not None
        assert write.new.tree() == kept


@dataclasses.dataclass
class Account:
    user: str
    password: str


def test_fields_of_a_programs_types(path: Path) -> None:
    one = Stream("a", payload=[Account("ada", SECRET)])
    record(path, one.finish(), "*.password")
    with Recording.open(path) as recording:
        (account,) = recording.run().started.input.tree()
        assert account["fields"] == {"user": "ada", "password": {"$redacted": True}}


def test_a_function_decides_what_may_be_stored(path: Path) -> None:
    places: set[str] = set()

    def shorten(place: str, tree: Tree) -> Tree:
        places.add(place)
        return {"length": len(tree)} if isinstance(tree, str) and tree == SECRET else tree

    record(path, stream().events, [shorten])
    assert places == {"input", "message", "state.token", "state.login", "effect.fetch", "output"}
    with Recording.open(path) as recording:
        assert recording.run().state_at(1)["token"].value.tree() == {"length": len(SECRET)}


def test_a_function_that_fails_lets_nothing_through(path: Path) -> None:
    def broken(place: str, tree: Tree) -> Tree:
        raise RuntimeError(place)

    record(path, stream().events, broken)
    with Recording.open(path) as recording:
        assert recording.run().state_at(1)["token"].value.tree() == {"$redacted": True}


def test_a_secret_written_into_the_program_is_left_out_of_its_stored_source(path: Path, tmp_path: Path) -> None:
    source = tmp_path / "app.py"
    source.write_text(f"TOKEN = {SECRET!r}\nOTHER = 1\n")
    record(path, stream(file=str(source)).events, "state.*")
    source.unlink()
    with Recording.open(path) as recording:
        assert recording.run().source(str(source)) == "TOKEN = '‹redacted›'\nOTHER = 1\n"


def test_what_is_redacted_in_one_recording_is_whole_in_another(path: Path, tmp_path: Path) -> None:
    events = stream().events
    record(path, events, ALL)
    open_elsewhere = Run.of_events(events)
    assert open_elsewhere.events() == events
    assert isinstance(events[0], RunStarted)
    assert events[0].input.tree() == {"token": SECRET, "n": 1}


def test_short_pieces_are_not_looked_for_elsewhere(path: Path) -> None:
    one = Stream("a", payload={"pin": "12"})
    (inv,) = one.begin()
    one.start(inv)
    one.set(inv, "k", "12 apostles")
    one.end(inv)
    one.commit()
    record(path, one.finish(), "*.pin")
    with Recording.open(path) as recording:
        run = recording.run()
        assert run.started.input.tree() == {"pin": {"$redacted": True}}
        assert run.state_at(run.last)["k"].value.tree() == "12 apostles"


def test_an_empty_rule_is_refused(path: Path) -> None:
    from stepscope_tracing import RecordingError

    with pytest.raises(RecordingError, match="empty redaction rule"):
        open_recorder(path, [""])


async def test_a_run_that_fails_with_the_secret_in_its_error(path: Path) -> None:
    @executor(id="login")
    async def login(form: dict[str, str], ctx: WorkflowContext[str]) -> None:
        await ctx.state.set("token", form["password"] + "!")
        await ctx.state.update("attempts", lambda n: n + 1)
        raise ValueError(f"no user with password {form['password']!r}")

    workflow = WorkflowBuilder(
        start_executor=login, name="login", state=[StateKey("attempts", initial=0, access="live")]
    ).build()
    with pytest.raises(SuperstepError):
        await workflow.run({"password": SECRET}, record=open_recorder(path, ["*.password"]))
    with Recording.open(path) as recording:
        run = recording.run()
        assert run.info.status == "failed"
        assert next(e.new and e.new.tree() for e in run.events() if isinstance(e, StateWritten)) == {"$redacted": True}
        assert "‹redacted›" in str(run.events(kinds=["handler-ended"])[0])
        assert "‹redacted›" in str(run.events(kinds=["superstep-failed"])[0])
