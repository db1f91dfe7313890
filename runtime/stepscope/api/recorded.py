"""Which classes the values of a recording may be when it is replayed: those that the code at hand names (DET-3).

What a checkpoint may hold, and for effects, whose results no annotation of a handler shows: the classes in the modules
that handlers are defined in, and those that the functions given to `ctx.effect` are annotated to return. A recording
names classes; it only finds them here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..checkpoints.encoding import Types
from ..errors import WorkflowError
from ..values import Value
from .declared import classes_in, has_fields
from .executor import Executor


class _Types(Types):
    """Finds a class by its name without the module too: a script's is ``__main__``, and another when it is imported."""

    def __init__(self, workflow: str, declared: Iterable[type], *, source: str, error: type[WorkflowError]) -> None:
        declared = list(declared)
        super().__init__(workflow, declared, source=source, error=error)
        self._bare: dict[str, set[type]] = {}
        for cls in declared:
            self._bare.setdefault(cls.__qualname__, set()).add(cls)

    def find(self, name: str) -> type | None:
        """See `Types`."""
        found = super().find(name)
        if found is None and isinstance(name, str):
            alike = self._bare.get(name.rpartition(":")[2], set())
            found = next(iter(alike)) if len(alike) == 1 else None
        return found


class RecordedTypes:
    """Makes the program's own objects of recorded values."""

    def __init__(self, workflow: str, declared: Iterable[type], executors: Iterable[Executor]) -> None:
        self._workflow = workflow
        self._known = dict.fromkeys([*declared, *_beside(executors)])
        self._types = self._made()

    def _made(self) -> Types:
        return _Types(self._workflow, self._known, source="recording", error=WorkflowError)

    def restored(self, data: bytes, where: str) -> Value:
        """The value as an object. Raises `WorkflowError`, beginning with `where`, for what cannot be one."""
        return self._types.restored(data, where)

    def declare(self, annotations: Iterable[Any]) -> None:
        """Know the classes in these annotations too."""
        found = dict.fromkeys(cls for one in annotations for cls in classes_in(one))
        if not found.keys() <= self._known.keys():
            self._known |= found
            self._types = self._made()


def _beside(executors: Iterable[Executor]) -> Iterator[type]:
    """Data classes that the modules of handlers have as globals."""
    seen: set[int] = set()
    for one in executors:
        for spec in one.handlers:
            names = getattr(getattr(spec, "function", None), "__globals__", {})
            if id(names) not in seen:
                seen.add(id(names))
                yield from (value for value in names.values() if isinstance(value, type) and has_fields(value))
