"""`editorial` against its oracle, slate by slate and score by score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from newsreplay.log.rows import ASKING, IMPRESSION, Asks, Log
from newsreplay.recommenders.base import Setting
from newsreplay.recommenders.baselines.editorial import Editorial
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import check_entry
from newsreplay.simulator.replay.replay import replay
from tests import strategies
from tests.naive.baselines import pool_of
from tests.naive.mixtures import editorial


@pytest.mark.parametrize("requests", ["reads", "impressions"])
@settings(max_examples=40, deadline=None)
@given(log=strategies.logs_with_impressions(repeats=True), k=strategies.cut_offs())
def test_editorial_lists_articles_as_the_latest_impressions_did(requests: Asks, log: Log, k: int) -> None:
    done = replay(log, Editorial(), Setting(k=k, requests=requests))
    assert done.scores is not None
    slates, pools, lists = iter(done.slates.tolist()), iter(np.split(done.scores, log.pools.at[1:-1])), []
    for row, kind in enumerate(log.kind.tolist()):
        order = editorial(lists)
        if kind == ASKING[requests]:
            wanted = [item for item in order if item != log.item[row]][:k]
            assert next(slates) == wanted + [-1] * (k - len(wanted))
        if kind == IMPRESSION:
            scores = dict(zip(pool_of(log, row), next(pools).tolist(), strict=True))
            ranked = [item for item in order if item in scores]
            assert sorted(ranked, key=lambda item: -scores[item]) == ranked
            assert {item for item in scores if scores[item] > -np.inf} == {*ranked}
            lists.append(pool_of(log, row))


def test_editorial_is_blind_to_the_future() -> None:
    assert check_entry(start_list("editorial")[0], apart=False).passed
