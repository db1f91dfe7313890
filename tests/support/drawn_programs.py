"""Hypothesis strategies for `support.programs`: programs of any kind, and programs that only contend for locks."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

from hypothesis import strategies as st

from .programs import LIVE, REDUCER, SNAPSHOT, Actor, Fail, Give, Hold, Link, Program, Send, Step, Use

NAMES = ("h", "c", "f", "a", "e", "d", "b", "g", "j", "i")
"""Ids whose order is not the order of mention."""


Keys: TypeAlias = tuple[str, ...]


@cache
def scripts(keys: Keys, names: Keys, depth: int = 2, most: int = 4) -> st.SearchStrategy[tuple[Step, ...]]:
    """A script, or a hold's body, using these keys and addressing these executors."""
    return st.lists(_step(keys, names, depth), max_size=most).map(tuple)


@cache
def _step(keys: Keys, names: Keys, depth: int) -> st.SearchStrategy[Step]:
    numbers = st.integers(0, 3)
    live = tuple(key for key in keys if key in LIVE)
    writable = tuple(key for key in keys if key not in REDUCER)
    reducers = tuple(key for key in keys if key in REDUCER)
    target = st.sampled_from((None, None, None, None, *names, "nobody"))
    kinds: list[st.SearchStrategy[Any]] = [
        st.builds(Use, st.just("get"), st.sampled_from(keys)),
        st.builds(Send, numbers, target, st.booleans()),
        st.builds(Send, numbers, st.none(), st.just(False)),
        st.builds(Give, numbers),
        _odd(keys),
    ]
    if writable:
        write = st.sampled_from(("set", "set", "delete", "update", "update"))
        kinds.append(st.builds(Use, write, st.sampled_from(writable), numbers))
    if reducers:
        kinds.append(st.builds(Use, st.just("add"), st.sampled_from(reducers)))
    if live and depth:
        held = st.lists(st.sampled_from(live), min_size=1, max_size=3).map(tuple)
        kinds += [st.builds(Hold, held, scripts(keys, names, depth - 1, 3), st.booleans())] * 2
    return st.one_of(kinds)


def _odd(keys: Keys) -> st.SearchStrategy[Any]:
    """What mostly goes wrong, drawn now and then; what takes its place else is harmless."""
    key = st.sampled_from(keys)
    verbs = st.sampled_from(("set", "delete", "update", "add", "spoil"))
    wrong: st.SearchStrategy[Any] = st.one_of(
        st.builds(Fail, st.integers(0, 3)), st.builds(Use, verbs, key), st.builds(Hold, st.tuples(key))
    )
    harmless = st.builds(Use, st.just("get"), key)
    return st.integers(0, 7).flatmap(lambda chance: wrong if chance == 7 else harmless)


@st.composite
def programs(draw: st.DrawFn, live: bool = True, threads: bool = False) -> Program:
    """Programs of 1 to 6 executors and every edge kind, with cycles; `live` says whether live keys take part."""
    names = NAMES[: draw(st.sampled_from((4, 5, 6, 3, 2, 1)))]
    keys = SNAPSHOT + REDUCER + (LIVE if live else ())
    if live and draw(st.booleans()):
        keys = (*LIVE, "sum")  # more contention
    writes_own = draw(st.sampled_from((True, True, True, False)))
    actors = []
    for at, name in enumerate(names):
        takes: Any = draw(st.sampled_from(("all",) * 8 + ("numbers", "texts"))) if at else "all"
        # with keys of one's own there are no conflicts, and longer runs
        mine = tuple(key for key in keys if not writes_own or key not in SNAPSHOT or SNAPSHOT.index(key) == at)
        thread = threads and takes == "all" and draw(st.integers(0, 3)) == 3
        steps = list(draw(scripts(mine, names)))
        for _ in range(draw(st.sampled_from((1, 1, 1, 2, 0)))):
            steps.insert(draw(st.integers(0, len(steps))), Send(draw(st.integers(0, 3))))
        actors.append(Actor(name, takes, tuple(steps), thread))
    return Program(
        tuple(actors),
        tuple(draw(_links(names))),
        draw(st.sampled_from((3, 2, 4, 1))),
        draw(st.sampled_from((100, 100, 100, 100, 3, 2))),
        draw(st.sampled_from((False,) * 7 + (True,))),
    )


_TESTS = st.sampled_from(("even", "near") * 4 + ("broken",))


@st.composite
def _links(draw: st.DrawFn, names: tuple[str, ...]) -> list[Link]:
    """A way from the start to everybody, and more; no second edge between any two."""
    links: list[Link] = []
    taken: set[tuple[str, str]] = set()

    def add(link: Link) -> None:
        links.append(link)
        taken.update((source, target) for source in link.sources for target in link.targets)

    wide = draw(st.integers(0, len(names) - 1))
    if wide:
        add(Link("fan-out", names[:1], names[1 : wide + 1], (None,) * wide))
    for at in range(wide + 1, len(names)):
        sources = draw(st.lists(st.sampled_from(names[:at]), min_size=1, max_size=3, unique=True))
        test = draw(st.none() | _TESTS)
        kind: Any = "fan-in" if len(sources) > 1 else "single"
        add(Link(kind, tuple(sources), (names[at],), (None if len(sources) > 1 else test,)))
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(("single", "fan-out", "switch-case", "multi-selection", "fan-in")))
        many = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        one = draw(st.sampled_from(names))
        if kind == "fan-in":
            many = [source for source in many if (source, one) not in taken]
            if len(many) > 1:
                add(Link(kind, tuple(many), (one,), (None,)))
            continue
        many = [target for target in many if (one, target) not in taken]
        if not many:
            continue
        tests: list[str | None] = [None] * len(many)
        if kind == "single":
            many, tests = many[:1], [draw(st.none() | _TESTS)]
        elif kind == "switch-case":
            tests = [draw(_TESTS) for _ in many]
            if len(many) > 1 and draw(st.booleans()):
                tests[-1] = None
        add(Link(kind, (one,), tuple(many), tuple(tests), draw(st.sampled_from(("all", "some", "some", "stray")))))
    return draw(st.permutations(links))


@st.composite
def lock_programs(draw: st.DrawFn, fails: bool = False, threads: bool = False) -> Program:
    """Up to 10 executors side by side, which hold and use a few live keys, nested, in any order; some may fail."""
    names = NAMES[: draw(st.integers(3, 10))]
    keys = LIVE[: draw(st.integers(2, 3))]
    actors = [Actor(names[0], "all", (Send(),))]
    for name in names[1:]:
        steps = draw(st.lists(_contending(keys, 3, fails), min_size=1, max_size=3))
        actors.append(Actor(name, "all", tuple(steps), threads and draw(st.integers(0, 3)) == 3))
    return Program(tuple(actors), (Link("fan-out", names[:1], names[1:], (None,) * (len(names) - 1)),), 1)


@cache
def _contending(keys: Keys, depth: int, fails: bool) -> st.SearchStrategy[Any]:
    use: st.SearchStrategy[Any] = st.builds(
        Use, st.sampled_from(("get", "set", "update", "delete")), st.sampled_from(keys)
    )
    if fails:
        fail = st.builds(Fail, st.integers(0, 3))
        use = st.integers(0, 4).flatmap(lambda chance, use=use: fail if chance == 4 else use)  # type: ignore[misc]
    if not depth:
        return use
    body = st.lists(_contending(keys, depth - 1, fails), max_size=3).map(tuple)
    held = st.lists(st.sampled_from(keys), min_size=1, max_size=2).map(tuple)
    hold = st.builds(Hold, held, body, st.booleans())
    return st.one_of(use, hold, hold)
