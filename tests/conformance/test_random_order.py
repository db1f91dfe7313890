"""The ordering clauses on random workflows: every edge kind, cycles, threads, any bound, jittered (ORD-1 to ORD-8)."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepscope.events import SuperstepStarted
from support.order import OrderChecker
from support.random_workflows import Drawn, drawn_workflows
from support.workflows import Jitter, Options, full, watch

OPTIONS: st.SearchStrategy[Options] = st.one_of(
    st.fixed_dictionaries({"mode": st.just("concurrent"), "max_concurrency": st.sampled_from([None, None, 1, 2, 3])}),
    st.fixed_dictionaries(
        {"mode": st.just("deterministic"), "seed": st.integers(0, 1000), "max_concurrency": st.sampled_from([None, 1, 2])}
    ),
)  # fmt: skip


async def _check(drawn: Drawn, options: Options, jitter: int) -> None:
    seen = await watch(drawn.workflow(Jitter(jitter)), drawn.hops, **options)
    checker = OrderChecker(seen.events)
    checker.all()
    checker.ord_6(seen.result.outputs)
    for started in seen.of(SuperstepStarted):
        ranks = [checker.rank[name] for name in started.executors]
        assert ranks == sorted(ranks)


def _property(examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(drawn_workflows(threads=True), OPTIONS, st.integers(0, 2**32))
    def check(drawn: Drawn, options: Options, jitter: int) -> None:
        asyncio.run(_check(drawn, options, jitter))

    check()


def test_ord_clauses_hold_on_random_workflows() -> None:
    _property(100)


@pytest.mark.slow
def test_ord_clauses_hold_on_many_random_workflows() -> None:
    _property(full(300, 5000))
