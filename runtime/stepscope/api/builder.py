"""Building a workflow: executors by being mentioned, edges by kind; `build` checks and compiles it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise

from ..errors import WorkflowError
from ..events import EdgeInfo, ExecutorInfo, GraphInfo, KeyInfo
from ..kernel.model import Group, Node, Plan
from ..statekey import StateKey
from .declared import check_types
from .edges import Case, Condition, Default, EdgeSpec, Endpoint, Selection, id_of, label_of, plain_function
from .executor import Executor
from .validate import WorkflowWarning, problems, suspicions
from .workflow import Workflow


class WorkflowBuilder:
    """Collects executors and edges. An executor's rank is the order of its first mention, left to right (ORD-2).

    `state` declares keys; `max_supersteps` bounds a run (DLK-1); `types` are classes whose values state may hold beyond
    those that handlers are annotated with, for checkpoints (BAR-4). Methods return the builder. An end of an edge may be
    an executor, or the id of one that is mentioned as an object elsewhere.
    """

    def __init__(
        self,
        start_executor: Executor,
        *,
        name: str = "workflow",
        state: Sequence[StateKey] = (),
        max_supersteps: int = 100,
        types: Sequence[type] = (),
    ) -> None:
        """Raises `WorkflowError` for what cannot be one of these."""
        if not isinstance(max_supersteps, int) or max_supersteps < 1:
            raise WorkflowError(f"max_supersteps is a whole number from 1, not {max_supersteps!r}.")
        self._name = name
        self._max_supersteps = max_supersteps
        self._state = list(state)
        self._types = check_types(name, types)
        self._mentioned: list[Endpoint] = []
        self._edges: list[EdgeSpec] = []
        self._mention(start_executor)
        self._start = start_executor

    def _mention(self, *endpoints: Endpoint) -> None:
        for endpoint in endpoints:
            if not isinstance(endpoint, (Executor, str)):
                raise WorkflowError(
                    f"{endpoint!r} is not an executor; give an Executor, a function made one by @executor, or its id."
                )
            self._mentioned.append(endpoint)

    def _add(self, spec: EdgeSpec) -> WorkflowBuilder:
        self._mention(*spec.sources, *spec.targets)
        self._edges.append(spec)
        return self

    def add_edge(self, source: Endpoint, target: Endpoint, condition: Condition | None = None) -> WorkflowBuilder:
        """Send what `source` sends to `target`, if `condition(message)`, a plain function, is true."""
        plain_function(condition, f"the condition of the edge {_name(source)} -> {_name(target)}")
        return self._add(EdgeSpec("single", (source,), (target,), (condition,)))

    def add_chain(self, executors: Sequence[Endpoint]) -> WorkflowBuilder:
        """An edge from each executor to the next."""
        if len(executors) < 2:
            raise WorkflowError("a chain needs at least two executors.")
        for source, target in pairwise(executors):
            self.add_edge(source, target)
        return self

    def add_fan_out_edges(self, source: Endpoint, targets: Sequence[Endpoint]) -> WorkflowBuilder:
        """Send everything to all targets, an isolated copy each (ORD-3)."""
        if not targets:
            raise WorkflowError(f"the fan-out of {_name(source)} has no targets.")
        return self._add(EdgeSpec("fan-out", (source,), tuple(targets), (None,) * len(targets)))

    def add_fan_in_edges(self, sources: Sequence[Endpoint], target: Endpoint) -> WorkflowBuilder:
        """Deliver the list of the sources' i-th messages once all have sent theirs, in this order (ORD-4)."""
        return self._add(EdgeSpec("fan-in", tuple(sources), (target,), (None,)))

    def add_switch_case_edge_group(self, source: Endpoint, cases: Sequence[Case | Default]) -> WorkflowBuilder:
        """Send each message to the first case that takes it, or to the default, which comes last."""
        defaults = [case for case in cases if isinstance(case, Default)]
        if len(defaults) > 1 or (defaults and cases[-1] is not defaults[0]):
            raise WorkflowError(f"the switch of {_name(source)} may have one Default, as its last case.")
        if len(defaults) == len(cases):
            raise WorkflowError(f"the switch of {_name(source)} has no Case.")
        for case in cases:
            if isinstance(case, Case):
                plain_function(case.condition, f"the case of {_name(source)} -> {_name(case.target)}")
        return self._add(
            EdgeSpec(
                "switch-case",
                (source,),
                tuple(case.target for case in cases),
                tuple(case.condition if isinstance(case, Case) else None for case in cases),
            )
        )

    def add_multi_selection_edge_group(
        self, source: Endpoint, targets: Sequence[Endpoint], *, selection_func: Selection
    ) -> WorkflowBuilder:
        """Send each message to the targets that ``selection_func(message, target_ids)`` names."""
        plain_function(selection_func, f"the selection function of {_name(source)}")
        if not targets:
            raise WorkflowError(f"the multi-selection of {_name(source)} has no targets.")
        return self._add(EdgeSpec("multi-selection", (source,), tuple(targets), (None,) * len(targets), selection_func))

    def build(self) -> Workflow:
        """Check and compile. Raises `WorkflowError`, a sentence for each thing that is wrong, naming all offenders.

        What is only suspicious is a `WorkflowWarning`.
        """
        executors: dict[str, Executor] = {}
        doubled: list[str] = []
        for endpoint in self._mentioned:
            if isinstance(endpoint, Executor) and executors.setdefault(endpoint.id, endpoint) is not endpoint:
                doubled.append(endpoint.id)
        ids = list(dict.fromkeys(id_of(endpoint) for endpoint in self._mentioned))
        wrong = problems(ids, executors, doubled, self._edges, self._start.id, self._state)
        if wrong:
            raise WorkflowError(f"workflow {self._name!r} cannot be built: " + " ".join(wrong))
        for text in suspicions(executors, self._edges):
            warnings.warn(f"workflow {self._name!r}: {text}", WorkflowWarning, stacklevel=2)
        return Workflow(self._plan(ids, executors), [executors[one] for one in ids], self._types)

    def _plan(self, ids: list[str], executors: dict[str, Executor]) -> Plan:
        rank = {one: index for index, one in enumerate(ids)}
        groups = tuple(
            Group(
                f"{index}:{spec.kind}",
                spec.kind,
                tuple(rank[id_of(source)] for source in spec.sources),
                tuple(rank[id_of(target)] for target in spec.targets),
                spec.tests,
                spec.labels,
                spec.select,
            )
            for index, spec in enumerate(self._edges)
        )
        nodes = tuple(
            Node(one, executors[one].match, " or ".join(spec.info.message_type for spec in executors[one].handlers))
            for one in ids
        )
        info = GraphInfo(
            self._name,
            self._start.id,
            [
                ExecutorInfo(one, rank[one], executors[one].kind, [s.info for s in executors[one].handlers])
                for one in ids
            ],
            [
                EdgeInfo(
                    group.id,
                    group.kind,
                    [ids[source] for source in group.sources],
                    [ids[target] for target in group.targets],
                    list(group.labels),
                )
                for group in groups
            ],
            [
                KeyInfo(
                    key.name,
                    key.access,
                    "" if key.reducer is None else label_of(key.reducer),
                    key.initial,
                )
                for key in self._state
            ],
        )
        keys = {key.name: key for key in self._state}
        return Plan(self._name, rank[self._start.id], nodes, groups, keys, self._max_supersteps, info)


def _name(endpoint: object) -> str:
    return repr(id_of(endpoint)) if isinstance(endpoint, (Executor, str)) else repr(endpoint)
