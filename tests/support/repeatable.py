"""A rich run, repeated in a process of its own: prints the digest and a fingerprint of every event.

``python -m support.repeatable SEED MODE`` with the tests' folder on the path.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import warnings

from .random_runs import Jitter, Node, Program, build, first_message
from .watching import Watcher, comparable

PROGRAM = Program(
    nodes=(
        Node((("set", "own0"), ("effect", 3), ("send", None), ("send", None))),
        Node((("hold", ("live",), (("get", "live"), ("set", "live"))), ("add", "log"), ("send", None))),
        Node((("update", "live"), ("random",), ("output",), ("send", None))),
        Node((("get", "live2"), ("set", "live2"), ("effect", 2), ("send", None)), "sub"),
        Node((("hold", ("live", "live2"), (("update", "live"), ("effect", 1))), ("add", "sum")), "sync"),
    ),
    edges=(
        ("fan-out", (0,), (1, 2)),
        ("single", (1,), (3,)),
        ("condition", (2,), (4,)),
        ("fan-in", (1, 2), (0,)),
        ("selection", (3,), (1, 4)),
    ),
    hops=3,
)


def fingerprint(seed: int, jitter: int, mode: str = "deterministic") -> tuple[str, str]:
    """Digest, and a hash of all events (without times), of one run."""
    watcher = Watcher()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workflow = build(PROGRAM, Jitter(jitter))
    options = {"mode": mode, "seed": seed}
    result = asyncio.run(workflow.run(first_message(PROGRAM), record=watcher, **options))  # type: ignore[arg-type]
    rows = comparable(watcher.events)
    start = [part for part in rows[0] if part != watcher.events[0].python]  # type: ignore[union-attr]
    return result.digest, hashlib.sha256(repr([start, *rows[1:]]).encode()).hexdigest()


if __name__ == "__main__":
    print(*fingerprint(int(sys.argv[1]), int(sys.argv[2])))
