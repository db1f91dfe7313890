"""``stepscope replay``: a recorded run again with the code at hand, compared event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..group import Teaching

if TYPE_CHECKING:
    from ..replaying import Replayed


@click.command(
    "replay",
    cls=Teaching,
    short_help="Run a recording again and verify it.",
    examples=[
        ("stepscope replay run.stepscope app.py:workflow", "whether the code still does what was recorded"),
        ("stepscope replay run.stepscope app.py:workflow --run 3f2a", "another run than the newest"),
        ("stepscope replay --json run.stepscope package.module:make", "for a script"),
    ],
    exits=[
        ("0", "every event happened as recorded"),
        ("1", "something else happened: what was expected, what came instead, and why"),
        ("2", "not a recording, no such workflow, or a run that cannot be replayed"),
    ],
)
@click.argument("file", type=click.Path())
@click.argument("target")
@click.option(
    "--run", "run_id", metavar="ID", help="Which run, by its id or the beginning of it; the newest otherwise."
)
@click.option(
    "--stall-timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True, metavar="SECONDS",
    help="How long to wait for what a handler awaits outside the runtime.",
)  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document; what handlers print goes to standard error."
)
def command(file: str, target: str, run_id: str | None, stall_timeout: float, as_json: bool) -> int:
    """Run the handlers of TARGET again in the order of a recorded run, and compare every event.

    TARGET is path.py:name or package.module:name, as in `stepscope run`; a file never names the code to run. Effects,
    such as model calls, are not called: they give what they gave. Whatever else handlers do outside is done again.
    """
    from contextlib import nullcontext

    from ..replaying import replay
    from ..streams import only_document

    with only_document() if as_json else nullcontext():
        done = replay(file, target, run_id, stall_timeout)
    if as_json:
        from ..shapes import ReplayShape

        ReplayShape.model_validate(done.report).write()
    else:
        _tell(done)
    return 0 if done.report.divergence is None else 1


def _tell(done: Replayed) -> None:
    from ..out import Out, count
    from ..recordings import Source

    out, report = Out(), done.report
    run = (done.workflow, "bold"), f"  run {done.run_id}"
    if report.divergence is None:
        out.line(out.mark("ok"), " identical: ", f"{count(report.steps, 'event')} happened again as recorded  ", *run)
    else:
        found = report.divergence
        out.line(out.mark("failed"), f" diverged at step {found.step}, after {count(report.steps, 'event')}  ", *run)
        out.table([["expected", found.expected], ["actually", found.actual], ["cause", found.cause]], indent=2)
        if found.step:
            out.line(("  see: ", "dim"), f"stepscope open {Source(done.file, done.run_id, found.step)}")
    if report.unknown:
        out.line(
            "  ", out.mark("pending"), f" {count(report.unknown, 'value')} had been left out and were not compared"
        )
    if report.divergence is None and not report.complete:
        out.line("  ", out.mark("pending"), " the end of this run was not recorded: it was verified as far as it goes")
