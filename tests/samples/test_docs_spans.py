"""docs/spans.md names every span and every conventional attribute that the mapping makes, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from stepscope_tracing.spans import names

TEXT = (Path(__file__).parents[2] / "docs" / "spans.md").read_text()
SPANS = {
    names.INVOKE_WORKFLOW, names.SUPERSTEP, names.DELIVER, names.PROCESS, names.SEND, names.ROUTE, names.DROP,
    names.STATE, names.LOCK_WAIT, names.LOCK_HOLD, names.EFFECT, names.OUTPUT, names.ARRIVE, names.BARRIER,
    names.FINDING, names.TIMEOUT, names.CHECKPOINT, names.RESUME,
}  # fmt: skip


def test_the_table_of_spans_is_complete() -> None:
    table = TEXT.partition("## Attributes")[0]
    rows = re.findall(r"^\| `([a-z_.]+?)(?:\.\{op\})?(?: \{\w+\})?` \|", table, re.MULTILINE)
    assert sorted(rows) == sorted(SPANS)


def test_every_attribute_has_its_row() -> None:
    shown = set(re.findall(r"`((?:gen_ai|messaging|code|error|stepscope)\.[a-z_.]+)`", TEXT))
    conventional = {
        value
        for name, value in vars(names).items()
        if isinstance(value, str) and value.partition(".")[0] in {"gen_ai", "messaging", "code", "error"}
    } - {names.EXCEPTION_FILE}
    assert conventional <= shown
    own = {
        names.EVENT, names.SEQ, names.T, names.END_EVENT, names.END_SEQ, names.END_T, names.SPANS, names.UNFINISHED,
        names.ENDED_BY, names.LINK,
    }  # fmt: skip
    assert own <= shown
    assert {name for name in shown if not name.startswith(names.PREFIX)} <= conventional
