"""A handler may have any name that does not hide a part of `Executor`."""

from __future__ import annotations

import pytest

from stepscope import Executor, WorkflowBuilder, WorkflowError, handler


@pytest.mark.parametrize("name", ["match", "handlers", "kind"])
def test_a_handler_that_would_hide_a_part_of_executor_is_refused(name: str) -> None:
    async def take(self: Executor, n: int) -> None: ...

    with pytest.raises(WorkflowError, match=f"a handler cannot be named '{name}'"):
        type("Hiding", (Executor,), {name: handler(take)})


async def test_a_handler_may_be_called_call() -> None:
    seen: list[int] = []

    class Caller(Executor):
        @handler
        async def call(self, n: int) -> None:
            seen.append(n)

    await WorkflowBuilder(Caller("caller")).build().run(3)
    assert seen == [3]
