"""`stepscope export`, and files of spans in place of recordings."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from stepscope_tracing import Recording
from stepscope_tracing.spans import spans_of_events
from stepscope_tui.cli import main
from support.command import refused, stepscope
from support.otlp_sink import OtlpSink
from support.spans import context_of

Capture = pytest.CaptureFixture[str]


def span_ids(path: Path) -> set[bytes]:
    with Recording.open(path) as recording:
        spans = spans_of_events(recording.run().iter_events())
        return {context_of(span).span_id.to_bytes(8) for span in spans}


def test_to_a_receiver(demo: Path, capsys: Capture) -> None:
    with OtlpSink(fail_every=2) as sink:
        assert main(["export", str(demo), "--to", "otlp", "--out", sink.url]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["trace_ids", "spans", "bytes"]
    assert sink.spans.keys() == span_ids(demo)
    assert document["spans"] == len(sink.spans)
    assert document["bytes"] > 1000
    assert document["trace_ids"] == list({span.trace_id.hex() for span in sink.spans.values()})


def test_a_receiver_that_refuses(demo: Path, tmp_path: Path) -> None:
    with OtlpSink(fail_every=1, status=401) as sink:
        said = refused(stepscope("export", str(demo), "--to", "otlp", "--out", sink.url, cwd=tmp_path))
    assert "were refused" in said
    assert "401" in said


def test_no_receiver(demo: Path, tmp_path: Path) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{one.getsockname()[1]}"
        done = stepscope("export", str(demo), "--to", "otlp", "--out", url, "--patience", "0.1", cwd=tmp_path)
    trying, said = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert trying == f"{url}/v1/traces cannot be reached: Connection refused; trying again until it works."
    assert "were not delivered" in said


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["none.stepscope", "--to", "otlp"], "none.stepscope"),
        (["{demo}", "--to", "otlp", "--out", "ftp://x"], "is not the address of an OTLP receiver"),
        (["{demo}", "--to", "otlp-json", "--out", "no/such/folder/x.json"], "cannot write 'no/such/folder/x.json'"),
        (["{demo}", "--to", "pdf"], "--to"),
        (["{demo}"], "--to"),
        (["{demo}#run=zzz", "--to", "otlp-json"], "zzz"),
    ],
)
def test_bad_input(args: list[str], said: str, demo: Path, tmp_path: Path) -> None:
    assert said in refused(stepscope("export", *(one.format(demo=demo) for one in args), cwd=tmp_path))


def test_a_file_of_spans_is_as_good_as_the_recording(demo: Path, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "demo.json"
    assert main(["export", str(demo), "--to", "otlp-json", "--out", str(file)]) == 0
    for command, status in (("info", 0), ("check", 1)):
        capsys.readouterr()
        assert main([command, str(demo), "--json"]) == status
        from_recording = capsys.readouterr().out
        assert main([command, str(file), "--json"]) == status
        assert capsys.readouterr().out == from_recording


def test_what_was_exported_can_be_exported_again(demo: Path, tmp_path: Path) -> None:
    first = stepscope("export", str(demo), "--to", "otlp-json", cwd=tmp_path)
    (tmp_path / "once.json").write_text(first.stdout)
    again = stepscope("export", "once.json", "--to", "otlp-json", cwd=tmp_path)
    assert (first.returncode, again.returncode) == (0, 0)
    spans = [json.loads(done.stdout)["resourceSpans"][0]["scopeSpans"] for done in (first, again)]
    assert spans[0] == spans[1]


def test_people_read_the_name_they_gave(demo: Path, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "demo.json"
    main(["export", str(demo), "--to", "otlp-json", "--out", str(file)])
    capsys.readouterr()
    assert main(["info", str(file)]) == 0
    assert str(file) in capsys.readouterr().out
    assert main(["check", str(file)]) == 1
    assert f"stepscope open '{file}#seq=" in capsys.readouterr().out
