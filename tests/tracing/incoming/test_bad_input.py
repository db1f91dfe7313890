"""Files of spans that are cut off, changed, empty, hostile: one sentence each, and nothing else."""

from __future__ import annotations

import json
import os
import random
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from stepscope_tracing import Recording, RecordingError
from stepscope_tracing.incoming import as_recording
from stepscope_tracing.incoming.source import format_of, runs_in
from stepscope_tracing.spans import spans_of_events
from support.foreign_forms import FORMS, jaeger_json, otlp_json, otlp_protobuf
from support.random_streams import long_stream

FULL = os.environ.get("STEPSCOPE_FULL") == "1"
SPANS = list(spans_of_events(long_stream(40)))
GOOD = {form: make(SPANS) for form, make in FORMS.items()}


def one_sentence(error: RecordingError) -> str:
    """What it says, which is one line that people can read."""
    assert "\n" not in str(error)
    assert len(str(error)) < 1000
    return str(error)


def opened(data: bytes, folder: Path) -> str:
    """What became of a file: "not spans", "runs", or the sentence it was refused with."""
    file = folder / "spans"
    file.write_bytes(data)
    try:
        path = as_recording(file, folder)
        if path == file:
            return "not spans"
        with Recording.open(path) as recording:
            for info in recording.runs:
                recording.run(info.run_id).digest()
            return "runs"
    except RecordingError as error:
        return one_sentence(error)


def test_what_is_no_file_of_spans_is_left_to_others(tmp_path: Path) -> None:
    for data in (b"", b"SQLite format 3\x00", b"hello", b"{}", b'{"x": 1}', b"[]", b"\x0a", b"\n\n"):
        assert opened(data, tmp_path) == "not spans"
    assert as_recording(tmp_path, tmp_path) == tmp_path
    assert as_recording(tmp_path / "none", tmp_path) == tmp_path / "none"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"resourceSpans": []}', "no run of Stepscope's"),
        (b'{"data": []}', "no run of Stepscope's"),
        (b'{"resourceSpans": 5}', "cannot be read as that"),
        (b'{"data": [{"spans": [{"traceID": 1}]}]}', "cannot be read as that"),
        (b'{"resourceSpans": ' + b"[" * 100_000, "cannot be read as that"),
        (b'{"data": ' + b'{"a":' * 100_000, "cannot be read as that"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "a", "spanId": "b"}]}]}]}', "1 span of other programs"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\x00\x00", "cannot be read as that"),
    ],
)  # fmt: skip
def test_wrong_documents(data: bytes, said: str, tmp_path: Path) -> None:
    assert said in opened(data, tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_cut_off_anywhere(form: str, tmp_path: Path) -> None:
    data = GOOD[form]
    for length in range(0, len(data) - 3, max(1, len(data) // 60)):
        assert opened(data[:length], tmp_path) != "runs" or form == "lines", length


def changed(**attributes: object) -> bytes:
    """The good run with attributes of its first span changed."""
    document: Any = json.loads(otlp_json(SPANS))
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    span = next(one for one in spans if one["name"].startswith("invoke_workflow"))
    for attribute in span["attributes"]:
        name = attribute["key"].removeprefix("stepscope.")
        if name in attributes:
            attribute["value"] = attributes[name]
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "attributes",
    [
        {"seq": {"intValue": "1000000000000"}},
        {"seq": {"intValue": "-1"}},
        {"seq": {"intValue": "0"}},
        {"seq": {"stringValue": "one"}},
        {"seq": {"intValue": "2"}},
        {"event": {"stringValue": "run-ended"}},
        {"event": {"stringValue": "no-such-event"}},
        {"graph": {"stringValue": "{"}},
        {"graph": {"stringValue": "[" * 100_000}},
        {"input": {"stringValue": "msgpack:!!"}},
        {"options": {"stringValue": "5"}},
        {"started_unix_ns": {"stringValue": "soon"}},
        {"started_unix_ns": {"intValue": str(1 << 80)}},
        {"run_id": {"arrayValue": {"values": [{"intValue": 5}]}}},
    ],
)
def test_a_damaged_span(attributes: dict[str, object], tmp_path: Path) -> None:
    assert opened(changed(), tmp_path) == "runs"
    assert "spans" in opened(changed(**attributes), tmp_path)


def test_a_file_that_a_trace_names_is_not_read(tmp_path: Path) -> None:
    """Where a handler's source is, a trace may say what it likes."""
    secret = tmp_path / "secret.py"
    secret.write_text("password = 'hunter2'\n")
    document: Any = json.loads(otlp_json(SPANS))
    text = json.dumps(document).replace("handlers.py", str(secret))
    file = tmp_path / "spans"
    file.write_text(text)
    made = as_recording(file, tmp_path)
    assert b"hunter2" not in made.read_bytes()
    with Recording.open(made) as recording:
        assert recording.run().source(str(secret)) is None


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, sometimes a piece left out, doubled or put elsewhere."""
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 5)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    if draw.random() < 0.3:
        at, length = draw.randrange(len(changed)), draw.randrange(1, 60)
        piece = changed[at : at + length]
        del changed[at : at + length]
        if draw.random() < 0.5:
            place = draw.randrange(len(changed) + 1)
            changed[place:place] = piece
    return bytes(changed)


@pytest.mark.parametrize("make", [otlp_json, jaeger_json, otlp_protobuf])
@pytest.mark.parametrize("count", [pytest.param(200_000 if FULL else 10_000, marks=pytest.mark.slow), 200])
def test_changed_bytes(make: Callable[[Sequence[ReadableSpan]], bytes], count: int, tmp_path: Path) -> None:
    """Whatever is changed in a file, it is read or refused in one sentence; one in fifty is opened too."""
    data = make(list(spans_of_events(long_stream(6))))
    draw = random.Random(count)
    for number in range(count):
        bad = mutated(data, draw)
        if number % 50 == 0:
            opened(bad, tmp_path)
            (tmp_path / "spans.stepscope").unlink(missing_ok=True)
        elif form := format_of(bad[:4096]):
            try:
                runs_in(bad, form, "changed")
            except RecordingError as error:
                one_sentence(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 500 * 1024
