"""What `build` refuses, in one sentence that names all offenders, and what it only warns of."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable
from typing import Any, Never, cast, get_type_hints

import pytest

from stepscope import (
    Case,
    Default,
    Executor,
    StateKey,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowError,
    WorkflowExecutor,
    WorkflowWarning,
    executor,
    handler,
)
from stepscope.drivers.options import Options, RunOptions
from support.workflows import Node, relay, swallow


def nodes(names: str) -> list[Node]:
    return [Node(name, relay) for name in names]


def refused(builder: WorkflowBuilder) -> str:
    with pytest.raises(WorkflowError) as caught:
        builder.build()
    text = str(caught.value)
    assert text.startswith("workflow 'workflow' cannot be built: ")
    return text.removeprefix("workflow 'workflow' cannot be built: ")


def warned(builder: WorkflowBuilder) -> list[str]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert isinstance(builder.build(), Workflow)
    assert {one.category for one in seen} <= {WorkflowWarning}
    return [str(one.message).removeprefix("workflow 'workflow': ") for one in seen]


def test_two_executors_with_one_id() -> None:
    s, a, b = nodes("sab")
    builder = (
        WorkflowBuilder(s).add_edge(s, a).add_edge(s, b).add_edge(a, Node("b", relay)).add_edge(b, Node("a", relay))
    )
    assert "Two executors have the same id: 'a', 'b'; give each its own." in refused(builder)


def test_the_same_executor_may_be_mentioned_often() -> None:
    s, a, b = nodes("sab")
    WorkflowBuilder(s).add_edge(s, a).add_edge("s", b).add_edge("a", "b").build()


def test_unknown_targets() -> None:
    s, a = nodes("sa")
    text = refused(WorkflowBuilder(s).add_edge(s, a).add_edge(s, "nobody").add_fan_out_edges(a, ["ghost", "s"]))
    assert text == "No executor has the id 'nobody', 'ghost'; mention the executor itself in an edge."


def test_a_second_edge_between_the_same_two() -> None:
    """ORD-1: whatever kinds the two edges are of, a fan-in's included."""
    s, a, b = nodes("sab")
    builder = WorkflowBuilder(s).add_edge(s, a).add_fan_out_edges(s, [a, b]).add_edge(a, b).add_fan_in_edges([s, a], b)
    text = refused(builder)
    assert "There is more than one edge between 's' -> 'a', 's' -> 'b', 'a' -> 'b' (ORD-1)" in text
    twice = WorkflowBuilder(s).add_fan_out_edges(s, [a, b, a])
    assert "between 's' -> 'a' (ORD-1)" in refused(twice)


def test_fan_ins_of_fewer_than_two_sources() -> None:
    s, a, b, c = nodes("sabc")
    builder = (
        WorkflowBuilder(s)
        .add_edge(s, a)
        .add_fan_in_edges([a], b)
        .add_edge(s, c)
        .add_fan_in_edges([c], Node("d", relay))
    )
    assert "The fan-in into 'b', 'd' has fewer than two sources; use add_edge." in refused(builder)
    assert "fewer than two" in refused(WorkflowBuilder(s).add_fan_in_edges([], a))


def test_executors_that_cannot_be_reached() -> None:
    s, a, b, c = nodes("sabc")
    builder = WorkflowBuilder(s).add_edge(s, a).add_edge(b, c).add_edge(c, b)
    assert "From the start 's' there is no way to 'b', 'c'; add an edge, or leave them out." in refused(builder)


def test_a_fan_in_that_waits_for_itself() -> None:
    s, x, y = nodes("sxy")
    builder = WorkflowBuilder(s).add_fan_in_edges([s, y], x).add_edge(x, y)
    assert "The fan-in into 'x' can never fire: it waits for 'y', reachable only through it." in refused(builder)
    WorkflowBuilder(s).add_fan_in_edges([s, y], x).add_fan_out_edges(s, [y]).build()


def test_fan_ins_that_wait_for_each_other() -> None:
    s, x, y = nodes("sxy")
    text = refused(WorkflowBuilder(s).add_fan_in_edges([s, y], x).add_fan_in_edges([s, x], y))
    assert "The fan-in into 'x' can never fire" in text
    assert "The fan-in into 'y' can never fire" in text


def test_a_state_key_declared_twice() -> None:
    (s,) = nodes("s")
    keys = [StateKey("b"), StateKey("a"), StateKey("b", 1), StateKey("a", access="live")]
    assert refused(WorkflowBuilder(s, state=keys)) == "State key 'a', 'b' is declared more than once."


def test_everything_that_is_wrong_is_said_at_once() -> None:
    s, a, b = nodes("sab")
    builder = WorkflowBuilder(s, state=[StateKey("k"), StateKey("k")]).add_edge(s, a).add_edge(s, a).add_edge(b, s)
    text = refused(builder)
    assert "more than one edge" in text
    assert "no way to 'b'" in text
    assert "declared more than once" in text


def test_a_class_without_handlers() -> None:
    class Empty(Executor):
        """Nothing."""

    text = refused(WorkflowBuilder(Empty("empty")))
    assert text == "Executor 'empty' (Empty) has no handler; decorate a method with @handler."


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda s, a: WorkflowBuilder(s).add_chain([s]), "a chain needs at least two executors."),
        (lambda s, a: WorkflowBuilder(s).add_fan_out_edges(s, []), "the fan-out of 's' has no targets."),
        (
            lambda s, a: WorkflowBuilder(s).add_multi_selection_edge_group(s, [], selection_func=lambda m, t: t),
            "the multi-selection of 's' has no targets.",
        ),
        (
            lambda s, a: WorkflowBuilder(s).add_switch_case_edge_group(s, [Default(a)]),
            "the switch of 's' has no Case.",
        ),
        (
            lambda s, a: WorkflowBuilder(s).add_switch_case_edge_group(s, [Default(a), Case(bool, s)]),
            "the switch of 's' may have one Default, as its last case.",
        ),
        (
            lambda s, a: WorkflowBuilder(s).add_edge(s, a, cast(Any, "always")),
            "the condition of the edge 's' -> 'a' is 'always', which cannot be called.",
        ),
        (lambda s, a: WorkflowBuilder(s, max_supersteps=0), "max_supersteps is a whole number from 1, not 0."),
        (lambda s, a: WorkflowBuilder(s).add_edge(s, cast(Any, 7)), "7 is not an executor; give an Executor"),
    ],
)
def test_what_cannot_be_an_edge_is_said_where_it_is_given(
    make: Callable[[Executor, Executor], Any], sentence: str
) -> None:
    s, a = nodes("sa")
    with pytest.raises(WorkflowError) as caught:
        make(s, a)
    assert sentence in str(caught.value)


async def _asks(_: object) -> bool:
    return True


def test_a_condition_that_is_async_is_refused() -> None:
    s, a = nodes("sa")
    with pytest.raises(WorkflowError, match=r"the condition of the edge 's' -> 'a' \(_asks\) is async; edges decide"):
        WorkflowBuilder(s).add_edge(s, a, _asks)
    with pytest.raises(WorkflowError, match="the selection function of 's'"):
        WorkflowBuilder(s).add_multi_selection_edge_group(s, [a], selection_func=_asks)  # type: ignore[arg-type]


@executor(id="strings")
async def strings(message: str, ctx: WorkflowContext[Never, str]) -> None: ...


@executor(id="ints")
async def ints(message: int, ctx: WorkflowContext[int]) -> None: ...


@executor(id="bytes")
async def other(message: bytes, ctx: WorkflowContext[Never, str]) -> None: ...


def test_a_message_type_that_nobody_downstream_takes_is_a_warning() -> None:
    (warning,) = warned(WorkflowBuilder(ints).add_fan_out_edges(ints, [strings, other]))
    assert warning == (
        "'ints' sends int, which no handler of 'strings', 'bytes' takes; such messages would be dropped (ORD-8)."
    )


def test_a_type_that_somebody_takes_is_not() -> None:
    @executor(id="numbers")
    async def numbers(message: float, ctx: WorkflowContext[Never]) -> None: ...

    @executor(id="either")
    async def either(message: str | int, ctx: WorkflowContext[Never]) -> None: ...

    for target in (numbers, either, Node("any", swallow)):
        assert warned(WorkflowBuilder(ints).add_edge(ints, target)) == []
    assert warned(WorkflowBuilder(ints).add_fan_out_edges(ints, [strings, numbers])) == []


def test_a_fan_in_mentioned_before_the_edges_to_its_sources() -> None:
    s, a, b = nodes("sab")
    c = Node("c", swallow)
    builder = WorkflowBuilder(s).add_fan_in_edges([a, b], c).add_edge(s, a).add_edge(s, b)
    assert warned(builder) == []


def test_a_cycle_without_a_condition_is_a_warning() -> None:
    s, a, b = nodes("sab")
    (warning,) = warned(WorkflowBuilder(s).add_chain([s, a, b, a]))
    assert warning == (
        "'a', 'b' form a cycle in which no edge has a condition; it ends only when a handler sends nothing (DLK-1)."
    )
    (itself,) = warned(WorkflowBuilder(s).add_edge(s, s))
    assert "'s' form a cycle" in itself


def test_a_cycle_that_something_decides_about_is_not() -> None:
    s, a = nodes("sa")
    assert warned(WorkflowBuilder(s).add_edge(s, a).add_edge(a, s, bool)) == []
    assert warned(WorkflowBuilder(s).add_edge(s, a).add_switch_case_edge_group(a, [Case(bool, s)])) == []
    assert (
        warned(
            WorkflowBuilder(s)
            .add_edge(s, a)
            .add_multi_selection_edge_group(a, [s], selection_func=lambda message, targets: targets)
        )
        == []
    )


def test_a_built_workflow_as_data() -> None:
    s, a, b = nodes("sab")
    keys = [StateKey("n", 0, reducer=operator.add)]
    workflow = WorkflowBuilder(s, name="shape", state=keys).add_fan_out_edges(s, [b, a]).build()
    assert (workflow.name, workflow.graph.start) == ("shape", "s")
    assert [(one.id, one.rank) for one in workflow.graph.executors] == [("s", 0), ("b", 1), ("a", 2)]
    (edge,) = workflow.graph.edges
    assert (edge.kind, edge.sources, edge.targets) == ("fan-out", ["s"], ["b", "a"])
    (key,) = workflow.graph.keys
    assert (key.name, key.access, key.reducer) == ("n", "reducer", "add")
    assert repr(workflow) == "<Workflow 'shape' of 3 executors>"


@pytest.mark.parametrize("bad", ["", 7, None])
def test_an_executors_id_is_a_non_empty_string(bad: Any) -> None:
    with pytest.raises(WorkflowError, match="an executor's id is a non-empty string"):
        Node(bad, relay)


def test_an_executors_id_has_no_slash() -> None:
    with pytest.raises(WorkflowError, match="'/' separates a sub-workflow's executors"):
        Node("a/b", relay)


def test_a_sub_workflow_takes_what_its_start_takes() -> None:
    sub = WorkflowExecutor(WorkflowBuilder(ints).build(), id="sub")
    (spec,) = sub.handlers
    assert spec.info.message_type == "int"
    assert WorkflowBuilder(sub).build().graph.executors[0].kind == "sub-workflow"


class Wrong(Executor):
    """A handler without an annotation."""

    @handler
    async def work(self, message, ctx):  # type: ignore[no-untyped-def]
        """Take whatever."""


def test_a_handler_without_a_message_type_is_refused_when_built() -> None:
    text = refused(WorkflowBuilder(Wrong("wrong")))
    assert "andler 'work' of Wrong 'wrong': annotate 'message' with its message type" in text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mode": "fast"}, "mode 'fast' is not one of 'concurrent', 'deterministic'."),
        ({"on_stall": "wait"}, "on_stall 'wait' is not one of 'report', 'pass', 'fail'."),
        ({"seed": "x"}, "seed is a whole number, not 'x'."),
        ({"max_concurrency": 0}, "max_concurrency is a whole number from 1, or None for no limit, not 0."),
        ({"stall_timeout": 0}, "stall_timeout is a number of seconds above 0, not 0."),
        ({"stall_timeout": "1"}, "stall_timeout is a number of seconds above 0, not '1'."),
        ({"cancel_grace": math.nan}, "cancel_grace is a number of seconds above 0, not nan."),
    ],
)
async def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    workflow = WorkflowBuilder(Node("only", relay)).build()
    with pytest.raises(WorkflowError) as caught:
        await workflow.run(0, **options)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stal_timeout": 1}, "a run has no option 'stal_timeout'; did you mean 'stall_timeout'?"),
        ({"zzz": 1}, "a run has no option 'zzz'; there are mode, seed, strict, "),
    ],
)
async def test_options_that_do_not_exist_are_refused(options: dict[str, Any], sentence: str) -> None:
    workflow = WorkflowBuilder(Node("only", relay)).build()
    with pytest.raises(TypeError) as ran:
        await workflow.run(0, **options)
    with pytest.raises(TypeError) as streamed:
        workflow.stream(0, **options)
    assert str(ran.value).startswith(sentence)
    assert str(streamed.value) == str(ran.value)


def test_what_a_caller_may_write_is_what_the_drivers_know() -> None:
    known = {name: kind for name, kind in get_type_hints(RunOptions).items() if name != "drawn_seed"}
    assert get_type_hints(Options) == known
    assert list(get_type_hints(Options)) == list(known)
