"""``stepscope conformance``: which clauses of the semantics hold in an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..group import Teaching

if TYPE_CHECKING:
    from stepscope.conformance import Conformance, Observed, Vector

    from ...looks import Meaning


@click.command(
    "conformance",
    cls=Teaching,
    short_help="Say which clauses of the semantics hold in an engine.",
    examples=[
        ("stepscope conformance", "this runtime"),
        ("stepscope conformance --engine langgraph", "another engine, where it is installed"),
        ("stepscope conformance --clause ORD-2 --clause STA-3", "two clauses only"),
        ("stepscope conformance --json | jq '.clauses[].outcome'", "for a script"),
        ("stepscope conformance --judge observed.json", "what an implementation in another language saw"),
    ],
    exits=[
        ("0", "all clauses hold"),
        ("1", "some are violated, or cannot be expressed"),
        ("2", "no such clause, the engine is not installed, or no such document to judge"),
    ],
)
@click.option(
    "--engine",
    type=click.Choice(["stepscope", "agent-framework", "langgraph"]),
    default="stepscope",
    show_default=True,
    help="Whose clauses.",
)
@click.option("--clause", "wanted", multiple=True, metavar="ID", help="Only this clause; may be repeated.")
@click.option("--judge", "file", type=click.Path(), metavar="FILE", help="Run nothing; judge these observations.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(engine: str, wanted: tuple[str, ...], file: str | None, as_json: bool) -> int:
    """Run the conformance suite on an engine: programs in its own idioms, under schedules that could break a clause.

    A clause is "violated" if the engine did something else, "unsupported" if the situation cannot be expressed in it.
    """
    from contextlib import nullcontext

    from stepscope.conformance import CLAUSES, EngineMissing, judge_observed, run_suite

    from ..problems import Problem
    from ..streams import only_document

    def chosen(vector: Vector) -> bool:
        return not wanted or vector.clause in wanted

    for clause in wanted:
        if clause not in CLAUSES:
            raise Problem(f"there is no clause {clause!r}; the clauses are {', '.join(CLAUSES)}.")
    with only_document() if as_json else nullcontext():
        try:
            found = run_suite(engine, chosen) if file is None else judge_observed(_observed(file), chosen)
        except EngineMissing as error:
            raise Problem(f"{error}.") from None
    if as_json:
        from ..shapes import ConformanceShape

        ConformanceShape.model_validate(found).write()
    else:
        _tell(found)
    return 0 if all(result.outcome == "holds" for result in found.clauses.values()) else 1


def _observed(file: str) -> Observed:
    """Raises `Problem` for a file that is no document of observations, `OSError` for one that cannot be read."""
    from pathlib import Path

    from pydantic import ValidationError

    from stepscope.conformance import Observed

    from ..problems import Problem

    try:
        return Observed.model_validate_json(Path(file).read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        at = f" at {where}" if where else ""
        raise Problem(
            f"{file!r} is no document of observations: {first['msg']}{at}; see observed.schema.json."
        ) from None


def _tell(found: Conformance) -> None:
    from stepscope.conformance import CLAUSES

    from ..out import Out, count

    out = Out()
    marks: dict[str, Meaning] = {"holds": "ok", "violated": "failed", "unsupported": "leaf"}
    out.line((found.engine, "bold"), f" {found.version}")
    for clause, result in found.clauses.items():
        out.line(out.mark(marks[result.outcome]), f" {clause}  {CLAUSES[clause]}")
        if result.outcome != "holds":
            out.line(f"         {result.outcome}: {result.evidence}")
    outcomes = [result.outcome for result in found.clauses.values()]
    others = [f"{outcomes.count(other)} {other}" for other in ("violated", "unsupported") if other in outcomes]
    out.line(", ".join([f"{outcomes.count('holds')} of {count(len(outcomes), 'clause')} hold", *others]))
