"""Checkpoints in one SQLite file: the storage to use where nothing else is at hand (BAR-4).

The file work (`sqlitefile`) is done in one thread of the storage's own: syncing a disk takes from a fraction of a
millisecond to tens of them, for which the event loop must not stand still, and a connection that only one thread
uses needs no lock. SQLite is imported when a file is first used, so that importing the runtime stays light.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from ..errors import CheckpointError
from .storage import CheckpointInfo, of

if TYPE_CHECKING:
    from .sqlitefile import StoreFile

_T = TypeVar("_T")


class SQLiteCheckpointStorage:
    """Checkpoints in a file, which any number of runs, workflows, threads and processes may use at the same time.

    What `save` kept survives a killed process and a power cut. The file is made by the first `save`; reading makes
    none, and a file that is not there reads as an empty storage. Close it with `close()` or a ``with`` block, or
    leave that to the garbage collector.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout: float = 10.0, sync: bool = True) -> None:
        """`path` names the file, in a folder that exists; `busy_timeout` seconds it waits for other processes.

        Without `sync` the operating system writes to the disk when it likes: `save` costs a fraction, and what it kept
        still survives a killed process, but a power cut may lose or damage the file. Touches no file.
        """
        self.path = os.fspath(path)
        self._absolute = Path(path).absolute()  # the current folder may change before the first checkpoint
        self._busy_timeout = busy_timeout
        self._sync = sync
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._file: StoreFile | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="stepscope-checkpoints")
        self._finalizer: weakref.finalize[[], SQLiteCheckpointStorage] | None = None

    def _opened(self) -> StoreFile:
        """In the storage's thread: the file, which may not exist yet."""
        if self._file is None:
            from .sqlitefile import StoreFile

            self._file = StoreFile(self.path, self._absolute, busy_timeout=self._busy_timeout, sync=self._sync)
            self._finalizer = weakref.finalize(self, self._file.close)
        return self._file

    async def _do(self, work: Callable[[StoreFile], _T]) -> _T:
        if self._closed:
            raise CheckpointError(f"{self!r} was closed; make another one to go on.")
        if self._process != os.getpid():  # neither threads nor connections survive a fork
            if self._finalizer is not None:
                self._finalizer.detach()
            self._left_to_the_parent = self._file
            self._start()
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(self._opened()))

    async def save(self, info: CheckpointInfo, body: bytes) -> None:
        """Keep a checkpoint, as the newest; one of the same id is replaced.

        It is on the disk when this returns. A cancelled `save` may still keep it, and keeps it whole.
        Raises `CheckpointError` where it cannot be kept.
        """
        await self._do(lambda file: file.save(info, body))

    async def load(self, checkpoint_id: str) -> tuple[CheckpointInfo, bytes]:
        """Exactly what was saved. Raises `CheckpointError` for an unknown id and for a damaged checkpoint."""
        return await self._do(lambda file: file.load(checkpoint_id))

    async def get_latest(self, *, workflow_name: str) -> CheckpointInfo | None:
        """The newest checkpoint of a workflow, of whichever run.

        Raises `CheckpointError` where the file cannot be read, or is damaged so that this cannot be told.
        """
        kept = await self.list_checkpoints(workflow_name=workflow_name)
        return kept[-1] if kept else None

    async def list_checkpoints(
        self, *, workflow_name: str | None = None, run_id: str | None = None
    ) -> list[CheckpointInfo]:
        """What is kept, of one workflow or run where they are named; the oldest first.

        Raises `CheckpointError` where the file cannot be read, or is damaged so that this cannot be told.
        """
        return of(await self._do(lambda file: file.infos()), workflow_name, run_id)

    async def delete(self, checkpoint_id: str) -> bool:
        """Remove a checkpoint; whether there was one. Raises `CheckpointError`."""
        return await self._do(lambda file: file.delete(checkpoint_id))

    async def prune(self, *, keep: int, workflow_name: str | None = None, run_id: str | None = None) -> int:
        """Keep the newest `keep` checkpoints of each run, of one workflow or run where they are named.

        Gives how many were removed; the file does not shrink, its room is used again.
        Raises `CheckpointError`, for a negative `keep` too.
        """
        return await self._do(lambda file: file.prune(keep, workflow_name, run_id))

    def close(self) -> None:
        """Let go of the file, after what is under way; closing again does nothing."""
        self._closed = True
        if self._process == os.getpid():
            self._pool.shutdown(wait=True)
            if self._finalizer is not None:
                self._finalizer()

    def __enter__(self) -> SQLiteCheckpointStorage:
        """Closes at the end of a ``with`` block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """For messages."""
        return f"SQLiteCheckpointStorage({self.path!r})"
