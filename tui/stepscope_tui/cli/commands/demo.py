"""``stepscope demo``: a real lost update, recorded here and now, on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..group import Teaching

if TYPE_CHECKING:
    from ..destination import Destination

FILE = "demo.stepscope"


@click.command(
    "demo",
    cls=Teaching,
    short_help="See a lost update, recorded here and now.",
    examples=[
        ("stepscope demo", "record it and step through it"),
        ("stepscope demo --headless", "record it and say what went wrong"),
    ],
    exits=[("0", "shown"), ("2", "nowhere to record to, or no terminal")],
)
@click.option("--headless", is_flag=True, help="Print a summary instead of opening the debugger.")
def command(headless: bool) -> int:
    """Record three agents that spend from one budget, two of whose updates are lost, and open the moment it happens.

    The recording is demo.stepscope in this folder, or in a temporary one where this one cannot be written.
    """
    import asyncio

    from stepscope.analysis import check_events

    from ...demo.lost_update import workflow
    from ..recordings import Source, recording_of

    place = _place()
    result = asyncio.run(workflow.run("superstep workflows", mode="deterministic", seed=0, record=place.recorder))
    source = Source(place.path)
    with recording_of(source) as recording:
        findings = check_events(recording.run(result.run_id).iter_events())
    lost = [finding for finding in findings if finding.kind == "lost-update"]
    at = Source(source.path, seq=lost[0].seqs[-1])
    if not headless:
        from ..show import show

        return show(at)
    from ..out import Out, count
    from .check import tell

    out = Out()
    out.line(out.mark("output"), f" {result.outputs[0]}")
    out.line()
    out.line(f"Nothing was raised, and {count(len(lost), 'update')} of 'spent' got lost:")
    for finding in lost:
        tell(out, finding, source, newest=True)
    out.line()
    out.line(f"Walk through it: stepscope open {at}")
    return 0


def _place() -> Destination:
    """Where to record to. Raises `RecordingError` if there is no such place at all."""
    import tempfile
    from pathlib import Path

    from stepscope_tracing import RecordingError

    from ..destination import Destination

    try:
        return Destination(FILE)
    except RecordingError:
        return Destination(str(Path(tempfile.mkdtemp(prefix="stepscope-")) / FILE))
