"""Which format a file of spans has, and the recording that is made of it.

Whether a file is one is asked of every file that is opened: what reads spans is imported only for those that are.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import msgspec

from stepscope.errors import WorkflowError
from stepscope.events import AnyEvent

from .. import database as db
from ..errors import RecordingError
from ..recorder import write_run
from .span import MAX_BYTES, unreadable

_READERS = {"OTLP as JSON": "otlp_json", "Jaeger's JSON": "jaeger_json", "OTLP as protobuf": "otlp_protobuf"}
_START = 4096
_RESOURCE_SPANS = b"\x0a"
"""What an export request begins with: its first field, which is a message."""


def format_of(start: bytes) -> str:
    """Which format the beginning of a file is of; "" for none that is known."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"{":
        return "OTLP as JSON" if b'"resourceSpans"' in start else "Jaeger's JSON" if b'"data"' in start else ""
    return "OTLP as protobuf" if start[:1] == _RESOURCE_SPANS and b"\x00" in start else ""


def as_recording(path: Path, folder: Path) -> Path:
    """The recording in `folder` that a file of spans was made into; `path` itself if it is no file of spans.

    Raises `RecordingError` if the file looks like spans and cannot be read, or holds no whole run.
    """
    name = str(path)
    try:
        if not path.is_file():
            return path
        with path.open("rb") as file:
            form = format_of(file.read(_START))
        if not form:
            return path
        if path.stat().st_size > MAX_BYTES:
            raise RecordingError(f"{name!r} has more than {MAX_BYTES >> 30} GiB of spans; export fewer runs at a time.")
        data = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{name!r} cannot be read: {error.strerror}.") from None
    runs = runs_in(data, form, name)
    made = folder / f"{path.stem}.stepscope"
    db.prepare(made)
    for events in runs:
        write_run(made, events)
    return made


def runs_in(data: bytes, form: str, name: str) -> list[list[AnyEvent]]:
    """The events of each run in the bytes of a file; `form` is from `format_of`. Raises `RecordingError`."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    from .runs import runs_of

    reader = import_module(f"{__package__}.{_READERS[form]}")
    try:
        return runs_of(reader.spans_of(data), name)
    except (msgspec.MsgspecError, DecodeError, ValueError, TypeError, RecursionError) as error:
        raise unreadable(name, form, error) from None
    except RecordingError:
        raise
    except WorkflowError as error:
        raise RecordingError(f"{name!r}: {error}") from None
