"""A real job: take the census of a source tree, with eight workers in threads.

A lister walks a folder (by default the standard library of the Python that runs this) and hands its packages
out, a round at a time. The workers parse every file with `ast` and contribute to reducer keys: files, lines,
classes, functions, imports. Under `hold` they keep two live tables, which need to be read before they are
written: how often each module is imported, and the longest functions. When the lister has nothing left, each
worker says that it is done, and a fan-in writes the report. A file that does not parse, or cannot be decoded,
is counted and nothing more.

Run it:     python samples/codebase_census.py [FOLDER] [--all]       (--all: test packages too)
Record it:  stepscope record --record census.stepscope samples/codebase_census.py
Open it:    stepscope open census.stepscope

Look at any superstep in the middle: the lister is done at once, and the workers' bars carry a mark where they
hold the tables. The contention tab shows who waited for whom. Select `files` in the state and press `}`: it
grows by a whole round at each barrier, while `imported` changes within. The program counts its own deliveries,
locks and writes and prints them; `stepscope info census.stepscope` gives the same numbers.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import collections
import io
import operator
import sysconfig
import threading
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Never

from stepscope import Executor, StateKey, SyncWorkflowContext, Workflow, WorkflowBuilder, WorkflowContext, handler

WORKERS = 8
ROUNDS = 8
LONGEST = 10
PART = 20
SKIPPED = {"__pycache__", "site-packages"}
TESTS = {"test", "tests", "idle_test"}
PARSING = threading.Lock()
"""Up to Python 3.12 `ast.parse` keeps one depth count for all threads, and fails when two parse deep code at once."""


@dataclass
class Package:
    """A package (or single module) of the tree, or a part of a large one: files relative to `root`, in order."""

    root: str
    name: str
    files: list[str]


@dataclass
class Todo:
    """What the lister has not handed out yet, a list of packages for each round still to come."""

    rounds: list[list[Package]]


@dataclass
class Over:
    """The lister has nothing left."""


@dataclass
class Done:
    """A worker has nothing left; how many packages it did."""

    worker: str
    packages: int


@dataclass
class Census:
    """Totals over a set of files. `unparsed` and `undecoded` files count as files and for nothing else."""

    files: int = 0
    lines: int = 0
    classes: int = 0
    functions: int = 0
    imports: int = 0
    unparsed: int = 0
    undecoded: int = 0
    imported: dict[str, int] = field(default_factory=dict)
    longest: list[tuple[int, str]] = field(default_factory=list)


TOTALS = ["files", "lines", "classes", "functions", "imports", "unparsed", "undecoded"]


def stdlib() -> str:
    """Where the standard library of this Python is."""
    return sysconfig.get_paths()["stdlib"]


def packages_of(folder: str, *, tests: bool = False) -> list[Package]:
    """Packages below `folder`, by name; a package has all the files below its top folder, `PART` at most."""
    root = Path(folder)
    skipped = SKIPPED if tests else SKIPPED | TESTS
    found: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if skipped.isdisjoint(relative.parts) and path.is_file():
            found.setdefault(relative.parts[0], []).append(relative.as_posix())
    return [
        Package(str(root), name, files[first : first + PART])
        for name, files in found.items()
        for first in range(0, len(files), PART)
    ]


def imports_of(node: ast.AST) -> Iterator[str]:
    """Top-level names of the modules a statement imports; relative imports do not count."""
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.module.partition(".")[0]


def count_file(census: Census, path: Path, name: str) -> None:
    """Add one file to `census`."""
    census.files += 1
    try:
        data = path.read_bytes()
        text = data.decode(tokenize.detect_encoding(io.BytesIO(data).readline)[0])
    except (OSError, SyntaxError, UnicodeDecodeError, LookupError):
        census.undecoded += 1
        return
    try:
        with PARSING:
            tree = ast.parse(text, filename=name)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        census.unparsed += 1
        return
    census.lines += len(text.splitlines())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            census.classes += 1
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            census.functions += 1
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            census.longest.append((lines, f"{name}:{node.lineno} {node.name}"))
        for module in imports_of(node):
            census.imports += 1
            census.imported[module] = census.imported.get(module, 0) + 1


def count_package(package: Package) -> Census:
    """Census of one package."""
    census = Census()
    for name in package.files:
        count_file(census, Path(package.root, name), name)
    census.longest = top(census.longest)
    return census


def top(functions: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The longest functions, by length and then name."""
    return sorted(functions, key=lambda entry: (-entry[0], entry[1]))[:LONGEST]


def merged(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    """Sum of two tables."""
    return dict(sorted((collections.Counter(a) + collections.Counter(b)).items()))


def sequential(folder: str, *, tests: bool = False) -> Census:
    """The same census without a workflow: what the workflow's has to be equal to."""
    whole = Census()
    for package in packages_of(folder, tests=tests):
        part = count_package(package)
        for name in TOTALS:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
        whole.imported = merged(whole.imported, part.imported)
        whole.longest = top(whole.longest + part.longest)
    return whole


@dataclass
class Tally:
    """The program's own count of what it asked of the runtime. An executor handles one message at a time."""

    deliveries: int = 0
    locks: int = 0
    writes: int = 0


class Counted(Executor):
    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.tally = Tally()


class Lister(Counted):
    """Finds the packages and hands them out in rounds: a message to itself is the next round."""

    def __init__(self, id: str, *, workers: list[str], tests: bool) -> None:
        super().__init__(id)
        self.workers = workers
        self.tests = tests

    @handler
    def look(self, folder: str | None, ctx: SyncWorkflowContext[Package | Todo | Over]) -> None:
        self.tally.deliveries += 1
        packages = packages_of(folder or stdlib(), tests=self.tests)
        packages.sort(key=lambda package: (-len(package.files), package.name))  # the long ones first
        size = max(len(self.workers), -(-len(packages) // ROUNDS))
        ctx.send_message(Todo([packages[i : i + size] for i in range(0, len(packages), size)]), target_id=self.id)

    @handler
    async def hand_out(self, todo: Todo, ctx: WorkflowContext[Package | Todo | Over]) -> None:
        self.tally.deliveries += 1
        if not todo.rounds:
            for worker in self.workers:
                await ctx.send_message(Over(), target_id=worker)
            return
        for number, package in enumerate(todo.rounds[0]):
            await ctx.send_message(package, target_id=self.workers[number % len(self.workers)])
        await ctx.send_message(Todo(todo.rounds[1:]), target_id=self.id)


class Worker(Counted):
    """Parses packages, one at a time, in a thread."""

    packages = 0

    @handler
    def count(self, package: Package, ctx: SyncWorkflowContext[Done]) -> None:
        self.tally.deliveries += 1
        part = count_package(package)
        for name in TOTALS:
            ctx.state.add(name, getattr(part, name))
        self.tally.writes += len(TOTALS)
        with ctx.state.hold("imported", "longest"):
            self.tally.locks += 2
            imported = ctx.state.get("imported", {})
            longest = ctx.state.get("longest", [])
            ctx.state.set("imported", merged(imported, part.imported))
            ctx.state.set("longest", top(longest + part.longest))
            self.tally.writes += 2
        self.packages += 1

    @handler
    def finish(self, over: Over, ctx: SyncWorkflowContext[Done]) -> None:
        self.tally.deliveries += 1
        ctx.send_message(Done(self.id, self.packages))


class Report(Counted):
    """Waits for every worker, then reads the state."""

    @handler
    async def report(self, done: list[Done], ctx: WorkflowContext[Never, Census]) -> None:
        self.tally.deliveries += 1
        totals = {name: await ctx.state.get(name, 0) for name in TOTALS}
        imported, longest = await ctx.state.get("imported", {}), await ctx.state.get("longest", [])
        await ctx.yield_output(Census(**totals, imported=imported, longest=longest))


class Job:
    """The workflow and, for the tally, its executors."""

    def __init__(self, *, tests: bool = False, workers: int = WORKERS) -> None:
        names = [f"worker{number}" for number in range(workers)]
        self.lister = Lister("lister", workers=names, tests=tests)
        self.workers = [Worker(name) for name in names]
        self.report = Report("report")
        self.workflow: Workflow = (
            WorkflowBuilder(
                start_executor=self.lister,
                name="census",
                state=[StateKey(name, initial=0, reducer=operator.add) for name in TOTALS]
                + [StateKey("imported", initial={}, access="live"), StateKey("longest", initial=[], access="live")],
            )
            .add_edge(self.lister, self.lister, condition=lambda message: isinstance(message, Todo))
            .add_fan_out_edges(self.lister, self.workers)
            .add_fan_in_edges(self.workers, self.report)
            .build()
        )

    def tally(self) -> Tally:
        """Sum over the executors."""
        counted: list[Counted] = [self.lister, *self.workers, self.report]
        return Tally(
            deliveries=sum(one.tally.deliveries for one in counted),
            locks=sum(one.tally.locks for one in counted),
            writes=sum(one.tally.writes for one in counted),
        )


def make(*, tests: bool = False, workers: int = WORKERS) -> Workflow:
    return Job(tests=tests, workers=workers).workflow


workflow = make()


async def take(folder: str, *, tests: bool) -> None:
    job = Job(tests=tests)
    result = await job.workflow.run(folder)
    census = result.outputs[0]
    for name in TOTALS:
        print(f"{name:10} {getattr(census, name):9,}")
    busiest = sorted(census.imported.items(), key=lambda entry: (-entry[1], entry[0]))
    print("most imported:", ", ".join(f"{name} ({times})" for name, times in busiest[:LONGEST]))
    print("longest functions:")
    for lines, where in census.longest:
        print(f"  {lines:5}  {where}")
    tally = job.tally()
    print(f"asked of the runtime: deliveries={tally.deliveries} locks={tally.locks} writes={tally.writes}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Count the functions, classes, lines and imports of a source tree.")
    parser.add_argument("folder", nargs="?", default=stdlib(), help="default: this Python's standard library")
    parser.add_argument("--all", action="store_true", help="test packages too")
    arguments = parser.parse_args()
    if not Path(arguments.folder).is_dir():
        parser.error(f"{arguments.folder!r} is not a folder; give the top folder of a source tree.")
    warnings.simplefilter("ignore", SyntaxWarning)  # of the code that is counted, not ours
    asyncio.run(take(arguments.folder, tests=arguments.all))


if __name__ == "__main__":
    main()
