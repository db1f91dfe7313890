"""The census equals a plain loop's, and its own counters equal the recording's, exactly."""

from __future__ import annotations

from pathlib import Path

import codebase_census as census
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepscope_tracing import Recording

ODD_FILES = {
    "broken.py": b"def f(:\n",
    "latin.py": "# -*- coding: latin-1 -*-\nname = 'caf\u00e9'\n".encode("latin-1"),
    "undecodable.py": b"name = '\xff\xfe'\n",
    "unknown_codec.py": b"# -*- coding: klingon -*-\n",
    "null.py": b"x = 1\0\n",
    "empty.py": b"",
    "pkg/__init__.py": b"import os.path, sys\nfrom . import sibling\nfrom os import sep\n",
    "pkg/deep/module.py": b"class A:\n    async def f(self):\n        def g():\n            pass\n",
    "pkg/tests/test_it.py": b"def test(): ...\n",
}


def write(root: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return str(root)


async def test_files_that_do_not_parse_are_counted(tmp_path: Path) -> None:
    folder = write(tmp_path, ODD_FILES)
    result = await census.make().run(folder)
    (found,) = result.outputs
    assert (found.files, found.unparsed, found.undecoded) == (8, 2, 2)
    assert (found.classes, found.functions, found.imports) == (1, 2, 3)
    assert found.imported == {"os": 2, "sys": 1}
    assert found == census.sequential(folder)


async def test_test_packages_on_demand(tmp_path: Path) -> None:
    folder = write(tmp_path, ODD_FILES)
    result = await census.make(tests=True).run(folder)
    assert result.outputs[0].files == 9
    assert result.outputs[0] == census.sequential(folder, tests=True)


async def test_a_folder_without_python_is_an_empty_census(tmp_path: Path) -> None:
    assert (await census.make().run(str(tmp_path))).outputs == [census.Census()]


SNIPPETS = st.sampled_from(
    ["import os\n", "from json import loads\n", "def f():\n    pass\n", "class C:\n    x = 1\n", "x = (\n"]
)
TREES = st.dictionaries(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz")).map(lambda names: f"{names[0]}/{names[1]}.py"),
    st.lists(SNIPPETS, max_size=4).map(lambda lines: "".join(lines).encode()),
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(files=TREES, workers=st.integers(2, 5), concurrent=st.booleans())
async def test_any_tree_and_any_number_of_workers(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], workers: int, concurrent: bool
) -> None:
    folder = write(tmp_path_factory.mktemp("tree"), files)
    job = census.Job(workers=workers)
    result = await job.workflow.run(folder, mode="concurrent" if concurrent else "deterministic")
    assert result.outputs == [census.sequential(folder)]


@pytest.mark.parametrize(
    "folder", [str(Path(census.stdlib(), "email")), pytest.param(census.stdlib(), marks=pytest.mark.slow)]
)
async def test_real_code(folder: str, tmp_path: Path) -> None:
    """Equal to the loop's result, and counted exactly by the recording."""
    path = tmp_path / "census.stepscope"
    job = census.Job()
    result = await job.workflow.run(folder, record=path)
    (found,) = result.outputs
    assert found == census.sequential(folder)
    assert found.functions > 100

    tally = job.tally()
    with Recording.open(path) as recording:
        run = recording.run()
        counts = run.counts()
        assert (counts.deliveries, counts.lock_acquisitions, counts.state_writes) == (
            tally.deliveries,
            tally.locks,
            tally.writes,
        )
        assert run.digest() == result.digest
        assert run.info.complete
    assert tally.locks > 0


def test_what_is_counted(tmp_path: Path) -> None:
    """The counting itself, on a file whose numbers can be told by eye."""
    folder = write(
        tmp_path, {"a.py": b"import a, b\n\n\ndef f():\n    return [lambda: 0]\n\n\nclass C:\n    def g(self): ...\n"}
    )
    found = census.sequential(folder)
    assert (found.lines, found.functions, found.classes, found.imports) == (9, 2, 1, 2)
    assert found.longest == [(2, "a.py:4 f"), (1, "a.py:9 g")]
