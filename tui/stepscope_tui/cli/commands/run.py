"""``stepscope run``: one workflow, run and recorded."""

from __future__ import annotations

import click

from ..group import Teaching


@click.command(
    "run",
    cls=Teaching,
    short_help="Run and record one workflow.",
    examples=[
        ("stepscope run app.py:workflow --input '\"a topic\"'", "text is JSON text, in quotes"),
        ('stepscope run package.module:make --input \'{"topic": "locks"}\'', "fields of a dataclass or a model"),
        ("stepscope run app.py:workflow --mode deterministic --seed 7", "the same order every time"),
        ("stepscope run app.py:workflow --otlp http://localhost:4318", "its spans to Jaeger, too"),
    ],
    exits=[
        ("0", "completed"),
        ("1", "the workflow failed; the recording up to there is kept"),
        ("2", "no such workflow, input that it does not take, a value that cannot be stored, no place to record to"),
    ],
)
@click.argument("target")
@click.option("--input", "given", metavar="JSON", help="What the start executor gets.")
@click.option(
    "--record", "file", type=click.Path(), metavar="FILE", help="Default: the workflow's name with .stepscope."
)
@click.option("--mode", default="concurrent", type=click.Choice(["concurrent", "deterministic"]), show_default=True)
@click.option("--seed", type=int, metavar="N", help="Chooses the order in deterministic mode.")
@click.option("--otlp", metavar="URL", help="Send spans to this OTLP/HTTP receiver while it runs.")
@click.option(
    "--redact", multiple=True, metavar="PLACE", help="Leave values out: state.KEY, message.*, *.password, ..."
)
@click.option("--strict", is_flag=True, help="Dropped messages and starved fan-ins are errors.")
@click.option("--max-concurrency", type=click.IntRange(min=1), metavar="N", help="At most N executors at once.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document; what the workflow prints goes to standard error."
)
def command(
    target: str,
    given: str | None,
    file: str | None,
    mode: str,
    seed: int | None,
    otlp: str | None,
    redact: tuple[str, ...],
    strict: bool,
    max_concurrency: int | None,
    as_json: bool,
) -> int:
    """Run one workflow and record it.

    TARGET is path.py:name or package.module:name: a workflow, or a function without arguments, async too, that makes
    one. An existing recording gains a run.
    """
    from contextlib import nullcontext

    from ..report import as_document, as_text
    from ..running import Wanted, run
    from ..streams import only_document

    wanted = Wanted(target, given, file, mode, seed, otlp, redact, strict, max_concurrency)
    with only_document() if as_json else nullcontext():
        done = run(wanted)
    if as_json:
        as_document(done)
    else:
        as_text(done)
    return done.exit_code
