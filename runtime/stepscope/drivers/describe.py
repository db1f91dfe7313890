"""Exceptions and waiting tasks as data, for events and messages."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from ..events import ErrorInfo

_OURS = str(Path(__file__).resolve().parents[1]) + os.sep


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS)


def error_info(error: BaseException) -> ErrorInfo:
    """An exception as data: where the program raised it, and the traceback without the runtime's own frames."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
    stack = traceback.StackSummary.from_list(frames)
    notes = "".join(f"{note}\n" for note in getattr(error, "__notes__", ()))
    head = "Traceback (most recent call last):\n" + "".join(stack.format()) if frames else ""
    text = head + "".join(traceback.format_exception_only(error))
    last = frames[-1] if frames else None
    return ErrorInfo(
        type=type(error).__name__,
        message=_message(error),
        traceback=text if notes in text else text + notes,
        file=last.filename if last else "",
        line=(last.lineno or 0) if last else 0,
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # the program's own __str__ may fail
        return f"<its text cannot be had: {type(second).__name__}>"


def awaited_by(task: asyncio.Task[Any] | None) -> str:
    """What a suspended task awaits, and the line of the program's own outermost frame that does."""
    return awaited_in(None if task is None else task.get_coro())


def awaited_in(awaiting: Any) -> str:
    """The same for a suspended coroutine."""
    frames = []
    while awaiting is not None:
        frame = getattr(awaiting, "cr_frame", None) or getattr(awaiting, "gi_frame", None)
        if frame is not None and not _is_ours(frame.f_code.co_filename):
            frames.append(frame)
        awaiting = getattr(awaiting, "cr_await", None) or getattr(awaiting, "gi_yieldfrom", None)
    if not frames:
        return "something outside its own code"
    return _at(frames[0], frames[-1], "a future")


def running_in(thread: int | None, code: CodeType) -> str:
    """Where the handler that is `code` is in its thread, which still runs."""
    frame = None if thread is None else sys._current_frames().get(thread)
    inner = None
    while frame is not None:
        if inner is None and not _is_ours(frame.f_code.co_filename):
            inner = frame
        if frame.f_code is code:
            return _at(frame, inner or frame, "its thread")
        frame = frame.f_back
    return "its thread"


def program_frames(inner: FrameType, code: CodeType | None) -> list[traceback.FrameSummary]:
    """The program's own frames of a running thread, outermost first: from the handler that is `code`, or from where the
    event loop called the program. None if it is not there any more.
    """
    frames: list[tuple[FrameType, int]] = []
    frame: FrameType | None = inner
    while frame is not None:
        if code is None and frame.f_code.co_filename == asyncio.events.__file__:
            break
        if not _is_ours(frame.f_code.co_filename):
            frames.append((frame, frame.f_lineno))
        if frame.f_code is code:
            break
        frame = frame.f_back
    else:
        return []
    return traceback.StackSummary.extract(iter(frames[::-1]))


def _at(handler: FrameType, inner: FrameType, itself: str) -> str:
    """A handler's line, and what it called there; `itself` if it is in no other function."""
    what = itself if inner is handler else inner.f_code.co_qualname
    return f"{what} at {Path(handler.f_code.co_filename).name}:{handler.f_lineno} ({handler.f_code.co_qualname})"
