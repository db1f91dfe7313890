"""``stepscope check``: what is wrong with the runs of a recording, for people and for CI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..group import Teaching

if TYPE_CHECKING:
    from stepscope.findings import Finding

    from ..out import Out
    from ..recordings import Source


@click.command(
    "check",
    cls=Teaching,
    short_help="Say what is wrong with the recorded runs.",
    examples=[
        ("stepscope check run.stepscope", "every finding in every run"),
        ("stepscope check --ignore straggler --ignore blocked-loop run.stepscope", "without some kinds"),
        ("stepscope check 'run.stepscope#run=3f2a'", "one run only"),
        ("stepscope check --json run.stepscope > findings.json", "for a script"),
    ],
    exits=[("0", "no findings"), ("1", "some findings"), ("2", "not a recording")],
)
@click.argument("source", type=click.Path())
@click.option("--ignore", multiple=True, metavar="KIND", help="Leave out findings of this kind; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(source: str, ignore: tuple[str, ...], as_json: bool) -> int:
    """Say what is wrong with the recorded runs: what the runtime reported, and what their events show.

    A lost update, for one, raises nothing: an agent wrote over a value that it had not seen.
    """
    from stepscope.analysis import check_events

    from ..recordings import chosen_runs, parse_source, recording_of

    _known(ignore)
    where = parse_source(source)
    with recording_of(where) as recording:
        ids = chosen_runs(recording, where)
        found = {id: [f for f in check_events(recording.run(id).iter_events()) if f.kind not in ignore] for id in ids}
        findings = [finding for one in found.values() for finding in one]
        if as_json:
            from ..shapes import Check, FindingShape

            Check(findings=[FindingShape.model_validate(finding) for finding in findings]).write()
        else:
            from ..out import Out, count

            out = Out()
            for id, one in found.items():
                if one:
                    info = recording.run(id).info
                    out.line((info.workflow, "bold"), f"  run {id}, {info.status}")
                    for finding in one:
                        tell(out, finding, where, newest=id == recording.run().info.run_id)
            runs = count(len(ids), "run")
            clean = out.mark("finding" if findings else "completed")
            out.line(clean, f" {count(len(findings), 'finding')} in {runs}" if findings else f" no findings in {runs}")
    return 1 if findings else 0


def tell(out: Out, finding: Finding, where: Source, *, newest: bool) -> None:
    """One finding, its remedy, and the command that shows it."""
    from ..recordings import Source

    about = f"  superstep {finding.superstep}, {finding.confidence}, {finding.clause}"
    out.line("  ", out.mark("finding"), " ", (finding.kind, out.looks.style("finding")), about)
    out.line(f"    {finding.message}")
    out.line(f"    {finding.remedy}")
    if finding.seqs:
        link = Source(where.path, None if newest else finding.run_id, finding.seqs[-1])
        out.line(("    see: ", "dim"), f"stepscope open {link}")


def _known(ignore: tuple[str, ...]) -> None:
    from typing import get_args

    from stepscope.findings import Kind

    from ..problems import Problem

    kinds = get_args(Kind)
    for kind in ignore:
        if kind not in kinds:
            raise Problem(f"there is no kind of finding {kind!r} to ignore; the kinds are {', '.join(kinds)}.")
