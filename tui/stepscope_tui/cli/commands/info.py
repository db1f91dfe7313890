"""``stepscope info``: what is in a recording, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..group import Teaching

if TYPE_CHECKING:
    from stepscope_tracing import Recording


@click.command(
    "info",
    cls=Teaching,
    short_help="Say what is in a recording, in numbers.",
    examples=[
        ("stepscope info run.stepscope", "the runs, their counts and digests"),
        ("stepscope info --json run.stepscope | jq '.runs[].digest'", "for a script"),
    ],
    exits=[("0", "printed"), ("2", "not a recording")],
)
@click.argument("source", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(source: str, as_json: bool) -> int:
    """Count what a recording holds, run by run, and recompute each run's digest from its events.

    The digest stands for what was committed: two runs with the same digest did the same, whatever the timing was.
    """
    from ..recordings import chosen_runs, parse_source, recording_of

    source_ = parse_source(source)
    with recording_of(source_) as recording:
        ids = chosen_runs(recording, source_)
        if as_json:
            _json(recording, ids)
        else:
            _text(source_.path, recording, ids)
    return 0


def _json(recording: Recording, ids: list[str]) -> None:
    from msgspec.structs import asdict

    from stepscope_tracing.schema import SCHEMA

    from ..shapes import Info, RunCounts

    runs = []
    for run in map(recording.run, ids):
        known = {**asdict(run.info), **asdict(run.counts()), "digest": run.digest()}
        runs.append(RunCounts.model_validate({name: known[name] for name in RunCounts.model_fields}))
    Info(schema_=SCHEMA, runs=runs).write()


def _text(source: str, recording: Recording, ids: list[str]) -> None:
    from ..out import Out, Part, count
    from ..recordings import when

    out = Out()
    out.line((source, "bold"), f"  {count(len(ids), 'run')}")
    for run in map(recording.run, ids):
        info, counts = run.info, run.counts()
        seed = "" if info.seed is None else f", seed {info.seed}"
        out.line()
        out.line(
            out.status(info.status), " ", (info.workflow, "bold"), f"  {info.status}  {info.engine}, {info.mode}{seed}"
        )
        numbers: list[list[Part]] = [
            ["supersteps", f"{counts.supersteps:,}", "deliveries", f"{counts.deliveries:,}"],
            ["barriers", f"{counts.barriers:,}", "messages", f"{counts.messages:,}"],
            ["checkpoints", f"{counts.checkpoints:,}", "state writes", f"{counts.state_writes:,}"],
            ["events", f"{counts.events:,}", "lock acquisitions", f"{counts.lock_acquisitions:,}"],
        ]
        out.table(numbers, indent=2, right=(1, 3))
        texts: list[list[Part]] = [
            ["run", info.run_id],
            ["started", f"{when(info.started_unix_ns)}, took {run.duration_ns / 1e6:,.1f} ms"],
            ["digest", run.digest() or "none: values were left out of this recording"],
        ]
        out.table(texts, indent=2)
        if not info.complete:
            out.line("  ", out.mark("pending"), " the end of this run was not recorded")
