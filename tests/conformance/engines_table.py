"""The tables of engines and clauses in the documents: from runs of the suite, never typed.

    python -m conformance.engines_table [--run ENGINE ...]     (from the folder `tests`)

``--run`` runs the suite on these engines, where they are installed, and keeps what it said in ``docs/conformance``.
The tables are then written again from what is kept.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import tables
from stepscope.conformance import CLAUSES, ENGINES, Conformance, run_suite

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "conformance"
DOCUMENT = ROOT / "docs" / "conformance.md"
README = ROOT / "README.md"
NAMES = {"stepscope": "Stepscope", "agent-framework": "Agent Framework", "langgraph": "LangGraph"}
SHOWN = {"holds": "holds", "violated": "**violated**", "unsupported": "–"}
LONGEST = 420
"""Characters of evidence that a table shows; all of it is in the file that is kept."""


def kept() -> list[Conformance]:
    """What the suite said of each engine when it was last run."""
    return [Conformance.model_validate_json((KEPT / f"{engine}.json").read_text()) for engine in ENGINES]


def clauses(engines: list[Conformance]) -> str:
    """The table of all clauses."""
    head = ["clause", "", *(f"{NAMES[one.engine]} {one.version}" for one in engines)]
    rows = [
        [clause, line, *(SHOWN[one.clauses[clause].outcome] if clause in one.clauses else "" for one in engines)]
        for clause, line in CLAUSES.items()
    ]
    return tables.markdown(head, rows)


def families(engines: list[Conformance]) -> str:
    """The table of how many clauses of each family hold."""
    head = ["clauses that hold", *(f"{NAMES[one.engine]} {one.version}" for one in engines)]
    rows = []
    for family in [*dict.fromkeys(clause[:3] for clause in CLAUSES), ""]:
        some = [clause for clause in CLAUSES if clause.startswith(family)]
        rows.append([family or "all", *(_held(one, some) for one in engines)])
    return tables.markdown(head, rows)


def _held(one: Conformance, some: list[str]) -> str:
    outcomes = [one.clauses[clause].outcome for clause in some if clause in one.clauses]
    mute = outcomes.count("unsupported")
    return f"{outcomes.count('holds')} of {len(some)}" + (f", {mute} –" if mute else "")


def evidence(one: Conformance) -> str:
    """What was seen where a clause does not hold."""
    rows = [
        [clause, SHOWN[result.outcome], _cell(result.evidence)]
        for clause, result in one.clauses.items()
        if result.outcome != "holds"
    ]
    return tables.markdown(["clause", "", "evidence"], rows)


def _cell(text: str) -> str:
    line = " ".join(text.split())
    shown = line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
    for special in "\\`*_<>|":
        shown = shown.replace(special, f"\\{special}")
    return shown


def written() -> dict[tuple[Path, str], str]:
    """Every table by document and name."""
    engines = kept()
    return {
        (DOCUMENT, "clauses"): clauses(engines),
        (README, "clauses"): families(engines),
        **{(DOCUMENT, one.engine): evidence(one) for one in engines if one.engine != "stepscope"},
    }


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", nargs="*", choices=list(ENGINES), default=[], metavar="ENGINE")
    for engine in parser.parse_args().run:
        found = run_suite(engine)
        (KEPT / f"{engine}.json").write_text(found.model_dump_json(indent=2) + "\n")
        sys.stderr.write(f"{engine} {found.version}\n")
    for (document, name), table in written().items():
        tables.put(document, name, table)


if __name__ == "__main__":
    main()
