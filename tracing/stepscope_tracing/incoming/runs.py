"""From spans to runs: which spans belong to which run, and its events in the order of `seq`, never of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stepscope.events import AnyEvent, Event, RunStarted

from ..errors import RecordingError
from ..spans import names
from ..spans.reading import events_of_span
from .span import Span

_SHOWN = 5


def runs_of(spans: Iterable[Span], source: str) -> list[list[AnyEvent]]:
    """The events of each run among the spans, in the order the runs began. Other spans are passed over.

    A span that came twice counts once. Raises `RecordingError` if there is no run, or spans of one are missing, and
    `WorkflowError` for a span of ours that is damaged.
    """
    by_id: dict[tuple[str, str], Span] = {}
    others = 0
    for span in spans:
        by_id.setdefault((span.trace, span.id), span)
    above: dict[tuple[str, str], Span] = {}
    roots: dict[tuple[str, str], dict[int, Event]] = {}
    for span in by_id.values():
        if names.EVENT not in span.attributes:
            others += 1
            continue
        root = _root_of(span, by_id, above, source)
        held = roots.setdefault((root.trace, root.id), {})
        for event in events_of_span(span.attributes, span.events):
            if event.seq < 1:
                raise RecordingError(f"{source!r}: the span {span.name!r} has event {event.seq}; events count from 1.")
            held[event.seq] = event
    if not roots:
        have = f"{others} span{'s' if others > 1 else ''} of other programs, and no run" if others else "no run"
        raise RecordingError(f"{source!r} holds {have} of Stepscope's; make one with 'stepscope export'.")
    runs = [_complete(events, by_id[root], source) for root, events in roots.items()]
    return sorted(runs, key=_begun)


def _begun(events: list[AnyEvent]) -> tuple[int, str]:
    """A run begins with the event of its root span, as that has number 1."""
    first = events[0]
    assert isinstance(first, RunStarted)
    return first.started_unix_ns, first.run_id


def _root_of(
    span: Span, by_id: Mapping[tuple[str, str], Span], above: dict[tuple[str, str], Span], source: str
) -> Span:
    """The span of the run that a span is part of: sub-workflows' runs, and the program's own spans, lie between.

    `above` remembers the answers.
    """
    way: dict[tuple[str, str], None] = {}
    one: Span | None = span
    while one is not None and (one.trace, one.id) not in way:
        key = one.trace, one.id
        way[key] = None
        is_root = one.attributes.get(names.EVENT) == RunStarted.kind and not one.attributes.get(names.PREFIX + "scope")
        root = one if is_root else above.get(key)
        if root is not None:
            above.update(dict.fromkeys(way, root))
            return root
        one = by_id.get((one.trace, one.parent))
    raise RecordingError(
        f"{source!r}: the span {span.name!r} (event {span.attributes.get(names.SEQ)}) hangs under none of a run's; spans "
        f"above it are missing: export the run again."
    )


def _complete(held: dict[int, Event], root: Span, source: str) -> list[AnyEvent]:
    """A run's events in order. Raises `RecordingError` if some are missing."""
    seqs = sorted(held)
    gaps = [(before + 1, seq - 1) for before, seq in zip([0, *seqs], seqs, strict=False) if seq != before + 1]
    if gaps:
        run_id = root.attributes.get(names.PREFIX + "run_id", root.name)
        missing = sum(last - first + 1 for first, last in gaps)
        shown = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in gaps[:_SHOWN])
        more = ", …" if len(gaps) > _SHOWN else ""
        raise RecordingError(
            f"{source!r}: of the run {run_id!r} {missing} events are missing ({shown}{more}), with the spans that carried "
            f"them; export the run again."
        )
    if not isinstance(held[1], RunStarted):
        raise RecordingError(f"{source!r}: a run begins with a {held[1].kind}; export the run again.")
    return [held[seq] for seq in seqs]  # type: ignore[misc]
