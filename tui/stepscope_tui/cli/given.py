"""--input: JSON to what the start executor's handlers take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .problems import Problem, one_line

if TYPE_CHECKING:
    from stepscope import Workflow


def given(workflow: Workflow, text: str | None) -> Any:
    """The input that the JSON `text` stands for; without it None, if a handler takes that.

    A JSON value that a handler takes is given as it is. Otherwise the first handler whose message type (a dataclass,
    a pydantic model, a datetime, ...) it is valid for, without guessing such as text for a number. Raises `Problem`.
    """
    start = _start(workflow)
    if text is None:
        if start.match(None) is None:
            raise Problem(
                f"workflow {workflow.name!r} needs an input: executor {start.id!r} takes {_types(start)}; "
                f"give it as JSON with --input."
            )
        return None
    try:
        value = json.loads(text)
    except RecursionError:
        raise Problem("--input is nested too deep to be read.") from None
    except ValueError as error:
        raise Problem(
            f"--input is not JSON ({one_line(str(error))}); text is written in quotes: --input '\"text\"'."
        ) from None
    if start.match(value) is not None:
        return value
    reasons = []
    for handler in start.handlers:
        try:
            made = _validated(handler.message_type, text)
        except ValueError as error:
            reasons.append(f"{handler.info.message_type}: {_reason(error)}")
        else:
            if start.match(made) is not None:
                return made
    why = f" ({'; '.join(reasons)})" if reasons else ""
    raise Problem(f"no handler of executor {start.id!r} takes this --input; it takes {_types(start)}{why}.")


def _start(workflow: Workflow) -> Any:
    """The executor whose handlers take the input, inside sub-workflows too."""
    start: Any = workflow.start
    while hasattr(start, "workflow"):
        start = start.workflow.start
    return start


def _types(start: Any) -> str:
    return " or ".join(dict.fromkeys(handler.info.message_type for handler in start.handlers))


def _validated(message_type: Any, text: str) -> Any:
    """Raises `ValueError`, which pydantic's errors are too."""
    from pydantic import PydanticUserError, TypeAdapter

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(message_type)
    except PydanticUserError:
        raise ValueError("this type cannot be made from JSON") from None
    return adapter.validate_json(text, strict=True)


def _reason(error: ValueError) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
