"""A run goes out as spans and comes back, in every form: the same events, so the same everything."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from stepscope.digest import digest_of_events
from stepscope.events import AnyEvent
from stepscope_tracing import Recording, RecordingError
from stepscope_tracing.incoming import as_recording
from stepscope_tracing.spans import spans_of_events
from support.foreign_forms import FORMS
from support.random_streams import long_stream, random_stream, streams

EVERY_FORM = pytest.mark.parametrize("form", FORMS)


def come_back(data: bytes, folder: Path) -> list[list[AnyEvent]]:
    """The runs that a file of spans is opened as."""
    file = folder / "spans"
    file.write_bytes(data)
    path = as_recording(file, folder)
    assert path != file
    with Recording.open(path) as recording:
        runs = [recording.run(info.run_id) for info in recording.runs]
        assert [run.digest() for run in runs] == [digest_of_events(run.events()) for run in runs]
        return [run.events() for run in runs]


def refused(data: bytes, folder: Path) -> str:
    """The sentence that a file of spans is refused with."""
    file = folder / "spans"
    file.write_bytes(data)
    with pytest.raises(RecordingError) as caught:
        as_recording(file, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@EVERY_FORM
@given(events=streams())
@settings(max_examples=25, deadline=None)
def test_a_run_comes_back(form: str, events: list[AnyEvent]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert come_back(FORMS[form](list(spans_of_events(events))), Path(folder)) == [events]


@EVERY_FORM
def test_in_any_order_and_more_than_once(form: str, tmp_path: Path) -> None:
    events = long_stream(400)
    spans = [*spans_of_events(events), *spans_of_events(events)]
    random.Random(3).shuffle(spans)
    assert come_back(FORMS[form](spans), tmp_path) == [events]


@EVERY_FORM
def test_several_runs_of_one_trace(form: str, tmp_path: Path) -> None:
    """A program that has a span of its own around its runs: all are in one trace."""
    caller = SpanContext(0xABC, 0xDEF, False, TraceFlags(1))
    runs = [random_stream(random.Random(seed), run_id=f"run-{seed}") for seed in range(3)]
    spans = [span for events in runs for span in spans_of_events(events, parent=caller)]
    assert sorted(come_back(FORMS[form](spans), tmp_path), key=str) == sorted(runs, key=str)


@EVERY_FORM
def test_spans_of_others_are_passed_over(form: str, tmp_path: Path) -> None:
    events = long_stream(60)
    ours = list(spans_of_events(events))
    theirs = ReadableSpan("GET /", context=SpanContext(5, 6, False), attributes={"http.method": "GET"}, start_time=1)
    assert come_back(FORMS[form]([theirs, *ours]), tmp_path) == [events]


@EVERY_FORM
def test_a_run_without_its_end(form: str, tmp_path: Path) -> None:
    """A killed program's: what is there comes back, spans that were open included."""
    events = long_stream(200)[:120]
    assert come_back(FORMS[form](list(spans_of_events(events))), tmp_path) == [events]


def without(spans: Sequence[ReadableSpan], *seqs: int) -> list[ReadableSpan]:
    return [span for span in spans if (span.attributes or {})["stepscope.seq"] not in seqs]


@EVERY_FORM
def test_missing_spans_are_said(form: str, tmp_path: Path) -> None:
    spans = list(spans_of_events(long_stream(60)))
    points = [span for span in spans if "stepscope.end_seq" not in (span.attributes or {})]
    seqs = sorted(int(str((span.attributes or {})["stepscope.seq"])) for span in points)[:2]
    said = refused(FORMS[form](without(spans, *seqs)), tmp_path)
    assert "2 events are missing" in said
    assert str(seqs[0]) in said
    assert "run-1" in said


@EVERY_FORM
def test_the_run_s_own_span_is_missing(form: str, tmp_path: Path) -> None:
    assert "hangs under none" in refused(FORMS[form](without(list(spans_of_events(long_stream(60))), 1)), tmp_path)
