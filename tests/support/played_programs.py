"""The programs of `support.programs` as workflows of the runtime."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from stepscope import Case, Default, Executor, StateKey, Workflow, WorkflowBuilder, WorkflowContext, handler

from .programs import ABSENT, DEFAULT, KEYS, SELECTIONS, TESTS, Actor, Oops, Player, Primitive, Program, Takes
from .workflows import Context, Jitter, build


async def _perform(op: Primitive, ctx: Any, blocks: list[Any], jitter: Jitter, thread: bool) -> Any:
    """Carry out a primitive. In a sync handler every call is a plain one, and nothing here ever suspends."""
    state = ctx.state
    done: Any = None
    match op:
        case ("pause",):
            if thread:
                jitter.thread()
            else:
                await jitter()
            return None
        case ("get", key):
            done = state.get(key, DEFAULT)
        case ("set", key, value):
            done = state.set(key, value)
        case ("delete", key):
            done = state.delete(key)
        case ("add", key, value):
            done = state.add(key, value)
        case ("update", key, function):
            done = state.update(key, function)
        case ("send", payload, target):
            done = ctx.send_message(payload, target)
        case ("output", value):
            done = ctx.yield_output(value)
        case ("enter", keys):
            block = state.hold(*keys)
            if thread:
                block.__enter__()
            else:
                await block.__aenter__()
            blocks.append(block)
            return None
        case ("leave", failed):
            kind = Oops if failed else None
            block = blocks.pop()
            done = block.__exit__(kind, None, None) if thread else block.__aexit__(kind, None, None)
    return done if thread else await done


async def _play(actor: Actor, jitter: Jitter, message: Any, ctx: Context, thread: bool = False) -> None:
    """Drive the actor's script: send it each result, or throw what was raised, cancellation too."""
    script = Player(actor, message).play(actor.steps)
    blocks: list[Any] = []
    result: Any = None
    error: BaseException | None = None
    while True:
        try:
            op = script.send(result) if error is None else script.throw(error)
        except StopIteration:
            return
        result, error = None, None
        try:
            result = await _perform(op, ctx, blocks, jitter, thread)
        except BaseException as raised:
            error = raised


class _Base(Executor):
    def __init__(self, actor: Actor, jitter: Jitter) -> None:
        super().__init__(actor.name)
        self.actor = actor
        self.jitter = jitter


class _All(_Base):
    @handler
    async def handle(self, message: object, ctx: WorkflowContext[Any, Any]) -> None:
        await _play(self.actor, self.jitter, message, ctx)


class _Numbers(_Base):
    @handler
    async def handle(self, message: dict[str, int], ctx: WorkflowContext[Any, Any]) -> None:
        await _play(self.actor, self.jitter, message, ctx)


class _Texts(_Base):
    @handler
    async def handle(self, message: str, ctx: WorkflowContext[Any, Any]) -> None:
        await _play(self.actor, self.jitter, message, ctx)


class _AllInThread(_Base):
    @handler
    def handle(self, message: object, ctx: WorkflowContext[Any, Any]) -> None:
        with suppress(StopIteration):  # its end: there is nothing to wait for
            _play(self.actor, self.jitter, message, ctx, thread=True).send(None)


_CLASSES: dict[Takes, type[_Base]] = {"all": _All, "numbers": _Numbers, "texts": _Texts}


def workflow_of(program: Program, jitter: Jitter | None = None) -> Workflow:
    """The program on the runtime; handlers pause as `jitter` says, None meaning never."""
    calm = jitter or Jitter(0, most=0)
    nodes = {
        actor.name: (_AllInThread if actor.thread else _CLASSES[actor.takes])(actor, calm) for actor in program.actors
    }
    keys = [
        StateKey(name, reducer=reducer, access=access, **({} if initial is ABSENT else {"initial": initial}))  # type: ignore[arg-type]
        for name, (access, initial, reducer) in KEYS.items()
    ]
    start = nodes[program.actors[0].name]
    builder = WorkflowBuilder(start, name="program", state=keys, max_supersteps=program.max_supersteps)
    for link in program.links:
        sources = [nodes[name] for name in link.sources]
        targets = [nodes[name] for name in link.targets]
        tests = [None if test is None else TESTS[test] for test in link.tests]
        match link.kind:
            case "single":
                builder.add_edge(sources[0], targets[0], tests[0])
            case "fan-out":
                builder.add_fan_out_edges(sources[0], targets)
            case "fan-in":
                builder.add_fan_in_edges(sources, targets[0])
            case "switch-case":
                builder.add_switch_case_edge_group(
                    sources[0],
                    [
                        Default(target) if test is None else Case(test, target)
                        for target, test in zip(targets, tests, strict=True)
                    ],
                )
            case "multi-selection":
                builder.add_multi_selection_edge_group(sources[0], targets, selection_func=SELECTIONS[link.select])
    return build(builder)
