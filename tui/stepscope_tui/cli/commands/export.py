"""``stepscope export``: a recording's runs as spans, to a receiver or a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..group import Teaching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from stepscope_tracing import Run
    from stepscope_tracing.otlp import Delivery


@click.command(
    "export",
    cls=Teaching,
    short_help="Send a recording to Jaeger or another OpenTelemetry receiver.",
    examples=[
        ("stepscope export run.stepscope --to otlp", "to a receiver on this machine, Jaeger say"),
        ("stepscope export run.stepscope --to otlp --out http://collector:4318", "to another one"),
        ("stepscope export run.stepscope --to otlp-json --out run.json", "a file, which 'stepscope open' reads too"),
        ("stepscope export 'run.stepscope#run=3f2a' --to otlp", "one run of several"),
    ],
    exits=[("0", "all of it has arrived, or is written"), ("2", "not a recording, no receiver, or not all was taken")],
)
@click.argument("source", type=click.Path())
@click.option("--to", "form", type=click.Choice(["otlp", "otlp-json"]), required=True, help="Receiver, or file.")
@click.option("--out", metavar="URL|FILE", help="Default: http://127.0.0.1:4318, or standard output.")
@click.option(
    "--patience",
    type=click.FloatRange(0),
    default=10.0,
    metavar="S",
    help="Seconds to try a receiver that takes nothing.",
)
def command(source: str, form: str, out: str | None, patience: float) -> int:
    """Make a recording's runs into OpenTelemetry spans.

    The same recording always gives the same spans, ids included: sending it again after a failure makes no doubles where
    the receiver tells spans apart by their ids. Nothing is left out, however slow the receiver is. --to otlp prints what
    was sent as one JSON document.
    """
    from ..recordings import chosen_runs, parse_source, recording_of

    parsed = parse_source(source)
    with recording_of(parsed) as recording:
        runs = [recording.run(run_id) for run_id in chosen_runs(recording, parsed)]
        spans = _spans(runs)
        if form == "otlp":
            return _send(spans, out or "http://127.0.0.1:4318", patience)
        return _write(spans, out)


def _spans(runs: list[Run]) -> Iterator[ReadableSpan]:
    from stepscope_tracing.spans import spans_of_events

    for run in runs:
        yield from spans_of_events(run.iter_events())


def _send(spans: Iterator[ReadableSpan], url: str, patience_s: float) -> int:
    from stepscope_tracing.otlp import export_spans

    from ..problems import Problem
    from ..shapes import Exported

    delivery = export_spans(url, spans, patience_s=patience_s, progress=_progress if sys.stderr.isatty() else None)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    if not delivery.complete:
        raise Problem(delivery.sentence())
    Exported(trace_ids=delivery.trace_ids, spans=delivery.spans, bytes=delivery.bytes).write()
    return 0


def _progress(delivery: Delivery) -> None:
    print(f"\r\x1b[K{delivery.delivered:,} spans sent", end="", file=sys.stderr, flush=True)


def _write(spans: Iterator[ReadableSpan], out: str | None) -> int:
    from pathlib import Path

    from stepscope_tracing.otlp.json_form import lines_of

    from ..problems import Problem

    if out is None:
        for line in lines_of(spans):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
        return 0
    try:
        with Path(out).open("w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines_of(spans))
    except OSError as error:
        raise Problem(f"cannot write {out!r}: {error.strerror}; give --out another file.") from None
    return 0
